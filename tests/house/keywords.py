"""Explicit keywords: each method of a resource names the keywords of its `TypedDict`, for completion without types.

jedi (IPython, Jupyter) does not read ``Unpack``. So a method says in a comment which `TypedDict` its keywords are of,
``def list(  # keywords of PatientQuery``, and ``python -m tests.house`` writes them out. A new method may be written
with ``**query: Unpack[PatientQuery]``, and is rewritten too. Overloads stay as they are: jedi does not read those of
coroutine functions.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .floor_plan import PACKAGE

RESOURCES = PACKAGE / "resources"
_SHARED = RESOURCES / "_base" / "scope.py"
_MARK = re.compile(r"#\s*keywords of (\w+)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return sorted(path for path in RESOURCES.glob("*.py") if path.name != "__init__.py")


def _classes(path: Path) -> dict[str, ast.ClassDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


@cache
def _all_classes() -> dict[str, ast.ClassDef]:
    """The classes of all modules, as a query may be another module's."""
    return {name: node for path in (_SHARED, *modules()) for name, node in _classes(path).items()}


def _source(node: ast.expr) -> str:
    return ast.unparse(node).replace("'", '"')


def _fields(name: str, classes: dict[str, ast.ClassDef]) -> Iterator[tuple[str, str, bool]]:
    """The fields of a `TypedDict`: name, type and whether it must be given; its own first, then those of its bases."""
    node = classes[name]
    total = not any(keyword.arg == "total" and ast.unparse(keyword.value) == "False" for keyword in node.keywords)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            kind, required = _source(each.annotation), total
            for word in ("Required", "NotRequired"):
                if kind.startswith(f"{word}["):
                    kind, required = kind[len(word) + 1 : -1], word == "Required"
            yield each.target.id, kind, required
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _fields(base.id, classes)


def _typed(function: Function, lines: list[str]) -> str | None:
    """The `TypedDict` whose keywords a function takes."""
    marked = _MARK.search(lines[function.lineno - 1])
    if marked:
        return marked[1]
    kwarg = function.args.kwarg
    if kwarg is None or kwarg.annotation is None or function.decorator_list:
        return None
    found = re.fullmatch(r"Unpack\[(\w+)\]", ast.unparse(kwarg.annotation))
    return None if found is None or found[1] == "CallOptions" else found[1]


def _signature(function: Function, typed: str, classes: dict[str, ast.ClassDef]) -> list[str]:
    arguments = function.args
    fields = {name: (kind, required) for name, kind, required in _fields(typed, classes)}
    count = len(arguments.posonlyargs)
    defaults = [None] * (count + len(arguments.args) - len(arguments.defaults)) + list(arguments.defaults)
    parts = []
    for number, (arg, default) in enumerate(zip([*arguments.posonlyargs, *arguments.args], defaults, strict=True)):
        text = arg.arg + (f": {_source(arg.annotation)}" if arg.annotation else "")
        parts.append(text + (f" = {_source(default)}" if default is not None else ""))
        if number == count - 1:
            parts.append("/")
    parts.append("*")
    parts += [f"{name}: {kind}" + ("" if required else " = UNSET") for name, (kind, required) in fields.items()]
    word = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    assert function.returns is not None
    end = f"    ) -> {_source(function.returns)}:"
    others = "  # noqa: D417" if "Args:" in (ast.get_docstring(function) or "") else ""
    return [f"    {word} {function.name}(  # keywords of {typed}{others}", *(f"        {part}," for part in parts), end]


def rewritten(path: Path) -> str:
    """The text of a module with all keywords written out."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    classes = {**_all_classes(), **_classes(path)}
    functions = [
        each
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef)
        for each in node.body
        if isinstance(each, Function)
    ]
    for function in reversed(functions):
        typed = _typed(function, lines)
        if typed is None:
            continue
        first = function.body[0]
        signature = _signature(function, typed, classes)
        kwarg = function.args.kwarg
        if kwarg is not None:
            assert first.end_lineno is not None
            assert function.end_lineno is not None
            for number in range(first.end_lineno, function.end_lineno):
                lines[number] = re.sub(rf"\b{kwarg.arg}\b", "keywords", lines[number])
            lines.insert(first.end_lineno, f"        keywords = given({typed}, locals())")
        lines[function.lineno - 1 : first.lineno - 1] = signature
    return "\n".join(lines) + "\n"
