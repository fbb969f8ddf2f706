"""Creating CDT records in bulk."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypedDict, Unpack

import attrs
from yarl import URL

from welkin_async.bulk.channel import Channel
from welkin_async.bulk.echo import Echo
from welkin_async.bulk.engine import Engine
from welkin_async.bulk.exactly import Exactly
from welkin_async.bulk.keys import CdtKeys, KeyField
from welkin_async.bulk.outcomes import CdtRow, Progress, Report
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Key, Scope
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.session import Welkin

__all__ = ["CreateOptions", "create_cdt_records", "stream_cdt_records"]

_WINDOW = 8  # times the concurrency: how far ordered outcomes may run ahead of the slowest row
_ROOM = 4  # times the concurrency: how many rows may be parked for look-ups


class CreateOptions(TypedDict, total=False):
    """The options of `create_cdt_records` and `stream_cdt_records`.

    Attributes:
        concurrency: How many workers, each with one request at a time; 32 by default.
        fail_fast: Whether to stop at the first row that is not created.
        on_progress: Called with a snapshot about four times a second, and at the end.
        key_field: Which system field carries the row's key, so that a row whose outcome is unknown is looked up
            instead of being left so. None by default: nothing is looked up, and nothing is ever sent twice.
        settle: Seconds for which a key must stay absent before its row is sent again; 5 by default, and raised where
            look-ups turn out to lag more.
        final_settle: Seconds after the last unknown outcome before the last look for doubled keys; 60 by default.
    """

    concurrency: int
    fail_fast: bool
    on_progress: Callable[[Progress], None] | None
    key_field: KeyField | None
    settle: float
    final_settle: float


class _CreateCdt:
    """Turns rows into requests; the URL of a patient is made once while the patient's rows come."""

    def __init__(self, scope: Scope, cdt: str, keys: CdtKeys | None) -> None:
        self._scope = scope.within(cdt_name=cdt)
        self._encode = scope.codec.encode
        self._sender = scope.sender()
        self._defaults = scope.defaults
        self._keys = keys
        self._url = lru_cache(maxsize=4096)(self._make_url)

    def _make_url(self, patient_id: Key) -> URL:
        return self._scope.request(CREATE_CDT, patient_id=patient_id).url

    def request(self, row: CdtRow, /) -> Request:
        """Put the row's request together."""
        if not isinstance(row, CdtRow):
            raise InvalidInputError(f"a row is a CdtRow, not a {type(row).__name__}")
        fields: Mapping[str, Any] = row.fields if self._keys is None else self._keys.fields(row)
        defaults = self._defaults
        return Request(
            CREATE_CDT,
            self._url(row.patient_id),
            self._encode(fields),
            defaults.timeout,
            defaults.max_attempts,
            None,  # an import waits out whatever pause the server asks for
        )

    async def send(self, request: Request) -> Answer:
        """Send it until it is answered for good."""
        return await self._sender.send(request)

    def record(self, answer: Answer) -> CdtRecord:
        """Wrap what came back."""
        return CdtRecord.from_wire(answer.data, answer)


def _engine(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    options: CreateOptions,
    channel: Channel | None,
    window: int,
) -> Engine[CdtRow, CdtRecord]:
    """Put an import together."""
    unknown = options.keys() - CreateOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    scope = welkin.scope
    concurrency = options.get("concurrency", 32)
    key_field = options.get("key_field")
    keys = exactly = None
    if key_field is not None:
        patient = attrs.evolve(scope, defaults=attrs.evolve(scope.defaults, max_wait=None))
        keys = CdtKeys(patient, cdt, key_field, Echo(None))
        exactly = Exactly(
            keys,
            settle=options.get("settle", 5.0),
            final_settle=options.get("final_settle", 60.0),
            room=_ROOM * concurrency,
        )
    return Engine(
        _CreateCdt(scope, cdt, keys),
        rows,
        concurrency=concurrency,
        channel=channel,
        window=window,
        fail_fast=options.get("fail_fast", False),
        on_progress=options.get("on_progress"),
        drain=scope.defaults.timeout,
        exactly=exactly,
    )


def stream_cdt_records(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[CreateOptions],
) -> OutcomeStream[CdtRow, CdtRecord]:
    """Create CDT records and hand out what became of each.

    ``POST /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for each row. A create is never repeated blindly
    after an attempt whose outcome is unknown: without ``key_field`` the row is then ``unknown``, with it the row is
    looked for first.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free. A synchronous iterator is
            read on the event loop, so it should not block for long.
        ordered: Whether outcomes come in the order of the rows; pulling then stops at 8 times the concurrency.
        options: See `CreateOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the rows or an option do not fit.
    """
    concurrency = options.get("concurrency", 32)
    channel = Channel(concurrency, ordered=ordered)
    engine = _engine(welkin, cdt, rows, options, channel, _WINDOW * concurrency if ordered else 0)
    return OutcomeStream(engine, channel)


async def create_cdt_records(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    **options: Unpack[CreateOptions],
) -> Report:
    """Create CDT records and count what became of them.

    Like `stream_cdt_records`, for a caller who wants the counts alone.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free.
        options: See `CreateOptions`.

    Returns:
        The counts.

    Raises:
        AuthenticationError: the server refused the token; the import has stopped.
        ProofError: the key field cannot be relied on; the import has stopped.
        BulkStoppedError: it was to stop at the first failure.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the rows or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained. Each of these carries a note
            with the counts up to then.
    """
    engine = _engine(welkin, cdt, rows, options, None, 0)
    engine.start()
    await engine.wait()
    report = engine.report
    if engine.error is not None:
        engine.error.add_note(
            f"bulk: of {report.rows} rows pulled, {report.created} created, {report.rejected} rejected, "
            f"{report.failed} failed, {report.unknown} unknown"
        )
        raise engine.error
    return report
