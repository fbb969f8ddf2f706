"""Formations: the definitions of custom data types (CDTs), which are read-only, and those of every other kind.

The other kinds have two versions: writes change the draft, and publishing puts it in use.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack

import attrs

from welkin_async.sandbox.http.errors import ApiError, not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, no_content, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.defaults import DEFAULT_FORMATIONS, DISPOSITION
from welkin_async.sandbox.records.fields import FIELD_TYPES, Alteration, Check, check_for, complete_fields
from welkin_async.sandbox.records.records import known_fields, require
from welkin_async.sandbox.records.values import Kind, among, list_of, object_of
from welkin_async.sandbox.records.values import name as name_of
from welkin_async.sandbox.site import Site


def cdt_shape(
    id: str,
    name: str,
    fields: Mapping[str, str] | Iterable[Mapping[str, Any]],
    *,
    title: str | None = None,
    label: str | None = None,
    version: int = 1,
    relation: str = "COMMON",
) -> Record:
    """A data type's definition as the API shows it (keys recorded).

    Args:
        id: Its id.
        name: Name that paths use.
        fields: Types by name, or objects; see `fields.complete_fields`.
        title: Title; null for CDTs (recorded), text for document types.
        label: Text for people.
        version: Counts its changes.
        relation: What the type serves, such as COMMON or DOCUMENT_TYPE.

    Raises:
        ValueError: A name is given twice, or a type unknown.
    """
    return {
        "id": id,
        "name": name,
        "title": title,
        "label": label,
        "version": version,
        "internal": False,
        "readable": True,
        "updatable": True,
        "type": "MULTI_RECORD",
        "relation": relation,
        "fields": complete_fields(fields),
        "_containsPHI": True,
    }


class CdtOptions(TypedDict, total=False):
    """What a server does to the values of a CDT's fields.

    Attributes:
        drops: Fields, system fields included, whose values are dropped although the formation calls them editable.
        echo_only: Fields whose values are echoed by the answers to create and update but not stored, so that no later
            look-up finds them.
        alterations: How the values of fields are changed before they are stored, by field.
        unique: Fields whose value no two records may share: a create that repeats one is 409.
    """

    drops: Iterable[str]
    echo_only: Iterable[str]
    alterations: Mapping[str, Alteration]
    unique: Iterable[str]


def _names(given: Iterable[str]) -> frozenset[str]:
    return frozenset(given)


@attrs.define
class Formation:
    """A CDT as defined now.

    Attributes:
        shape: What the API shows (keys recorded).
        checks: Test of each field that can be written; all others are dropped from what is sent.
        required: Custom fields whose meta says so.
        bulk_fields: Fields that a bulk update may change.
        searchable: Fields that `filters` may name.
        drops: Fields whose values the server drops although the shape calls them editable.
        echo_only: Fields whose values are in the answer to a write but are not stored.
        alterations: How values are changed before they are stored, by field.
        unique: Fields whose value no two records may share.
        holders: The latest record that was created with a value of a unique field, by field and value.
        blank: A record's `jsonBody` with every field null.
    """

    shape: Record
    drops: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    echo_only: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    alterations: Mapping[str, Alteration] = attrs.field(factory=dict)
    unique: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    holders: dict[tuple[str, Any], Record] = attrs.field(factory=dict, init=False, repr=False)
    checks: dict[str, Check] = attrs.field(init=False, repr=False)
    required: list[str] = attrs.field(init=False)
    bulk_fields: frozenset[str] = attrs.field(init=False)
    searchable: frozenset[str] = attrs.field(init=False)
    blank: Record = attrs.field(init=False, repr=False)
    _written: Counter[str] = attrs.field(factory=Counter, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        fields, lost = self.shape["fields"], self.drops | self.echo_only
        self.checks = {
            each["name"]: check_for(each) for each in fields if each["editable"] and each["name"] not in lost
        }
        self.required = [each["name"] for each in fields if each["meta"]["required"]]
        self.bulk_fields = frozenset(each["name"] for each in fields if each["bulkEdit"])
        self.searchable = frozenset(each["name"] for each in fields if each["searchable"])
        self.blank = {each["name"]: None for each in fields}

    def altered(self, values: Mapping[str, Any]) -> Record:
        """Values as they are stored, and counted as written.

        Args:
            values: By field.
        """
        stored = dict(values)
        for name, alteration in self.alterations.items():
            if isinstance(stored.get(name), str):
                self._written[name] += 1
                if self._written[name] > alteration.after:
                    stored[name] = alteration.of(stored[name])
        return stored

    @property
    def name(self) -> str:
        """Name of the CDT, as paths use it."""
        return str(self.shape["name"])


@attrs.define
class CdtFormations:
    """The definitions and their section of the API.

    Attributes:
        site: Source of ids.
        definitions: Formations by name.
    """

    site: Site
    definitions: dict[str, Formation] = attrs.field(factory=dict)

    def define(
        self,
        name: str,
        fields: Mapping[str, str] | Iterable[Mapping[str, Any]],
        **kept: Unpack[CdtOptions],
    ) -> Formation:
        """Define a CDT, or define it anew with the next version; records made before stay as they are.

        Args:
            name: Name of the CDT.
            fields: Types by name, or objects in the shape formations show; see `fields.complete_fields`.
            kept: See `CdtOptions`.

        Raises:
            ValueError: A name is given twice, a type or one of the fields named is unknown.
        """
        earlier = self.definitions.get(name)
        if earlier is None:
            shape = cdt_shape(self.site.new_id(), name, fields)
        else:
            shape = cdt_shape(earlier.shape["id"], name, fields, version=earlier.shape["version"] + 1)
        formation = Formation(shape, **kept)
        named = formation.drops.union(formation.echo_only, formation.alterations, formation.unique)
        if unknown := named.difference(formation.blank):
            raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
        self.definitions[name] = formation
        return formation

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/formations/{version}/cdts/{cdt_name}"
        routes.collection("formation_cdts", one, self, "list get")

    def list_records(self, call: Call, version: str) -> Answer:
        """Every definition as a bare array (recorded)."""
        self._check(version)
        return ok([formation.shape for formation in self.definitions.values()])

    def get(self, call: Call, version: str, cdt_name: str) -> Answer:
        """One definition (recorded); an unknown name is 404 (its code is unknown: chosen here)."""
        self._check(version)
        formation = self.definitions.get(cdt_name)
        if formation is None:
            raise not_found("DT_NOT_FOUND", "CDT", "Data type not found", cdtName=cdt_name)
        return ok(formation.shape)

    def _check(self, version: str) -> None:
        # Draft and current are the same here: nothing can be published through the routes there are.
        if version not in ("current", "draft"):
            raise not_found("FORMATION_NOT_FOUND", "FORMATION", "The version is current or draft", version=version)


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
_OBJECTS = list_of(dict)
_SECTION = object_of({"name": str, "title": str, "fields": _OBJECTS})
_PHASE: Mapping[str, Kind] = {
    "name": name_of, "title": str, "type": str, "description": str, "autoFinishProgram": bool, "navigateTo": _OBJECTS,
}  # fmt: skip
_FIELD: Mapping[str, Kind] = {
    "name": name_of, "type": among(*FIELD_TYPES), "dictionary": dict, "meta": dict, "displayType": str,
    "valueType": str,
    **dict.fromkeys(("editable", "searchable", "bulkEdit", "phi", "disable", "injectedSource"), bool),
}  # fmt: skip
_FIELDS = list_of(object_of(_FIELD, "name", "type"))
_KINDS: Mapping[str, Mapping[str, Kind]] = {
    "assessments": {
        "title": str, "sections": list_of(_SECTION), "scoring": dict, "programs": _OBJECTS, "conditionSettings": dict,
        "displayType": str, "autoCompleted": bool,
    },
    "encounters": {
        **dict.fromkeys(("title", "encounterDescription", "encounterInstruction", "encounterColor"), str),
        "type": str, "deliveryMethod": str, "defaultDuration": int, "assessmentNames": list_of(str),
    },
    "programs": {
        "title": str, "description": str, "phases": list_of(object_of(_PHASE, "name")), "nodes": _OBJECTS,
    },
    "dictionaries": {"title": str, "fields": list_of(object_of({"name": name_of, "type": str}, "name"))},
    **{kind: {"title": str, "fields": _FIELDS} for kind in _TYPES},
}  # fmt: skip


def _phase(sent: Mapping[str, Any]) -> Record:
    """A phase of a program, completed; of which type one is that does not say it is unknown: chosen here."""
    blank = {"title": sent["name"], "type": "START", "description": "", "autoFinishProgram": False, "navigateTo": None}
    return {**blank, **{key: value for key, value in sent.items() if value is not None}}


@attrs.define
class VersionedFormations:
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
        for kind, definitions in DEFAULT_FORMATIONS.items():
            for sent in definitions:
                self.draft[kind][sent["name"]] = self.shape(kind, sent, None)
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
            operations = "list get" if kind in ("goal-templates", "pdts") else "list get create update delete"
            name, served = f"formation_{kind.replace('-', '_')}", _Definitions(kind, self)
            routes.collection(name, f"{base}/{kind}/{{name}}", served, operations, update="PUT")
        routes.add("formation_assessments.get_cdt", "GET", base + "/assessments/cdt/{cdt_name}", self.get_cdt)
        single = base + "/encounter-disposition"
        routes.add("formation_encounter_disposition.get", "GET", single, self.get_disposition)
        routes.add("formation_encounter_disposition.update", "PUT", single, self.update_disposition)

    def read(self, version: str, kind: str) -> dict[str, Record]:
        """Definitions of a kind by name.

        Args:
            version: `current` or `draft`.
            kind: As paths name it.

        Raises:
            ApiError: 404, there is no such version.
        """
        if version not in ("current", "draft"):
            raise not_found("FORMATION_NOT_FOUND", "FORMATION", "The version is current or draft", version=version)
        return (self.current if version == "current" else self.draft)[kind]

    def writable(self, version: str, kind: str) -> dict[str, Record]:
        """Definitions of a kind by name, to be changed.

        Args:
            version: `draft`.
            kind: As paths name it.

        Raises:
            ApiError: 405, it is not the draft.
        """
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
        found = self.read(version, kind).get(name)
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

    def shape(self, kind: str, sent: Mapping[str, Any], earlier: Record | None) -> Record:
        """The definition that was sent, completed.

        Args:
            kind: As paths name it.
            sent: With its `name`.
            earlier: What it takes the place of; None for a new one.

        Raises:
            ApiError: 400, its fields do not fit.
        """
        name, version = sent["name"], earlier["version"] + 1 if earlier and "version" in earlier else 1
        if kind in _TYPES:
            relation = "DOCUMENT_TYPE" if kind == "document-types" else "PATIENT_INFO"
            number = earlier["id"] if earlier else self.site.new_id()
            title = sent.get("title") or name
            try:
                fields = sent.get("fields") or []
                if isinstance(fields, list):  # what is null takes the value of a field that does not say it
                    fields = [{key: value for key, value in each.items() if value is not None} for each in fields]
                return cdt_shape(number, name, fields, title=title, version=version, relation=relation)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise validation_error("fields do not fit", "FORMATION", field="fields") from error
        given = {key: value for key, value in sent.items() if value is not None}
        shape: Record = {key: copy.deepcopy(given.get(key, blank)) for key, blank in _BLANK[kind].items()}
        if kind == "programs":
            shape["phases"] = [_phase(each) for each in shape["phases"]]
        shape["title" if "title" in shape else "goalName"] = sent.get("title") or sent.get("goalName") or name
        if kind in _WITH_ID:
            shape["id"] = earlier["id"] if earlier else self.site.new_id()
        if "version" in shape:
            shape["version"] = version
        return shape

    def get_cdt(self, call: Call, version: str, cdt_name: str) -> Answer:
        """The CDT behind an assessment: `_<name>` for its answers, `_<name>_scoring` for scores (documented)."""
        held = self.read(version, "assessments")
        name = cdt_name.removeprefix("_")
        scoring = name not in held
        found = held.get(name.removesuffix("_scoring") if scoring else name)
        if found is None or not cdt_name.startswith("_"):
            raise not_found("DT_NOT_FOUND", "CDT", "Data type not found", cdtName=cdt_name)
        fields = dict.fromkeys(answer_keys(found), "text") if not scoring else {"total": "integer"}
        return ok(cdt_shape(found["id"], cdt_name, fields, label=found["title"], relation="ASSESSMENT"))

    def get_disposition(self, call: Call, version: str) -> Answer:
        """The one definition of dispositions (recorded): an object, not a list."""
        return ok(self.find("encounter-disposition", "", version))

    def update_disposition(self, call: Call, version: str) -> Answer:
        """Replace the custom fields; the server appends the system fields (documented)."""
        held = self.writable(version, "encounter-disposition")
        sent, earlier = known_fields(call.object(), {"fields": _FIELDS}, "FORMATION"), held[""]
        shape = self.shape("document-types", {"name": earlier["name"], "fields": sent.get("fields")}, earlier)
        held[""] = {**shape, "title": None, "relation": earlier["relation"]}
        return ok(held[""])


@attrs.define
class _Definitions:
    """Definitions of one kind, as the section serves them.

    Attributes:
        kind: As paths name it.
        all: Definitions of every kind.
    """

    kind: str
    all: VersionedFormations

    def list_records(self, call: Call, version: str) -> Answer:
        """Every definition as a bare array (recorded)."""
        return ok(list(self.all.read(version, self.kind).values()))

    def get(self, call: Call, version: str, name: str) -> Answer:
        """One definition (recorded)."""
        return ok(self.all.find(self.kind, name, version))

    def create(self, call: Call, version: str) -> Answer:
        """Add to the draft: 201; 200 for assessments (both documented)."""
        held, sent = self.all.writable(version, self.kind), self._sent(call)
        require(sent, ("name",), "FORMATION")
        if sent["name"] in held:
            raise validation_error("The name is taken", "FORMATION", field="name")
        held[sent["name"]] = shape = self.all.shape(self.kind, sent, None)
        return ok(shape, 200 if self.kind == "assessments" else 201)

    def update(self, call: Call, version: str, name: str) -> Answer:
        """Replace a definition in the draft; its name stays (documented for assessments)."""
        held, earlier = self.all.writable(version, self.kind), self.all.find(self.kind, name, version)
        held[name] = shape = self.all.shape(self.kind, {**self._sent(call), "name": name}, earlier)
        return ok(shape)

    def _sent(self, call: Call) -> Record:
        sent = call.object()
        known_fields(sent, {"name": str, **_KINDS[self.kind]}, "FORMATION")
        return sent

    def delete(self, call: Call, version: str, name: str) -> Answer:
        """Remove from the draft: 200 without a body (assumed)."""
        held, found = self.all.writable(version, self.kind), self.all.find(self.kind, name, version)
        del held[found["name"]]
        return no_content()


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
