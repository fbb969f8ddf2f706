"""Formations other than CDTs: what the Designer defines, in a draft that is written and a current one that is used."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .default_designs import DEFAULT_DESIGNS, DISPOSITION
from .errors import ApiError, not_found, validation_error
from .formations import Formation, cdt_shape
from .records import require
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Designs", "answer_keys"]

_TYPES = ("document-types", "pdts")

# Keys of each kind with the value of one that was not sent; of the two kinds above `cdt_shape` knows them.
_BLANK: Mapping[str, Record] = {
    "assessments": {
        "title": None, "name": None, "version": 1, "sections": [], "scoring": {}, "programs": [], "template": None,
        "conditionSettings": None, "displayType": "SECTIONS", "autoCompleted": False, "_containsPHI": True,
    },
    "encounters": {
        "name": None, "title": None, "encounterDescription": "", "encounterInstruction": "",
        "encounterColor": "#3366cc", "type": "", "deliveryMethod": "IN-PERSON", "defaultDuration": 30,
        "assessmentNames": [],
    },
    "goal-templates": {"name": None, "goalName": None, "type": None, "priority": "MEDIUM", "taskTemplates": []},
    "programs": {"name": None, "title": None, "description": "", "phases": [], "nodes": []},
    "dictionaries": {"name": None, "title": None, "internal": False, "fields": []},
}  # fmt: skip
_WITH_ID = ("assessments", "encounters")


@attrs.define
class Designs:
    """Definitions of every kind but CDTs, and their section of the API.

    Attributes:
        site: Source of ids.
        current: What is in use: definitions by kind (as paths name it), then name.
        draft: What writes change; `publish` puts it in use.
    """

    site: Site
    current: dict[str, dict[str, Record]] = attrs.field(init=False, repr=False)
    draft: dict[str, dict[str, Record]] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.draft = {kind: {} for kind in (*_BLANK, *_TYPES)}
        for kind, definitions in DEFAULT_DESIGNS.items():
            for sent in definitions:
                self.draft[kind][sent["name"]] = self._shape(kind, sent, None)
        disposition = cdt_shape(
            self.site.new_id(), "__encounter_disposition__", DISPOSITION, relation="ENCOUNTER_DISPOSITION"
        )
        self.draft["encounter-disposition"] = {"": disposition}
        self.publish()

    def publish(self) -> None:
        """Put the draft in use, which in Welkin is a click in the Designer."""
        self.current = copy.deepcopy(self.draft)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/formations/{version}"
        for kind in (*_BLANK, *_TYPES):
            section, many = f"formation_{kind.replace('-', '_')}", f"{base}/{kind}"
            routes.add(f"{section}.list", "GET", many, self._of(self.list_all, kind))
            routes.add(f"{section}.get", "GET", many + "/{name}", self._of(self.get, kind))
            if kind in ("goal-templates", "pdts"):
                continue
            routes.add(f"{section}.create", "POST", many, self._of(self.create, kind))
            routes.add(f"{section}.update", "PUT", many + "/{name}", self._of(self.update, kind))
            routes.add(f"{section}.delete", "DELETE", many + "/{name}", self._of(self.delete, kind))
        routes.add("formation_assessments.get_cdt", "GET", base + "/assessments/cdt/{cdt_name}", self.get_cdt)
        single = base + "/encounter-disposition"
        routes.add("formation_encounter_disposition.get", "GET", single, self.get_disposition)
        routes.add("formation_encounter_disposition.update", "PUT", single, self.update_disposition)

    @staticmethod
    def _of(handler: Callable[..., Answer], kind: str) -> Callable[..., Answer]:
        return lambda call, version, *names: handler(call, version, kind, *names)

    def _read(self, version: str, kind: str) -> dict[str, Record]:
        if version not in ("current", "draft"):
            raise not_found("FORMATION_NOT_FOUND", "FORMATION", "The version is current or draft", version=version)
        return (self.current if version == "current" else self.draft)[kind]

    def _write(self, version: str, kind: str) -> dict[str, Record]:
        if version != "draft":
            # Documented: every write is on draft. The answer to one on current is unknown: chosen here.
            raise ApiError(405, "METHOD_NOT_ALLOWED", "FORMATION", "Only the draft can be written")
        return self.draft[kind]

    def find(self, kind: str, name: str, version: str = "current") -> Record:
        """One definition.

        Args:
            kind: As paths name it.
            name: Its name.
            version: `current` or `draft`.

        Raises:
            ApiError: 404, it is not there (its code is unknown: chosen here).
        """
        found = self._read(version, kind).get(name)
        if found is None:
            raise not_found("FORMATION_NOT_FOUND", "FORMATION", "Formation not found", name=name)
        return found

    def formation(self, kind: str, name: str) -> Formation:
        """A definition in use that has typed fields, ready to check values by.

        Args:
            kind: `document-types`, `pdts` or `encounter-disposition`.
            name: Its name; empty for the disposition.

        Raises:
            ApiError: 404, it is not there.
        """
        return Formation(self.find(kind, name))

    def list_all(self, call: Call, version: str, kind: str) -> Answer:
        """Every definition as a bare array (recorded)."""
        return ok(list(self._read(version, kind).values()))

    def get(self, call: Call, version: str, kind: str, name: str) -> Answer:
        """One definition (recorded)."""
        return ok(self.find(kind, name, version))

    def create(self, call: Call, version: str, kind: str) -> Answer:
        """Add to the draft: 201; 200 for assessments (both documented)."""
        held, sent = self._write(version, kind), call.object()
        require(sent, ("name",), "FORMATION")
        if sent["name"] in held:
            raise validation_error("The name is taken", "FORMATION", field="name")
        held[sent["name"]] = shape = self._shape(kind, sent, None)
        return ok(shape, 200 if kind == "assessments" else 201)

    def update(self, call: Call, version: str, kind: str, name: str) -> Answer:
        """Replace a definition in the draft; its name stays (documented for assessments)."""
        held = self._write(version, kind)
        shape = self._shape(kind, {**call.object(), "name": name}, self.find(kind, name, version))
        held[name] = shape
        return ok(shape)

    def delete(self, call: Call, version: str, kind: str, name: str) -> Answer:
        """Remove from the draft: 200 without a body (assumed)."""
        held = self._write(version, kind)
        self.find(kind, name, version)
        del held[name]
        return no_content()

    def _shape(self, kind: str, sent: Mapping[str, Any], earlier: Record | None) -> Record:
        """The definition that was sent, completed."""
        name, version = sent["name"], earlier["version"] + 1 if earlier and "version" in earlier else 1
        if kind in _TYPES:
            relation = "DOCUMENT_TYPE" if kind == "document-types" else "PATIENT_INFO"
            number = earlier["id"] if earlier else self.site.new_id()
            title = sent.get("title") or name
            try:
                fields = sent.get("fields") or []
                return cdt_shape(number, name, fields, title=title, version=version, relation=relation)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise validation_error("fields do not fit", "FORMATION", field="fields") from error
        shape = {key: copy.deepcopy(sent.get(key, blank)) for key, blank in _BLANK[kind].items()}
        shape["title" if "title" in shape else "goalName"] = sent.get("title") or sent.get("goalName") or name
        if kind in _WITH_ID:
            shape["id"] = earlier["id"] if earlier else self.site.new_id()
        if "version" in shape:
            shape["version"] = version
        return shape

    def get_cdt(self, call: Call, version: str, cdt_name: str) -> Answer:
        """The CDT behind an assessment: `_<name>` for its answers, `_<name>_scoring` for scores (documented)."""
        held = self._read(version, "assessments")
        name = cdt_name.removeprefix("_")
        scoring = name not in held
        found = held.get(name.removesuffix("_scoring") if scoring else name)
        if found is None or not cdt_name.startswith("_"):
            raise not_found("DT_NOT_FOUND", "CDT", "Data type not found", cdtName=cdt_name)
        fields = dict.fromkeys(answer_keys(found), "text") if not scoring else {"total": "integer"}
        return ok(cdt_shape(found["id"], cdt_name, fields, label=found["title"], relation="ASSESSMENT"))

    def get_disposition(self, call: Call, version: str) -> Answer:
        """The one definition of dispositions (recorded): an object, not a list."""
        return self.get(call, version, "encounter-disposition", "")

    def update_disposition(self, call: Call, version: str) -> Answer:
        """Replace the custom fields; the server appends the system fields (documented)."""
        held = self._write(version, "encounter-disposition")
        sent, earlier = call.object(), held[""]
        shape = self._shape("document-types", {"name": earlier["name"], "fields": sent.get("fields")}, earlier)
        held[""] = {**shape, "title": None, "relation": earlier["relation"]}
        return ok(held[""])


def answer_keys(assessment: Mapping[str, Any]) -> dict[str, str]:
    """Keys of an assessment's answers, `<cdt>__<field>` (recorded), with the text of each question.

    Args:
        assessment: Its definition.
    """
    return {
        f"{each.get('refCdtName')}__{each.get('refCdtFieldName')}": each.get("label") or ""
        for section in assessment["sections"]
        for each in section.get("fields") or ()
    }
