"""What an import was told to do."""

from __future__ import annotations

import hashlib
from datetime import tzinfo
from pathlib import Path
from typing import Literal

import attrs

from welkin_async.bulk.keys import KeyField
from welkin_async.cli.mapping import ColumnMap
from welkin_async.cli.text import CommandError
from welkin_async.resources.patients import PatientKeyType

__all__ = ["ImportOptions", "Mode", "most_failures"]

Mode = Literal["resume", "retry", "restart"]


@attrs.frozen(kw_only=True)
class ImportOptions:
    """What is imported, and how.

    Attributes:
        file: A ``.csv``, ``.ndjson`` or ``.parquet`` file.
        cdt: The CDT's name.
        patient_column: The column of the patient's key.
        patient_type: What that key is.
        maps: Which columns become which fields; empty for all, under their own names.
        zone: The zone of datetimes without an offset; None refuses them.
        check: What to do about rows that the CDT's definition does not allow.
        concurrency: How many requests at once.
        rejects: Where rows that are not created go; None for a file beside the input.
        results: Where every row goes with what became of it; None for nowhere.
        encoding: The file's encoding; None to find it out.
        delimiter: What stands between the cells of a CSV file; None to find it out.
        key_field: The field that carries a row's key; None for no keys.
        key_column: The column that holds keys; None to make them.
        journal: The journal; None for none.
        mode: What an import with an existing journal takes up.
        settle: Seconds for which a key must stay absent before its row is sent again.
        final_settle: Seconds after the last unknown outcome before the last look for doubles.
        max_failures: After how many rows that are not created to stop; a share below 1.0; None for never.
        remove_doubles: Whether doubles that are equal and unedited are removed.
        json: Whether the summary is for machines.
        report: Where a page with the summary goes; None for nowhere.
        check_patients: Whether a dry run looks patients up.
        command: The command line that goes on with this import.
    """

    file: Path
    cdt: str
    patient_column: str
    patient_type: PatientKeyType = "ID"
    maps: tuple[ColumnMap, ...] = ()
    zone: tzinfo | None = None
    check: Literal["strict", "warn", "off"] = "strict"
    concurrency: int = 32
    rejects: Path | None = None
    results: Path | None = None
    encoding: str | None = None
    delimiter: str | None = None
    key_field: KeyField | None = "external_id"
    key_column: str | None = None
    journal: Path | None = None
    mode: Mode = "resume"
    settle: float = 5.0
    final_settle: float = 60.0
    max_failures: float | None = None
    remove_doubles: bool = False
    json: bool = False
    report: Path | None = None
    check_patients: bool = False
    command: str = "welkin-async import"

    def source(self, digest: str) -> str:
        """Return what identifies the source to a journal: the file, and what decides a row's patient, key and fields.

        Another patient column, for one, would have rows looked for under the wrong patients, and sent again.

        Args:
            digest: SHA-256 of the file.
        """
        decisive = (
            *(self.patient_column, self.patient_type, self.key_field, self.key_column),
            *(self.encoding, self.delimiter, str(self.zone), [tuple(each) for each in self.maps]),
        )
        return f"{digest} {hashlib.sha256(repr(decisive).encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


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
