"""The catalogue of operations, and how each is called through the SDK."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

import yaml

HERE = Path(__file__).parent

_ONE, _TWO = UUID(int=1), UUID(int=2)
_MOMENT = datetime(2024, 2, 29, 23, 30, 0, 123000, timezone(timedelta(hours=-8)))

SAMPLES: dict[str, tuple[Any, str]] = {
    "string": ("a b,c+é", "a b,c+é"),
    "integer": (7, "7"),
    "boolean": (True, "true"),
    "datetime": (_MOMENT, _MOMENT.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")),
    "UUID": (_ONE, str(_ONE)),
    "csv": (["a", "b"], "a,b"),
    "csv of UUID": ([_ONE, str(_TWO)], f"{_ONE},{_TWO}"),
    "csv enum": (["A", "NEW_ONE"], "A,NEW_ONE"),
    "enum": ("NEW_ONE", "NEW_ONE"),
    "IANA name": ("US/Pacific", "US/Pacific"),
    "key=v1,v2,v3": ({"icd-10": ["a", "b"]}, "icd-10=a,b"),
}
"""By the catalogue's type: what a caller gives, and the text of it before it is percent-encoded."""


class Endpoint(NamedTuple):
    """An operation as the catalogue states it."""

    id: str
    method: str
    path: str
    query: dict[str, str]
    repeat: str
    confidence: str
    success: int | None
    answer: str
    model: str | None
    sources: list[str]
    required: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """A value for each path parameter that shows whether it is encoded."""
        names = re.findall(r"\{(\w+)\}", self.path)
        return {name: _parameter(name) for name in names}

    @property
    def raw_path(self) -> str:
        """The path as it must go over the wire."""
        return self.path.format_map({name: quote(value, safe="") for name, value in self.parameters.items()})

    def arguments(self, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """The query as keyword arguments, every documented parameter of it."""
        return {python_name(name): _sample(kind)[0] for name, kind in self.query.items() if name not in without}

    def texts(self, *, without: tuple[str, ...] = ()) -> dict[str, str]:
        """The query as it must go over the wire, by name."""
        return {name: quote(_sample(kind)[1], safe="") for name, kind in self.query.items() if name not in without}


def python_name(name: str) -> str:
    """The snake_case of a documented name."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name)
    return snake + "_" if snake == "from" else snake


def _parameter(name: str) -> str:
    if name in ("tenant", "instance", "api_client"):
        return f"{name}-é"
    return "current" if name == "version" else f"{name} 1/2%é"


def _sample(kind: str) -> tuple[Any, str]:
    if kind in SAMPLES:
        return SAMPLES[kind]
    if kind.startswith("csv enum"):
        return SAMPLES["csv enum"]
    choice = kind.split("|")[-1]
    return (choice, choice) if choice.isupper() else SAMPLES["enum"]


@cache
def endpoints() -> dict[str, Endpoint]:
    """Every operation by its id, in the catalogue's order."""
    listed = yaml.safe_load((HERE / "endpoints.yaml").read_text(encoding="utf-8"))
    return {
        each["id"]: Endpoint(
            each["id"],
            each["method"],
            each["path"],
            each.get("query", {}),
            each["repeat"],
            each["confidence"],
            each["success"],
            each["answer"],
            each["model"],
            each["sources"],
            tuple(each.get("required", ())),
        )
        for each in listed
    }


@cache
def models() -> dict[str, dict[str, Any]]:
    """Every record by its name: its fields and enumerations."""
    listed = yaml.safe_load((HERE / "models.yaml").read_text(encoding="utf-8"))
    return {each["model"]: each for each in listed}
