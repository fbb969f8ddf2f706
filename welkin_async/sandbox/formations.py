"""Formations: the definitions of custom data types (CDTs), and their read-only routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .errors import not_found
from .fields import Check, check_for, completed
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, ok

__all__ = ["Formation", "Formations", "cdt_shape"]


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
        fields: Types by name, or objects; see `fields.completed`.
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
        "fields": completed(fields),
        "_containsPHI": True,
    }


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
        blank: A record's `jsonBody` with every field null.
    """

    shape: Record
    drops: frozenset[str] = frozenset()
    echo_only: frozenset[str] = frozenset()
    checks: dict[str, Check] = attrs.field(init=False, repr=False)
    required: list[str] = attrs.field(init=False)
    bulk_fields: frozenset[str] = attrs.field(init=False)
    searchable: frozenset[str] = attrs.field(init=False)
    blank: Record = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        fields, lost = self.shape["fields"], self.drops | self.echo_only
        self.checks = {
            each["name"]: check_for(each) for each in fields if each["editable"] and each["name"] not in lost
        }
        self.required = [each["name"] for each in fields if each["meta"]["required"]]
        self.bulk_fields = frozenset(each["name"] for each in fields if each["bulkEdit"])
        self.searchable = frozenset(each["name"] for each in fields if each["searchable"])
        self.blank = {each["name"]: None for each in fields}

    @property
    def name(self) -> str:
        """Name of the CDT, as paths use it."""
        return str(self.shape["name"])


@attrs.define
class Formations:
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
        *,
        drops: Iterable[str] = (),
        echo_only: Iterable[str] = (),
    ) -> Formation:
        """Define a CDT, or define it anew with the next version; records made before stay as they are.

        Args:
            name: Name of the CDT.
            fields: Types by name, or objects in the shape formations show; see `fields.completed`.
            drops: Fields to drop without a word.
            echo_only: Fields to echo without storing them.

        Raises:
            ValueError: A name is given twice, a type or one of the fields to lose is unknown.
        """
        earlier = self.definitions.get(name)
        if earlier is None:
            shape = cdt_shape(self.site.new_id(), name, fields)
        else:
            shape = cdt_shape(earlier.shape["id"], name, fields, version=earlier.shape["version"] + 1)
        formation = Formation(shape, frozenset(drops), frozenset(echo_only))
        if unknown := (formation.drops | formation.echo_only).difference(formation.blank):
            raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
        self.definitions[name] = formation
        return formation

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/formations/{version}/cdts"
        routes.add("formation_cdts.list", "GET", base, self.list_all)
        routes.add("formation_cdts.get", "GET", base + "/{cdt_name}", self.get)

    def list_all(self, call: Call, version: str) -> Answer:
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
