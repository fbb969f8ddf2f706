"""Import of a chunk: the keyed engine under a lease, and what it found noted in a ledger."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypedDict, Unpack

import attrs

from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.bulk.chunks.key_digests import KeyDigests
from welkin_async.bulk.chunks.report import ChunkReport, RowCounts, for_ledger, of_ledger
from welkin_async.bulk.engine.outcome_stream import OutcomeStream
from welkin_async.bulk.keys.cdt_keys import CdtKeys, KeyField
from welkin_async.bulk.options import CreateOptions, check_seconds, checked_options
from welkin_async.bulk.reconciliation.options import SharedRun
from welkin_async.bulk.reconciliation.policy import LAG_FACTOR
from welkin_async.bulk.results import Outcome, Progress, Status
from welkin_async.bulk.rows import CdtRow
from welkin_async.bulk.runner import lookup_options, stream
from welkin_async.errors import AuthenticationError, InvalidInputError, NotSentError, SessionError, WelkinError
from welkin_async.models.cdts import CdtRecord
from welkin_async.session import Welkin
from welkin_async.shared.errors import LeaseLostError, SharedStoreError, StoreUnreachableError
from welkin_async.shared.protocols import ChunkLedger, Claim
from welkin_async.validation.refusals import Check
from welkin_async.wire.tracebacks import without_frames

_log = logging.getLogger("welkin_async")

_SETTLE, _FINAL_SETTLE = 5.0, 60.0  # seconds
_RENEWALS = 3.0  # in the time of a lease
_SKEW = 300.0  # seconds by which the server's clock and this one may differ without a row being counted otherwise
_POLL = 0.25, 5.0  # seconds between two looks at a chunk that another worker holds: at first, and at most

Rows = Iterable[CdtRow] | AsyncIterable[CdtRow]


class ChunkOptions(TypedDict, total=False):
    """The options of `import_chunk`.

    Attributes:
        concurrency: How many requests at once; 32 by default.
        key_field: Which system field carries a row's key: ``external_id``, the default, or ``external_guid``.
        key_space: A name that stands before the keys; see `CreateOptions`.
        check: What to do about rows that the CDT's formation does not allow; see `CreateOptions`.
        settle: Seconds for which a key must stay absent before its row is sent again; 5 by default.
        final_settle: Seconds after an unknown outcome before the final scan; 60 by default.
        row_patience: Seconds for which a row may be refused for the rate while others are accepted.
        on_progress: Called with a snapshot now and then.
        on_outcome: Called with what became of each row, such as to write a reject file; once more for each attempt at
            the chunk.
        on_settled: Awaited with the claim's fence once every row has its outcome, before the chunk is called done, for
            what `on_outcome` has gathered to be put away. Where it raises the chunk is not done. Of several attempts
            the one counts whose fence the ledger's report of the chunk names.
    """

    concurrency: int
    key_field: KeyField
    key_space: str | None
    check: Check
    settle: float
    final_settle: float
    row_patience: float
    on_progress: Callable[[Progress], None] | None
    on_outcome: Callable[[Outcome[CdtRow, CdtRecord]], None] | None
    on_settled: Callable[[int], Awaitable[None]] | None


@without_frames
async def import_chunk(
    welkin: Welkin,
    cdt: str,
    chunk: str,
    rows: Rows | Callable[[], Rows],
    *,
    run: str,
    ledger: ChunkLedger,
    holder: str | None = None,
    **options: Unpack[ChunkOptions],
) -> ChunkReport:
    """Create the CDT records of a chunk, exactly once, however often and wherever it is begun.

    The chunk is claimed in the ledger, and its rows are looked for before they are sent. Where another worker has begun
    it, what that one may have sent is waited for: until its lease has ended, an attempt's timeout and the settle time
    have passed; then rows that are there count as created by this import. A chunk that is done is not begun again, and
    one that another worker holds is waited for. The lease is asked before the first byte of each create.

    A process that is stopped between that question and the write, for longer than its lease, can still double the
    requests that were at that point; `finish_import` names them.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        chunk: The chunk's id, the same wherever it is begun, as are its rows.
        rows: The rows, each with a key; or a function that returns them, called when they are needed. All rows of a
            patient belong into one chunk.
        run: The import's id, opened in the ledger (`ChunkLedger.open_run`) by whoever hands chunks out.
        ledger: Keeps account of chunks.
        holder: Names this claim, for somebody who knows for certain when its process has died and ends its lease then
            (`ChunkLedger.release`); never the same twice. None for a name of its own.
        options: See `ChunkOptions`.

    Returns:
        The counts; ``finished`` is 0 where rows are left that could not be sent or are in doubt, and the chunk can be
        begun again.

    Raises:
        LeaseLostError: the lease ran out, or the chunk went to another worker; what is noted there counts.
        LedgerError: the run is not known to the ledger, or the store cannot be relied on; nothing was sent.
        StoreUnreachableError: the ledger does not answer; the chunk can be begun again.
        AuthenticationError: the server refused the token.
        ProofError: the key field cannot be relied on.
        SessionError: the session is not open.
        InvalidInputError: the CDT's name or an option does not fit.
        Exception: whatever the source raised.
    """
    checked_options(options, ChunkOptions)
    check_seconds(options, "settle", "final_settle")
    check_seconds(options, "row_patience", endless=True)
    if options.get("concurrency", 1) < 1:
        raise InvalidInputError("concurrency is at least 1")
    attempt = _Attempt(welkin, cdt, options)
    claim = await _claimed(ledger, run, chunk, holder or secrets.token_hex(8))
    if claim.report is not None:
        return of_ledger(claim.report)
    began = time.monotonic()
    try:
        async with _renewed(ledger, run, claim):
            await attempt.carry_out(rows, claim)
            if (settled := options.get("on_settled")) is not None:
                await settled(claim.fence)
            counts = attempt.counts
            report = counts.report(again=claim.attempt > 1, lookups=attempt.lookups, seconds=time.monotonic() - began)
            known = attempt.shared
            await ledger.note(run, proved=known.proved, lag=known.lag, keys_changed=known.keys_changed)
            if report.finished:
                keys = {"keys": attempt.sent.pack(), "refused": attempt.refused.pack()}
                kept = {**keys, "scan_after": attempt.scan_after, "fence": claim.fence}
                await ledger.finish(run, claim, {**for_ledger(report), **kept})
                return report
    except BaseException:
        await _released(ledger, run, claim)
        raise
    await _released(ledger, run, claim)
    return report


class _Attempt:
    """One attempt at a chunk."""

    def __init__(self, welkin: Welkin, cdt: str, options: ChunkOptions) -> None:
        self._options = options
        self._action = CreateCdt(
            welkin.scope,
            cdt,
            check=options.get("check", "strict"),
            key_field=options.get("key_field", "external_id"),
            key_space=options.get("key_space"),
        )
        if not isinstance(self._action.keys, CdtKeys):
            raise InvalidInputError("the rows of a chunk have keys: key_field is external_id or external_guid")
        self._keys = self._action.keys
        self._engine_options: CreateOptions = {
            "concurrency": options.get("concurrency", 32),
            "on_progress": options.get("on_progress"),
            "row_patience": options.get("row_patience", 300.0),
            "settle": options.get("settle", _SETTLE),
            "final_settle": options.get("final_settle", _FINAL_SETTLE),
        }
        self.counts = RowCounts()
        self.sent, self.refused = KeyDigests(), KeyDigests()
        self.lookups = 0
        self.scan_after = 0.0
        self.shared: SharedRun

    async def carry_out(self, rows: Rows | Callable[[], Rows], claim: Claim) -> None:
        """Wait for what others may have sent, and send the rest."""
        lease, known = claim.lease, claim.run
        settle = max(self._options.get("settle", _SETTLE), LAG_FACTOR * known.lag)
        again = claim.attempt > 1
        if again:
            await asyncio.sleep(max(0.0, claim.wait + self._action.timeout + settle - claim.quiet))
        self.shared = SharedRun(
            proved=known.proved,
            lag=known.lag,
            keys_changed=known.keys_changed,
            adopted_since=time.time() - claim.age - _SKEW if again else None,
            settled=again,
            permit=lambda: None if lease.stands else _lost(),
        )
        lookups = lookup_options(self._keys, self._engine_options)
        assert lookups is not None
        lookups = attrs.evolve(lookups, shared=self.shared)
        source: Rows = rows() if callable(rows) else rows
        outcomes: OutcomeStream[CdtRow, CdtRecord] = stream(self._action, source, self._engine_options, lookups)
        doubtful = again
        try:
            async with outcomes:
                async for outcome in outcomes:
                    doubtful = self._take(outcome) or doubtful
        finally:
            for outcome in outcomes.unfinished:
                self._take(outcome)
            self.lookups = outcomes.report.lookups
        if not outcomes.report.ended:
            self.counts.unsettled += 1
        self.scan_after = self._options.get("final_settle", _FINAL_SETTLE) if doubtful else settle

    def _take(self, outcome: Outcome[CdtRow, CdtRecord]) -> bool:
        """Count a row; tell whether it was ever in doubt."""
        transient = outcome.status is Status.FAILED and isinstance(
            outcome.error, NotSentError | AuthenticationError | SessionError
        )
        self.counts.add(outcome, transient=transient)
        if (outcome.attempts and outcome.status is not Status.FAILED) or outcome.adopted:
            row = outcome.row
            digests = self.refused if outcome.status is Status.REJECTED else self.sent
            with contextlib.suppress(InvalidInputError):  # a row without a key was never sent
                digests.add(str(row.patient_id), self._keys.assign(row.key, {**row.fields}))
        if (told := self._options.get("on_outcome")) is not None:
            told(outcome)
        return outcome.attempts > 1 or outcome.adopted or outcome.status is Status.UNKNOWN


def _lost() -> WelkinError:
    return LeaseLostError("the lease of the chunk has run out; another worker may have taken the chunk over")


async def _claimed(ledger: ChunkLedger, run: str, chunk: str, holder: str) -> Claim:
    """Claim a chunk, waiting while another worker holds it."""
    pause, longest = _POLL
    while (claim := await ledger.claim(run, chunk, holder)) is None:
        await asyncio.sleep(pause)
        pause = min(2.0 * pause, longest)
    return claim


@contextlib.asynccontextmanager
async def _renewed(ledger: ChunkLedger, run: str, claim: Claim) -> AsyncIterator[None]:
    """Renew a lease while the context lasts; while the ledger does not answer it goes on to its end.

    It ends at once where the store answers and is not what it was: emptied, removed, or of other rights.
    """

    async def renew() -> None:
        said = False
        while True:
            await asyncio.sleep(claim.lease.left / _RENEWALS)
            if not claim.lease.stands:
                return
            try:
                await ledger.renew(run, claim)
                said = False
            except LeaseLostError:
                return
            except StoreUnreachableError as error:
                if not said:
                    _log.warning("%s; the lease of the chunk goes on to its end", error.reason)
                said = True
                await asyncio.sleep(claim.lease.left / _RENEWALS)
            except SharedStoreError as error:
                _log.warning("%s; the lease of the chunk ends here", error.reason)
                claim.lease.lose()
                return

    renewing = asyncio.create_task(renew(), name="welkin_async bulk lease")
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait((renewing,))


async def _released(ledger: ChunkLedger, run: str, claim: Claim) -> None:
    """Let another worker have the chunk at once; where the ledger does not answer the lease runs out by itself."""
    with contextlib.suppress(WelkinError):
        await ledger.release(run, claim.chunk, claim.holder)
