"""Duplicates: after a run, name the rows of the file whose records are on the server more than once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from welkin_async.bulk import DoubledKey, Duplicate
from welkin_async.bulk.chunks.key_digests import digest
from welkin_async.bulk.keys.cdt_keys import CdtKeys, MintedKey
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.files.mapping.row_keys import sent_key
from welkin_async.files.mapping.row_mapper import RowMapper
from welkin_async.files.run.outcome_recorder import OutcomeRecorder

_BATCH = 512  # rows


def record_duplicates(
    opened: OpenedFile,
    mapper: RowMapper,
    keys: Keys,
    duplicates: Sequence[Duplicate],
    recorder: OutcomeRecorder,
    patients: PatientLookup | None,
) -> list[str]:
    """Find the rows of duplicate keys in the file, and record them; reads the file once more.

    Args:
        opened: The file.
        mapper: Gives rows their keys.
        keys: Says what a record carries for a key.
        duplicates: The keys that are there more than once.
        recorder: Records the rows.
        patients: Knows the ids of the rows' patients; None where they have none.

    Returns:
        For each key whose row was not found, and which is counted all the same, a line that names the records.
    """
    single = patients is not None and isinstance(keys, CdtKeys) and keys.single  # records are known by their patients
    wanted: dict[Hashable, _Found] = {
        each.patient if single else each.key: _Found(each.ids, len(each.removed)) for each in duplicates
    }
    _record(opened, mapper, keys, wanted, recorder, patient_of=patients.remembered if patients and single else None)
    for each in wanted.values():
        recorder.count_duplicate(len(each.ids) - each.removed)
    return [f"{' '.join(each.ids)}: records of one key, of which the file has no row" for each in wanted.values()]


def record_doubled_keys(
    opened: OpenedFile,
    mapper: RowMapper,
    keys: Keys,
    doubles: Sequence[DoubledKey],
    recorder: OutcomeRecorder,
) -> None:
    """Find the rows of doubled keys of an import by chunks, of which digests alone are known; as `record_duplicates`.

    Args:
        opened: The file.
        mapper: Gives rows their keys.
        keys: Says what a record carries for a key.
        doubles: The keys that are there more than once.
        recorder: Records the rows.
    """
    wanted: dict[Hashable, _Found] = {each.digest: _Found(each.ids, 0) for each in doubles}
    _record(opened, mapper, keys, wanted, recorder, named=digest)


class _Found(NamedTuple):
    """The records of a key, and how many of them were removed."""

    ids: Sequence[str]
    removed: int


def _record(
    opened: OpenedFile,
    mapper: RowMapper,
    keys: Keys,
    wanted: dict[Hashable, _Found],
    recorder: OutcomeRecorder,
    *,
    patient_of: Callable[[str], str | None] | None = None,
    named: Callable[[str], Hashable] = str,
) -> None:
    with contextlib.closing(opened.reopen()) as source:
        while wanted and (rows := source.read(_BATCH)):
            for row in rows:
                mapped = mapper.map(row)
                if mapped.key is None or mapped.problem is not None:
                    continue
                if patient_of is None:
                    key = sent_key(keys, mapped.key, mapped.fields) or ""
                else:
                    key = patient_of(mapped.patient) or ""
                former = mapped.key.former if isinstance(mapped.key, MintedKey) else None
                found = wanted.pop(named(key), None) or wanted.pop(named(former or ""), None)
                if found is not None:
                    recorder.record_duplicate(row, mapped.key, found.ids, found.removed)
