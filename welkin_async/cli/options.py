"""What a command was told that works through a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import Literal, NamedTuple

import attrs

from welkin_async.bulk import Progress
from welkin_async.bulk.options import RunOptions
from welkin_async.cli.columns import ColumnMap
from welkin_async.cli.text import CommandError
from welkin_async.resources.patients import PatientKeyType

__all__ = ["FileOptions", "Mode", "PatientColumn", "most_failures"]

Mode = Literal["resume", "retry", "restart"]


class PatientColumn(NamedTuple):
    """Where a row names its patient.

    Attributes:
        name: The column.
        type: What the key in it is.
    """

    name: str
    type: PatientKeyType = "ID"


@attrs.frozen(kw_only=True)
class FileOptions:
    """Which file is worked through, and how.

    Attributes:
        file: A ``.csv``, ``.ndjson`` or ``.parquet`` file.
        maps: Which columns become which fields; empty for all, under their own names.
        zone: The zone of datetimes without an offset; None refuses them.
        check: What to do about rows that the definition does not allow.
        concurrency: How many requests at once.
        rejects: Where rows that are not done go; None for a file beside the input.
        results: Where every row goes with what became of it; None for nowhere.
        encoding: The file's encoding; None to find it out.
        delimiter: What stands between the cells of a CSV file; None to find it out.
        journal: The journal; None for none.
        mode: What a run with an existing journal takes up.
        max_failures: How many rows may not be done before it stops; a share below 1.0; None for any number.
        json: Whether the summary is for machines.
        report: Where a page with the summary goes; None for nowhere.
        dry_run: Whether the file is only checked.
        check_patients: Whether a dry run looks patients up.
        command: The command line that goes on.
    """

    file: Path
    maps: tuple[ColumnMap, ...] = ()
    zone: tzinfo | None = None
    check: Literal["strict", "warn", "off"] = "strict"
    concurrency: int = 32
    rejects: Path | None = None
    results: Path | None = None
    encoding: str | None = None
    delimiter: str | None = None
    journal: Path | None = None
    mode: Mode = "resume"
    max_failures: float | None = None
    json: bool = False
    report: Path | None = None
    dry_run: bool = False
    check_patients: bool = False
    command: str = "welkin-async import"

    def source(self, digest: str, *decisive: object) -> str:
        """Return what identifies the source to a journal: the file, and what decides a row's patient, key and fields.

        Another patient column, for one, would have rows looked for under the wrong patients, and sent again.

        Args:
            digest: SHA-256 of the file.
            decisive: What else decides these.
        """
        all_of_it = (*decisive, self.encoding, self.delimiter, str(self.zone), [tuple(each) for each in self.maps])
        return f"{digest} {hashlib.sha256(repr(all_of_it).encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"

    def run(self, digest: str, told: Callable[[Progress], None], *decisive: object) -> RunOptions:
        """Return the options of the bulk operation.

        Args:
            digest: SHA-256 of the file.
            told: Called with a snapshot now and then.
            decisive: What decides a row's patient, key and fields, beside what is here.
        """
        return {
            "concurrency": self.concurrency,
            "journal": self.journal,
            "resume": self.mode,
            "source": self.source(digest, *decisive),
            "max_failures": self.max_failures,
            "on_progress": told,
        }


def most_failures(text: str | None) -> float | None:
    """Read ``--max-failures``.

    Args:
        text: A count, or a share such as ``2%``.

    Raises:
        CommandError: it is neither.
    """
    if text is None:
        return None
    share = text.endswith("%")
    try:
        number = float(text.removesuffix("%")) / 100 if share else float(int(text))
    except ValueError:
        number = -1.0
    if number < 0 or (share and not 0 < number < 1):
        raise CommandError("--max-failures takes a count, or a share of the rows such as 2%")
    return number
