"""Finish of an import: the one final scan for all of its chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs

from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.bulk.chunks.key_digests import digest, unpack
from welkin_async.bulk.chunks.report import ChunkReport, DoubledKey, merge, of_ledger
from welkin_async.bulk.errors import ProofError
from welkin_async.bulk.keys.cdt_keys import KeyField
from welkin_async.bulk.reconciliation.lookup import look
from welkin_async.errors import InvalidInputError
from welkin_async.session import Welkin
from welkin_async.shared.protocols import ChunkLedger
from welkin_async.wire.tracebacks import without_frames

_TRIES = 8  # listings of a patient until one shows all that was created
_PAUSE = 0.25, 4.0  # seconds between two: at first, and at most
_NONE: frozenset[bytes] = frozenset()


@without_frames
async def finish_import(
    welkin: Welkin,
    cdt: str,
    run: str,
    ledger: ChunkLedger,
    *,
    key_field: KeyField = "external_id",
    concurrency: int = 16,
    planned: int | None = None,
) -> ChunkReport:
    """Look once more at every patient in which an import created, after all that may land late has landed.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        run: The import's id.
        ledger: Keeps account of its chunks.
        key_field: Which system field carries the rows' keys.
        concurrency: How many patients are listed at once.
        planned: How many chunks the import has. Without it those count that any worker has begun, so that an import
            some of whose chunks nobody has begun is not told from one without them.

    Returns:
        The counts of all chunks that are done, and what was seen: keys that are there more than once, or whose row was
        refused, and rows that are not there. While chunks are left it is not complete.

    Raises:
        LedgerError: the ledger does not know the run.
        StoreUnreachableError: the ledger does not answer.
        ProofError: a patient could not be listed completely.
        RequestError: a patient could not be listed.
        InvalidInputError: the CDT's name or the key field does not fit.
    """
    await ledger.run_state(run)
    action = CreateCdt(welkin.scope, cdt, check="off", key_field=key_field)
    reports: list[ChunkReport] = []

    async def patients() -> AsyncIterator[tuple[str, frozenset[bytes], frozenset[bytes]]]:
        async for _, kept, age in ledger.chunks(run):
            reports.append(ChunkReport(chunks=1) if kept is None else of_ledger(kept))
            if kept is None:
                continue
            await asyncio.sleep(max(0.0, kept["scan_after"] - age))
            sent, refused = unpack(kept["keys"]), unpack(kept["refused"])
            for patient in {**sent, **refused}:
                yield patient, sent.get(patient, _NONE), refused.get(patient, _NONE)

    scan = _Scan(action)
    source, turn = patients(), asyncio.Lock()

    async def work() -> None:
        while True:
            async with turn:
                following = await anext(source, None)
            if following is None:
                return
            await scan.look_at(*following)

    if concurrency < 1:
        raise InvalidInputError("concurrency is at least 1")
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(work(), name="welkin_async bulk scan of chunks")
    except BaseExceptionGroup as errors:
        first: BaseException = errors.exceptions[0]
    else:
        merged, doubles = merge(reports), tuple(scan.doubles.values())
        return attrs.evolve(
            merged,
            chunks=max(merged.chunks, planned or 0),
            doubled=len(doubles),
            missing=scan.missing,
            scanned=True,
            doubles=doubles,
        )
    raise first


class _Scan:
    """What is found at the patients."""

    def __init__(self, action: CreateCdt) -> None:
        assert action.keys is not None
        self._keys = action.keys
        self.doubles: dict[tuple[str, bytes], DoubledKey] = {}  # one of two chunks is one double
        self.missing = 0

    async def look_at(self, patient: str, digests: frozenset[bytes], refused: frozenset[bytes]) -> None:
        """List a patient until all that was created is shown, as often as is within reason.

        Of a row that was refused nothing is to be there: an error names no record, and what was sent before may land.
        """
        pause, longest = _PAUSE
        found: Mapping[bytes, list[Any]] | None = None
        for remaining in reversed(range(_TRIES)):
            found = await self._listed(patient)
            if found is not None and (digests <= found.keys() or not remaining):
                break
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, longest)
        if found is None:
            raise ProofError("the final scan could not list a patient's records completely")
        self.missing += len(digests - found.keys())
        self.doubles |= {
            (patient, key): DoubledKey(patient, tuple(ids), key)
            for key, ids in found.items()
            if (len(ids) > 1 and key in digests) or key in refused
        }

    async def _listed(self, patient: str) -> Mapping[bytes, list[Any]] | None:
        """Return the ids of a patient's records by the digests of their keys; None where not all are known."""
        records, _, _ = await look(self._keys.listing(patient, 0.0), None)
        if records is None:
            return None
        found: dict[bytes, list[Any]] = {}
        for record in records:
            key = self._keys.key_of(record)
            if key is not None:
                found.setdefault(digest(key), []).append(record.id)
        return found
