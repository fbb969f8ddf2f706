"""Generated module: a typed class for each formation, and the resource of its records. Pure.

For each CDT there are the class of its records, with ``New`` and ``Changes`` for what is written and a class for each
option list, and the class of a patient's records, whose ``create`` and ``update`` have the fields as keywords.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

import attrs

from welkin_async.codegen.fields import GeneratedField, own_fields, writable_system_fields
from welkin_async.codegen.fingerprint import fingerprint
from welkin_async.codegen.names import Names, pascal_case, snake_case
from welkin_async.codegen.source import docstring, exploded, listed, literal, quoted
from welkin_async.errors import WelkinError
from welkin_async.models.formations import CdtFormation
from welkin_async.models.typed_cdts import CdtFields, TypedCdt
from welkin_async.resources._base.scope import CallOptions

_RUNTIME = (
    "CdtFields", "Key", "OneOrMore", "Scope", "Several", "TypedCdt", "TypedCdts", "cdt_field", "cdt_fields", "given",
    "needed", "record",
)  # fmt: skip
_USED = {
    *_RUNTIME, "Any", "ClassVar", "Final", "Literal", "TypeAlias", "annotations", "bool", "classmethod", "dt", "float",
    "int", "list", "overload", "self", "str", "tuple",
}  # fmt: skip
_RESERVED = frozenset({*dir(TypedCdt), *dir(CdtFields), *_USED, *CallOptions.__annotations__, "id", "changes"})
_OPTIONS = ["timeout: float = ...", "max_attempts: int = ..."]


class CodegenError(WelkinError):
    """A formation from which no class can be made."""


@attrs.frozen(kw_only=True)
class _Written:
    """A field that can be written."""

    attribute: str
    name: str
    type: str
    required: bool


def generate(formations: Iterable[CdtFormation], *, closed_options: bool = False) -> str:
    """Return a module with typed classes for CDTs.

    Args:
        formations: The CDTs' definitions.
        closed_options: Whether a value outside an option list is a type error; else options are text or integers.

    Raises:
        CodegenError: a formation has no name or no fields, or two have the same name.
    """
    names = Names({*_USED, "annotations"})
    known: dict[str, None] = {}
    bodies: list[str] = []
    for formation in formations:
        if not formation.name or not formation.fields:
            raise CodegenError("a formation without a name or without fields")
        if formation.name in known:
            raise CodegenError(f"two formations of the name {formation.name}")
        known[formation.name] = None
        bodies += _Cdt(formation, names, closed=closed_options).lines()
    if bodies and not bodies[2].startswith("@"):
        del bodies[0]  # one line is left between imports and an assignment
    return "\n".join([*_head(known, "\n".join(bodies)), *bodies]) + "\n"


def _head(names: Iterable[str], body: str) -> list[str]:
    """Return the docstring and the imports of what the classes use."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    typing = [name for name in ("Any", "ClassVar", "Final", "Literal", "TypeAlias", "overload") if name in used]
    return [
        *docstring(
            "Typed CDTs, made by ``welkin-async codegen``.\n\n"
            "Not to be edited: the next run replaces it. ``welkin-async codegen --check`` tells whether the formations "
            f"are still those it was made from.\n\nCDTs: {', '.join(names)}.",
            indent=0,
        ),
        "",
        "from __future__ import annotations",
        "",
        *(["import datetime as dt"] if "dt" in used else []),
        *listed("from typing import ", typing, ""),
        "",
        *exploded("from welkin_async.typed import (", [name for name in _RUNTIME if name in used], ")"),
    ]


