"""Creating a CDT record from a row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from yarl import URL

from welkin_async.bulk.cdt_action import CdtAction, Check
from welkin_async.bulk.keys import CdtKeys, KeyField, MintedKey
from welkin_async.bulk.outcomes import CdtRow
from welkin_async.bulk.proof import ProofError
from welkin_async.bulk.work import Kind
from welkin_async.codec import plain
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.formations import CdtFormation
from welkin_async.request import Answer, Request, encode_segment
from welkin_async.resources._base import Key, Scope
from welkin_async.resources.cdts import CREATE_CDT

__all__ = ["Check", "CreateCdt"]


class CreateCdt(CdtAction):
    """Turns rows into requests, and compares what comes back.

    The URL of a patient is made once while the patient's rows come.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        check: What to do about rows the formation does not allow.
        key_field: Which system field carries the row's key, or None.

    Attributes:
        keys: Gives rows their keys, or None.
    """

    def __init__(self, scope: Scope, cdt: str, *, check: Check, key_field: KeyField | None) -> None:
        super().__init__(scope, cdt, kind=Kind(), check=check)
        # Each patient's URL is the same but for the id; what is percent-encoded holds no braces.
        self._base = URL(self._scope.base_url, encoded=True)
        path = CREATE_CDT.path({**self._scope.params, "patient_id": "{}"})
        self._around_patient = f"{self._base.raw_path.rstrip('/')}{path}".split("{}")
        self._url = lru_cache(maxsize=4096)(self._make_url)
        self._encoded: tuple[CdtRow | None, bytes] = (None, b"")
        if key_field is not None:
            self.keys = CdtKeys(self.patient_scope, cdt, key_field, lambda: self.echo)

    @property
    def target(self) -> str:
        """What identifies where records are created."""
        return f"{self._scope.base_url}{CREATE_CDT.path({**self._scope.params, 'patient_id': '-'})}"

    def _make_url(self, patient_id: Key) -> URL:
        before, after = self._around_patient
        path = f"{before}{encode_segment(patient_id, 'patient_id')}{after}"
        # By its parts, which need not be told apart again.
        return URL.build(scheme=self._base.scheme, authority=self._base.raw_authority, path=path, encoded=True)

    def _learn(self, formation: CdtFormation) -> None:
        super()._learn(formation)
        assert self._schema is not None
        if self.keys is not None and not self._schema.editable(self.keys.field):
            raise ProofError(f"the formation says that {self.keys.field} cannot be written; nothing was sent")

    def request(self, row: CdtRow, /) -> Request:
        """Put the row's request together."""
        if not isinstance(row, CdtRow):
            raise InvalidInputError(f"a row is a CdtRow, not a {type(row).__name__}")
        if not isinstance(row.patient_id, str | UUID):
            raise InvalidInputError(f"a patient's id is text, not a {type(row.patient_id).__name__}", ("patient_id",))
        if not isinstance(row.fields, Mapping):
            raise InvalidInputError(f"fields are a mapping, not a {type(row.fields).__name__}", ("fields",))
        fields = self._fields(row)
        if self._schema is not None and (problems := self._schema.check(fields)):
            self._refusals.of(problems)
        defaults = self._defaults
        held, body = self._encoded  # a journal has asked for it a moment ago
        if held is not row:
            body = self._encode(fields)
        url = self._url(row.patient_id)
        return Request(CREATE_CDT, url, body, defaults.timeout, defaults.max_attempts, None)

    def record(self, answer: Answer) -> CdtRecord:
        """Wrap what came back."""
        return CdtRecord.from_wire(answer.data, answer)

    def lost(self, row: CdtRow, record: CdtRecord) -> tuple[str, ...]:
        """Name the fields that the server dropped or changed."""
        fields = row.fields if self.keys is None else self._fields(row)
        body = record.__wire__().get("jsonBody")
        if type(body) is not dict:
            body = record.body
        # Most values go out as they are given; only where one seems changed is its wire form worth the time.
        if not self.echo.lost(fields, body):
            return ()
        sent = plain(fields)
        return self.echo.lost(sent, body) if self.keys is None else self.keys.lost(sent, body)

    def content(self, row: CdtRow) -> tuple[str | None, bytes]:
        """Return a row's key, where it has one, and what it holds, for a journal's digest."""
        try:
            body = self._encode(self._fields(row))
            key = row.key if self.keys is None else self.keys.key(row)
            held = b"%s\0%s\0%s" % (str(row.patient_id).encode(), str(row.key).encode(), body)
        except (InvalidInputError, AttributeError, UnicodeEncodeError):
            return None, b""  # a row that cannot be sent fails by itself
        self._encoded = (row, body)
        return (str(key) if key else None), held

    def own_key(self, row: CdtRow) -> bool:
        """Tell whether a row's key is its own, not one that was minted from its position."""
        try:
            if row.key is not None and not isinstance(row.key, MintedKey):
                return True
            return self.keys is not None and self.keys.field in row.fields
        except (AttributeError, TypeError):
            return False  # a row that cannot be sent fails by itself

    def _fields(self, row: CdtRow) -> Mapping[str, Any]:
        fields: Mapping[str, Any] = row.fields if self.keys is None else self.keys.fields(row)
        return fields
