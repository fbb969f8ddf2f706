"""Creating a CDT record from a row."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import attrs
from yarl import URL

from welkin_async.bulk.echo import Echo
from welkin_async.bulk.keys import CdtKeys, KeyField
from welkin_async.bulk.outcomes import CdtRow
from welkin_async.bulk.proof import ProofError
from welkin_async.bulk.schema import Problem, Schema
from welkin_async.codec import plain
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Key, Scope
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.resources.formations import Formations

__all__ = ["Check", "CreateCdt"]

Check = Literal["strict", "warn", "off"]

_log = logging.getLogger("welkin_async")

_MOST_WARNINGS = 100


class CreateCdt:
    """Turns rows into requests, and compares what comes back.

    The URL of a patient is made once while the patient's rows come.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        check: What to do about rows the formation does not allow.
        key_field: Which system field carries the row's key, or None.

    Attributes:
        target: What identifies where records are created.
        keys: Gives rows their keys, or None.
        echo: Compares what was sent with what came back.
    """

    def __init__(self, scope: Scope, cdt: str, *, check: Check, key_field: KeyField | None) -> None:
        self._scope = scope.within(cdt_name=cdt)
        self._cdt = cdt
        self._encode = scope.codec.encode
        self._sender = scope.sender()
        self._defaults = scope.defaults
        self._check = check
        if self._check not in ("strict", "warn", "off"):
            raise InvalidInputError("check is strict, warn or off")
        self._schema: Schema | None = None
        self._warned: set[str] = set()
        self._url = lru_cache(maxsize=4096)(self._make_url)
        self.echo = Echo()
        # An import waits out whatever pause the server asks for.
        self.patient_scope = attrs.evolve(scope, defaults=attrs.evolve(scope.defaults, max_wait=None))
        path = CREATE_CDT.path({**self._scope.params, "patient_id": "-"})
        self.target = f"{scope.base_url}{path}"
        self.keys = None if key_field is None else CdtKeys(self.patient_scope, cdt, key_field, lambda: self.echo)

    def _make_url(self, patient_id: Key) -> URL:
        return self._scope.request(CREATE_CDT, patient_id=patient_id).url

    async def prepare(self) -> None:
        """Read the CDT's formation, so that rows can be checked before and after.

        Raises:
            ProofError: the formation says that the key field cannot be written.
            RequestError: the formation could not be read.
        """
        if self._check == "off":
            return
        formations = Formations(self.patient_scope.within(version="current"))
        self._schema = Schema.of(await formations.cdts.get(self._cdt))
        self.echo = Echo(self._schema)
        if self.keys is not None and not self._schema.editable(self.keys.field):
            raise ProofError(f"the formation says that {self.keys.field} cannot be written; nothing was sent")

    async def read(self) -> object:
        """Make a harmless read, once, to see whether the server is there."""
        once = attrs.evolve(self.patient_scope, defaults=attrs.evolve(self.patient_scope.defaults, max_attempts=1))
        return await Formations(once.within(version="current")).cdts.get(self._cdt)

    def request(self, row: CdtRow, /) -> Request:
        """Put the row's request together."""
        if not isinstance(row, CdtRow):
            raise InvalidInputError(f"a row is a CdtRow, not a {type(row).__name__}")
        fields = self._fields(row)
        if self._schema is not None and (problems := self._schema.check(fields)):
            self._refuse(problems)
        defaults = self._defaults
        url, body = self._url(row.patient_id), self._encode(fields)
        return Request(CREATE_CDT, url, body, defaults.timeout, defaults.max_attempts, None)

    async def send(self, request: Request) -> Answer:
        """Send it until it is answered for good."""
        return await self._sender.send(request)

    def record(self, answer: Answer) -> CdtRecord:
        """Wrap what came back."""
        return CdtRecord.from_wire(answer.data, answer)

    def lost(self, row: CdtRow, record: CdtRecord) -> tuple[str, ...]:
        """Name the fields that the server dropped or changed."""
        fields, body = self._fields(row), record.body
        # Most values go out as they are given; only where one seems changed is its wire form worth the time.
        return self.echo.lost(plain(fields), body) if self.echo.lost(fields, body) else ()

    def content(self, row: CdtRow) -> tuple[str | None, bytes]:
        """Return a row's key, where it has one, and what it holds, for a journal's digest."""
        try:
            held = self._encode({"patient": row.patient_id, "key": row.key, "fields": row.fields})
        except (InvalidInputError, AttributeError):
            return None, b""  # a row that cannot be sent fails by itself
        key = row.fields.get(self.keys.field) if self.keys is not None else None
        return (str(key) if key is not None else row.key), held

    def _fields(self, row: CdtRow) -> Mapping[str, Any]:
        return row.fields if self.keys is None else self.keys.fields(row)

    def _refuse(self, problems: Sequence[Problem]) -> None:
        if self._check == "strict":
            raise InvalidInputError("; ".join(problem.text for problem in problems))
        for problem in problems:
            if problem.field not in self._warned and len(self._warned) < _MOST_WARNINGS:
                self._warned.add(problem.field)
                _log.warning("%s: %s", self._cdt, problem.text)