class _Cdt:
    """The classes of one CDT."""

    def __init__(self, formation: CdtFormation, module: Names, *, closed: bool) -> None:
        self._formation = formation
        self._name = str(formation.name)
        self._class = module.take(pascal_case(self._name, "Cdt"))
        self._resource = module.take(f"{self._class}Cdts")
        self._fields = own_fields(formation)
        inner = Names({*_RESERVED, "New", "Changes", "CDT", "FORMATION"})
        self._attributes = inner.take_all((field.name, snake_case(field.name, "field")) for field in self._fields)
        with_options = [field for field in self._fields if field.options]
        self._option_classes = {
            field.name: inner.take(pascal_case(self._attributes[field.name], "Options")) for field in with_options
        }
        self._aliases: Mapping[str, str] = {}
        if closed:
            self._aliases = {name: module.take(f"_{self._class}{each}") for name, each in self._option_classes.items()}
        self._written = [
            _Written(
                attribute=self._attributes[field.name],
                name=field.name,
                type=field.write_type(self._aliases.get(field.name)),
                required=field.required,
            )
            for field in self._fields
            if field.editable
        ]
        self._written += [
            _Written(attribute=name, name=name, type="str", required=False)
            for name in writable_system_fields(formation)
        ]

    def lines(self) -> list[str]:
        """Return the source."""
        lines: list[str] = []
        for field in self._fields:
            if alias := self._aliases.get(field.name):
                values = [literal(option.value) for option in field.options]
                lines += ([] if lines else ["", ""]) + listed(f"{alias}: TypeAlias = Literal[", values, "]")
        return [*lines, "", "", *self._record(), "", "", *self._records()]

    def _record(self) -> list[str]:
        title = self._formation.label or self._formation.title
        relation = f" Relation: {self._formation.relation}." if self._formation.relation else ""
        about = f"Record of the CDT ``{self._name}``.\n\n" + (f"{title}.{relation}" if title else relation.strip())
        lines = ["@record", f"class {self._class}(TypedCdt):"]
        lines += docstring(about.strip(), [(self._attributes[each.name], _said(each)) for each in self._fields])
        lines += [
            "",
            *_constant("CDT", quoted(self._name)),
            *_constant("FORMATION", quoted(fingerprint(self._formation))),
        ]
        if self._fields:
            lines.append("")
        for field in self._fields:
            lines += self._field(field)
        for field in self._fields:
            if field.name in self._option_classes:
                lines += ["", *self._options(field)]
        lines += ["", *self._fields_class("New", "Fields of a new record.", changes=False)]
        lines += ["", *self._fields_class("Changes", "Fields that are to change; None clears one.", changes=True)]
        return [
            *lines,
            "",
            "    @classmethod",
            f"    def __cdts__(cls, patient: Scope, /) -> {self._resource}:",
            '        """Return a patient\'s records."""',
            f"        return {self._resource}(patient.within(cdt_name=cls.CDT))",
        ]

    def _field(self, field: GeneratedField) -> list[str]:
        kind = field.read_type()
        shown = kind if kind == "Any" else f"{kind} | None"
        arguments = [quoted(field.name), "None" if field.type is None else quoted(field.type)]
        flags: dict[str, tuple[bool, bool]] = {
            "editable": (field.editable, True),
            "required": (field.required, False),
            "multiple": (field.multiple, False),
            "searchable": (field.searchable, True),
            "bulk_edit": (field.bulk_edit, False),
            "phi": (field.phi, False),
        }
        arguments += [f"{name}={value}" for name, (value, usual) in flags.items() if value is not usual]
        for name, bound in (("minimum", field.minimum), ("maximum", field.maximum)):
            if bound is not None:
                arguments.append(f"{name}={quoted(bound)}")
        before = f"{self._attributes[field.name]}: {shown} = cdt_field("
        if not field.options:
            return listed(before, arguments, ")", 4)
        values = [literal(option.value) for option in field.options]
        closing = ",)" if len(values) == 1 else ")"
        options = listed("options=(", values, closing, 8)
        if len(options) > 1 and closing == ",)":
            options[-1] = options[-1].replace(",)", ")")
        lines = [f"    {before}", *(f"        {each}," for each in arguments)]
        return [*lines, *options[:-1], f"{options[-1]},", "    )"]

    def _options(self, field: GeneratedField) -> list[str]:
        attribute = self._attributes[field.name]
        names = Names({"mro"})
        lines = [
            f"    class {self._option_classes[field.name]}:",
            *docstring(f"Options of `{attribute}`.", indent=8),
            "",
        ]
        for option in field.options:
            name = names.take(snake_case(str(option.value), "option").upper())
            lines.append(f"        {name}: Final = {literal(option.value)}")
        return lines

    def _fields_class(self, name: str, about: str, *, changes: bool) -> list[str]:
        lines = ["    @cdt_fields", f"    class {name}(CdtFields):", *docstring(about, indent=8), ""]
        for each in self._written:
            if each.required and not changes:
                lines += listed(f"{each.attribute}: {each.type} = needed(", [quoted(each.name)], ")", 8)
            else:
                lines += listed(f"{each.attribute}: {_or_none(each.type)} = given(", [quoted(each.name)], ")", 8)
        return lines

    def _records(self) -> list[str]:
        record, new, changes = self._class, f"{self._class}.New", f"{self._class}.Changes"
        keywords = [
            f"{each.attribute}: {each.type if each.required else f'{_or_none(each.type)} = ...'}"
            for each in sorted(self._written, key=lambda each: not each.required)
        ]
        changed = [f"{each.attribute}: {_or_none(each.type)} = ..." for each in self._written]
        answers = f") -> {record}: ..."
        return [
            f"class {self._resource}(TypedCdts[{record}]):",
            *docstring(f"A patient's records of the CDT ``{self._name}``."),
            "",
            "    @overload",
            *exploded("async def create(", ["self", f"record: {new}", "/", "*", *_OPTIONS], answers, 4),
            "    @overload",
            *exploded("async def create(", ["self", "/", "*", *keywords, *_OPTIONS], answers, 4),
            *exploded(
                "async def create(",
                ["self", f"record: {new} | None = None", "/", "**fields: Any"],
                f") -> {record}:",
                4,
            ),
            *docstring("Create a record from its fields; see `Cdts.create`.", indent=8),
            f"        return await self._create_typed({new}, record, fields)",
            "",
            "    @overload",
            *exploded("async def update(", ["self", "id: Key", f"changes: {changes}", "/", "*", *_OPTIONS], answers, 4),
            "    @overload",
            *exploded("async def update(", ["self", "id: Key", "/", "*", *changed, *_OPTIONS], answers, 4),
            *exploded(
                "async def update(",
                ["self", "id: Key", f"changes: {changes} | None = None", "/", "**fields: Any"],
                f") -> {record}:",
                4,
            ),
            *docstring("Change exactly the fields that are given; see `Cdts.update`.", indent=8),
            *listed("return await self._update_typed(", [changes, "id", "changes", "fields"], ")", 8),
        ]


def _constant(name: str, value: str) -> list[str]:
    return [f"    {name}: ClassVar[str] = {value}"]


def _or_none(type: str) -> str:
    return type if type == "Any" else f"{type} | None"


def _said(field: GeneratedField) -> str:
    """Say in words what a field is."""
    said = [f"``{field.name}``", field.type or "of unknown type"]
    said += ["read-only"] if not field.editable else []
    said += ["required"] if field.required else []
    said += ["several values"] if field.multiple else []
    said += ["PHI"] if field.phi else []
    said += [f"dictionary {field.dictionary}"] if field.dictionary else []
    said += [f"at least {field.minimum}"] if field.minimum is not None else []
    said += [f"at most {field.maximum}"] if field.maximum is not None else []
    text = f"{field.label}: {', '.join(said)}." if field.label else f"{', '.join(said)}."
    options: Sequence[str] = [
        str(option.value) if str(option.value) == option.label else f"{option.value} ({option.label})"
        for option in field.options
    ]
    return f"{text} One of {', '.join(options)}." if options else text
