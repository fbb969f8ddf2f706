"""What is found out when all is over: which rows of the file are doubled; and what is wrong with a journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from welkin_async.bulk import Double, JournalLockedError, JournalMismatchError
from welkin_async.bulk.reconcile import Keys
from welkin_async.cli.jobs import Job
from welkin_async.cli.preparation import Preparing
from welkin_async.cli.settlement import Settlement
from welkin_async.cli.sources import open_source

__all__ = ["name_doubles", "of_journal"]

_BATCH = 512  # rows


def name_doubles(
    job: Job,
    preparing: Preparing,
    keys: Keys,
    doubles: Sequence[Double],
    settlement: Settlement,
) -> None:
    """Find the rows of doubled keys in the file, and write them down; reads the file once more.

    Args:
        job: What is done.
        preparing: Gives rows their keys.
        keys: Says what a record carries for a key.
        doubles: What is there more than once.
        settlement: Takes the rows.
    """
    wanted = {double.key: double for double in doubles}
    options = job.options
    source = open_source(options.file, encoding=options.encoding, delimiter=options.delimiter)
    position = 0
    try:
        while wanted and (rows := source.read(_BATCH)):
            for row in rows:
                row.position = position
                position += 1
                prepared = preparing.prepare(row)
                if prepared.key is None or prepared.problem is not None:
                    continue
                double = wanted.pop(keys.key(job.row(prepared, "", None)), None)
                if double is not None:
                    settlement.doubled(row, prepared.key, double.ids, len(double.removed))
    finally:
        source.close()


def of_journal(error: JournalLockedError | JournalMismatchError, path: Path | None) -> str:
    """Say what is wrong with a journal, and what to do.

    Args:
        error: What the engine says.
        path: The journal.
    """
    if isinstance(error, JournalMismatchError) and error.what == "source":
        return (
            f"the journal {path} is of another file, or of other options that decide a row's patient, key or fields: "
            "give those again, or name another --journal and --rejects. --restart would forget it and send every row "
            "again, those done as well"
        )
    return f"{path}: {error}"
