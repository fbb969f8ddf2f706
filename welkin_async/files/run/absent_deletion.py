"""Deletion of absent records: what a source no longer names is deleted, as an earlier plan says, and nothing else.

A record goes only if all of this holds: the plan names it; its key is of the key space, and no row of its patient has
it, a refused one included; where a row of another patient has it, the record of that row is there; its patient is named
by the file; it has not been changed since the plan; every row's key and patient could be read; and the file was read to
its end. The plan names no more than may be deleted.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import attrs

from welkin_async.bulk.keys.cdt_keys import CdtKeys
from welkin_async.bulk.keys.fresh_write import delete_unchanged
from welkin_async.errors import RequestError
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.report.absent_counts import AbsentCounts
from welkin_async.files.report.text import whole
from welkin_async.files.run.unexpected_records import (
    NamedKeys,
    UnexpectedRecord,
    check_spaced,
    listed,
    read_named_keys,
    unexpected_records,
)
from welkin_async.session import Welkin

_LONGEST = 1 << 16  # characters of a line of a plan


def read_plan(path: Path, most: int) -> dict[str, str]:
    """Read from a plan what is to be deleted; blocks.

    Args:
        path: What an earlier dry run has written.
        most: How many records may be deleted.

    Returns:
        When each record had been changed last, by its id.

    Raises:
        FileError: it cannot be read, is no plan, or names more than may be deleted.
    """
    planned: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as file:
            while line := file.readline(_LONGEST):
                told = json.loads(line)
                if told["status"] == "delete":
                    (id,) = told["record_ids"]
                    planned[str(id)] = str(told["updated_at"])
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{path} is no plan of a dry run") from None
    if len(planned) > most:
        raise FileError(
            f"{path} names {whole(len(planned))} records to be deleted, more than the {whole(most)} of max_deletes=; "
            "nothing was sent"
        )
    return planned


@attrs.define(kw_only=True)
class AbsentDeletion:
    """Deletion of absent records, after an upsert of the same file.

    Attributes:
        job: The upsert.
        planned: What `read_plan` has returned.
        counts: What became of the records that the plan names, up to now.
    """

    job: RecordImport
    planned: dict[str, str]
    counts: AbsentCounts = attrs.field(
        default=attrs.Factory(lambda self: AbsentCounts(planned=len(self.planned)), takes_self=True), init=False
    )

    def check(self) -> None:
        """Check that the upsert's options go with it.

        Raises:
            FileError: they do not.
        """
        check_spaced(self.job)
        if self.job.settings.skip or self.job.settings.limit is not None:
            raise FileError("a file of which rows are left out does not say what is absent")

    async def carry_out(self, welkin: Welkin, opened: OpenedFile) -> None:
        """Delete what is absent and planned, and count it.

        Args:
            welkin: An open session.
            opened: The file.

        Raises:
            OSError: the file cannot be read to its end, or has changed; nothing was deleted.
            UnicodeError: nor decoded; nothing was deleted.
            AuthenticationError: the server refused the token.
        """
        job, counts = self.job, self.counts
        counts.under_way = True
        keys, patients = job.keys(welkin), job.patients(welkin)
        assert keys is not None
        assert patients is not None
        assert job.key_space is not None
        with NamedKeys() as named:
            await read_named_keys(job, opened, keys, patients, named)
            if named.unreadable is not None:
                counts.withheld = (
                    f"the key or the patient of {whole(named.refused)} rows cannot be read, the first in line "
                    f"{named.unreadable}: nothing was deleted"
                )
                counts.under_way = False
                return
            found: list[UnexpectedRecord] = []
            async for each in unexpected_records(
                keys, named, job.key_space, concurrency=job.settings.concurrency, exactly=False
            ):
                if isinstance(each, str):
                    counts.unlisted += 1
                elif each.record.id in self.planned and await self._has_gone(keys, named, each.key):
                    found.append(each)
        due = [each for each in found if self.planned[each.record.id] == each.updated_at]
        counts.changed = len(found) - len(due)
        turn = asyncio.Semaphore(job.settings.concurrency)

        async def delete(absent: UnexpectedRecord) -> None:
            async with turn:
                id = absent.record.id
                try:
                    deleted = await delete_unchanged(
                        keys, absent.patient, id, lambda record: keys.stamps(record)[1] == self.planned[id]
                    )
                except (RequestError, asyncio.CancelledError) as error:
                    counts.failed += 1
                    if isinstance(error, asyncio.CancelledError):
                        raise  # it may have been deleted
                else:
                    counts.deleted += deleted is True
                    counts.changed += deleted is False

        async with asyncio.TaskGroup() as deletions:
            for each in due:
                deletions.create_task(delete(each))
        counts.under_way = False

    @staticmethod
    async def _has_gone(keys: CdtKeys, named: NamedKeys, key: str) -> bool:
        """Tell whether the file has no row for a key, or has it for other patients by now, whose records are there.

        A row that went over to another patient and was then refused has its only record where it was.
        """
        for patient in named.patients_of(key):
            records = await listed(keys, patient)
            if not any(keys.key_of(record) == key for record in records or ()):
                return False
        return True
