"""Generated file: what an earlier run made, held against the formations of today. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import attrs

from welkin_async.codegen.fields import own_fields
from welkin_async.codegen.fingerprint import fingerprint
from welkin_async.codegen.module import CodegenError
from welkin_async.models.formations import CdtFormation


@attrs.frozen
class GeneratedCdt:
    """A CDT as a generated file has it.

    Attributes:
        name: The CDT's name.
        fingerprint: That of the formation it was made from.
        fields: The names of its fields.
    """

    name: str
    fingerprint: str
    fields: frozenset[str]


@attrs.frozen
class Drift:
    """How a CDT differs from what a file was generated from.

    Attributes:
        cdt: The CDT's name.
        reason: What has changed, in words; names of fields are schema, no data.
    """

    cdt: str
    reason: str


def read_generated(text: str) -> list[GeneratedCdt]:
    """Return the CDTs of a generated file.

    Args:
        text: Its text; it is not run.

    Raises:
        CodegenError: it is no Python, or has no generated class.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        raise CodegenError("the file is no Python") from None
    found = [cdt for node in tree.body if isinstance(node, ast.ClassDef) and (cdt := _cdt(node)) is not None]
    if not found:
        raise CodegenError("the file has no class that codegen has made")
    return found


def _cdt(node: ast.ClassDef) -> GeneratedCdt | None:
    constants: dict[str, str] = {}
    fields: list[str] = []
    for target, value in _assigned(node):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            constants[target] = value.value
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "cdt_field":
            fields += [str(each.value) for each in value.args[:1] if isinstance(each, ast.Constant)]
    if not {"CDT", "FORMATION"} <= constants.keys():
        return None
    return GeneratedCdt(constants["CDT"], constants["FORMATION"], frozenset(fields))


def _assigned(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
            yield each.target.id, each.value


def compare(text: str, formations: Iterable[CdtFormation]) -> list[Drift]:
    """Compare a generated file with formations.

    Args:
        text: The file's text; it is not run.
        formations: The definitions of today.

    Returns:
        Each CDT that differs, those that one side alone has included; empty where nothing does.

    Raises:
        CodegenError: the text is not what codegen has made.
    """
    made = {cdt.name: cdt for cdt in read_generated(text)}
    today = {str(formation.name): formation for formation in formations}
    drifts = [Drift(name, "it is not in the file") for name in today.keys() - made.keys()]
    for name, cdt in made.items():
        formation = today.get(name)
        if formation is None:
            drifts.append(Drift(name, "there is no such CDT any more"))
        elif fingerprint(formation) != cdt.fingerprint:
            drifts.append(Drift(name, _reason(cdt, formation)))
    return sorted(drifts, key=lambda drift: drift.cdt)


def _reason(cdt: GeneratedCdt, formation: CdtFormation) -> str:
    names = {field.name for field in own_fields(formation)}
    told = [
        f"{word} {', '.join(sorted(fields))}"
        for word, fields in (("new:", names - cdt.fields), ("gone:", cdt.fields - names))
        if fields
    ]
    return "; ".join(told) or "a field or a label is defined otherwise"
