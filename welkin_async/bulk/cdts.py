"""Creating CDT records in bulk."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TypedDict, Unpack

import attrs
from yarl import URL

from welkin_async.bulk.channel import Channel
from welkin_async.bulk.echo import Echo
from welkin_async.bulk.engine import Engine
from welkin_async.bulk.exactly import Exactly
from welkin_async.bulk.keys import CdtKeys, KeyField
from welkin_async.bulk.outage import Outage
from welkin_async.bulk.outcomes import CdtRow, Progress, Report
from welkin_async.bulk.proof import ProofError
from welkin_async.bulk.schema import Problem, Schema
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.codec import plain
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Key, Scope
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.resources.formations import Formations
from welkin_async.session import Welkin

__all__ = ["CreateOptions", "create_cdt_records", "stream_cdt_records"]

_log = logging.getLogger("welkin_async")

_SILENCE = 10  # requests in a row without an answer that make an outage, at least
_MOST_WARNINGS = 100
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
        remove_doubles: Whether a record that turns out to be there twice is removed where it is equal and unedited;
            the id that was reported stays. False by default: doubles are named, not touched.
        max_failures: After how many rows that are not created to stop: a count, or a share of the rows below 1.0
            (judged from 100 rows on). None, the default, for never.
        check: What to do about rows the CDT's formation does not allow. ``strict``, the default: they are ``failed``
            and never sent. ``warn``: they are sent, and a warning names the field once. ``off``: the formation is not
            read, and fields are compared without knowing their types.
    """

    concurrency: int
    fail_fast: bool
    on_progress: Callable[[Progress], None] | None
    key_field: KeyField | None
    settle: float
    final_settle: float
    remove_doubles: bool
    max_failures: float | None
    check: Literal["strict", "warn", "off"]


class _CreateCdt:
    """Turns rows into requests, and compares what comes back.

    The URL of a patient is made once while the patient's rows come.
    """

    def __init__(self, scope: Scope, cdt: str, options: CreateOptions) -> None:
        self._scope = scope.within(cdt_name=cdt)
        self._cdt = cdt
        self._encode = scope.codec.encode
        self._sender = scope.sender()
        self._defaults = scope.defaults
        self._check = options.get("check", "strict")
        if self._check not in ("strict", "warn", "off"):
            raise InvalidInputError("check is strict, warn or off")
        self._schema: Schema | None = None
        self._warned: set[str] = set()
        self._url = lru_cache(maxsize=4096)(self._make_url)
        self.echo = Echo()
        # An import waits out whatever pause the server asks for.
        self.patient_scope = attrs.evolve(scope, defaults=attrs.evolve(scope.defaults, max_wait=None))
        key_field = options.get("key_field")
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

    def _fields(self, row: CdtRow) -> Mapping[str, Any]:
        return row.fields if self.keys is None else self.keys.fields(row)

    def _refuse(self, problems: Sequence[Problem]) -> None:
        if self._check == "strict":
            raise InvalidInputError("; ".join(problem.text for problem in problems))
        for problem in problems:
            if problem.field not in self._warned and len(self._warned) < _MOST_WARNINGS:
                self._warned.add(problem.field)
                _log.warning("%s: %s", self._cdt, problem.text)


def _engine(
    action: _CreateCdt,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    options: CreateOptions,
    channel: Channel | None,
    window: int,
) -> Engine[CdtRow, CdtRecord]:
    """Put an import together."""
    concurrency = options.get("concurrency", 32)
    exactly = None
    if action.keys is not None:
        exactly = Exactly(
            action.keys,
            settle=options.get("settle", 5.0),
            final_settle=options.get("final_settle", 60.0),
            room=_ROOM * concurrency,
            remove_doubles=options.get("remove_doubles", False),
        )
    return Engine(
        action,
        rows,
        concurrency=concurrency,
        channel=channel,
        window=window,
        fail_fast=options.get("fail_fast", False),
        max_failures=options.get("max_failures"),
        on_progress=options.get("on_progress"),
        drain=action.patient_scope.defaults.timeout,
        lost=action.lost,
        exactly=exactly,
        outage=Outage(action.read, threshold=max(_SILENCE, concurrency // 2)),
    )


def _checked(options: CreateOptions) -> CreateOptions:
    unknown = options.keys() - CreateOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    return options


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
    action = _CreateCdt(welkin.scope, cdt, _checked(options))
    concurrency = options.get("concurrency", 32)
    channel = Channel(concurrency, ordered=ordered)
    engine = _engine(action, rows, options, channel, _WINDOW * concurrency if ordered else 0)
    return OutcomeStream(engine, channel, action.prepare)


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
    action = _CreateCdt(welkin.scope, cdt, _checked(options))
    engine = _engine(action, rows, options, None, 0)
    await action.prepare()
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
