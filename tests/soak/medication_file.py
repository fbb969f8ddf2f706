"""The file that is imported: made-up rows, each told apart from the others by its notes, some bad on purpose."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path

import attrs

COLUMNS = ("PATIENT", "NAME", "STATUS", "START", "REFILLS", "NOTES")
MAPS = (
    *("--map", "NAME=medication_name", "--map", "STATUS=medication_status"),
    *("--map", "START=medication_start_date:datetime", "--map", "REFILLS=medication_refills"),
    *("--map", "NOTES=medication_notes"),
)
KINDS = ("no patient", "other patient", "bad date", "wrong option", "bad text", "short", "long", "bad number")
REASONS = {
    "no patient": "the patient is missing",
    "other patient": "no patient has this EGUID",
    "bad date": "column START: expected a datetime",
    "wrong option": "medication_status: expected one of active, inactive",
    "bad text": "not text in the file's encoding",
    "short": "the line is short",
    "long": "more than 6 cells",
    "bad number": "column REFILLS: expected an integer",
}


@attrs.frozen
class MedicationFile:
    """Rows for some patients.

    Attributes:
        guids: The patients.
        rows: How many rows.
        bad: The share of rows that cannot be imported as they are.
        seed: Which rows.
    """

    guids: Sequence[str]
    rows: int
    bad: float = 0.0
    seed: int = 1

    def kind(self, row: int) -> str | None:
        """What is wrong with a row, or None."""
        every = round(1 / self.bad) if self.bad else 0
        return KINDS[row // every % len(KINDS)] if every and row % every == every // 2 else None

    def good(self, row: int) -> list[str]:
        """The cells of a row as it should be."""
        pick = random.Random(f"{self.seed}/{row}")
        name = pick.choice(("Lisinopril", "Metformin", 'Insulin, "glargine"', "Señal\nrápida"))
        start = f"20{pick.randrange(10, 25)}-0{pick.randrange(1, 10)}-1{pick.randrange(10)}T08:30:00Z"
        status = pick.choice(("active", "inactive"))
        return [pick.choice(self.guids), name, status, start, str(pick.randrange(12)), f"row {row}"]

    def write(self, path: Path) -> list[int]:
        """Write the file; returns the line of each row."""
        lines, line = [], 2
        with path.open("wb") as file:
            file.write(",".join(COLUMNS).encode() + b"\n")
            for row in range(self.rows):
                record = self._record(row)
                lines.append(line)
                line += record.count(b"\n")
                file.write(record)
        return lines

    def _record(self, row: int) -> bytes:
        cells, kind = self.good(row), self.kind(row)
        if kind is None:
            return _csv(cells)
        cells[1] = "Metformin"
        if kind == "no patient":
            cells[0] = ""
        elif kind == "other patient":
            cells[0] = "00000000-0000-4000-8000-000000000000"
        elif kind == "bad date":
            cells[3] = "2024-02-30T10:00:00Z"
        elif kind == "wrong option":
            cells[2] = "asleep"
        elif kind == "bad number":
            cells[4] = "a few"
        elif kind == "short":
            cells.pop()
        elif kind == "long":
            cells.append("more")
        record = _csv(cells)
        return record.replace(b"Metformin", b"Metf\xf8rmin") if kind == "bad text" else record

    def mend(self, rejects: Path, mended: Path, row_of_line: dict[int, int]) -> int:
        """Write the reject file as it should be, with our columns as they are; returns how many rows it has."""
        with rejects.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            header, *rejected = csv.reader(file)
        width = len(COLUMNS)
        with mended.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for cells in rejected:
                writer.writerow([*self.good(row_of_line[int(cells[width])]), *cells[width : len(header)]])
        return len(rejected)


def _csv(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
