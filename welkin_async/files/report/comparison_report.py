"""Report of a comparison: how the rows of a file stand to what is on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from welkin_async.files.report.run_origin import RunOrigin
from welkin_async.files.report.text import aligned, whole

_COUNTS = ("rows", "present", "altered", "missing", "doubled", "refused", "edited", "unexpected", "unlisted")


@attrs.define(kw_only=True)
class ComparisonReport:
    """The report of a comparison, in which nothing is written; as text, a summary for people.

    Attributes:
        title: What was compared.
        file: The name of the file.
        file_sha256: SHA-256 of the input.
        rows: Rows that were compared or refused.
        present: Rows that are there once, with every field as the file has it.
        altered: Rows that are there with other fields.
        missing: Rows that are not there.
        doubled: Rows whose key is there more than once.
        refused: Rows that the definition does not allow, or that cannot be looked for.
        edited: Rows among the altered whose record somebody else changed last, so that an upsert would leave them.
        unexpected: Records of the key space that the file does not name, of the patients that it names.
        unlisted: Patients of whom it is not known whether there are any.
        patients: How many patients were listed.
        lookups: Listings made.
        seconds: How long it took.
        findings: The file of findings, None where none was asked for.
        stopped: Whether it was asked to stop.
        notes: What else is to be known, a sentence for each.
        origin: When it was begun, against which instance and by which command; None before it was.
    """

    title: str
    file: str
    file_sha256: str = ""
    rows: int = 0
    present: int = 0
    altered: int = 0
    missing: int = 0
    doubled: int = 0
    refused: int = 0
    edited: int = 0
    unexpected: int = 0
    unlisted: int = 0
    patients: int = 0
    lookups: int = 0
    seconds: float = 0.0
    findings: Path | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    origin: RunOrigin | None = None

    @property
    def all_present(self) -> bool:
        """Whether every row of the file is there once and equal, and nothing unexpected was found."""
        return not self.stopped and self.present == self.rows and not self.unexpected and not self.unlisted

    @property
    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in _COUNTS}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values for JSON; paths as text."""
        return {
            "run": None if self.origin is None else self.origin.to_dict(),
            "file_sha256": self.file_sha256,
            **self.counts,
            "all_present": self.all_present,
            "patients_listed": self.patients,
            "lookups": self.lookups,
            "seconds": round(self.seconds, 3),
            "findings": None if self.findings is None else str(self.findings),
            "stopped": self.stopped,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Return the summary for people."""
        remarks = {
            "present": "there once, with the same fields",
            "altered": "there with other fields"
            + (f"; {whole(self.edited)} of them changed last by somebody else" * bool(self.edited)),
            "missing": "not there",
            "doubled": "their key is there more than once",
            "refused": "not allowed, or not to be looked for",
        }
        lines = [("rows", whole(self.rows), "so far: it was stopped" if self.stopped else "")]
        lines += [
            (name, whole(getattr(self, name)), remark if getattr(self, name) else "")
            for name, remark in remarks.items()
        ]
        if self.unexpected or self.unlisted:
            unsure = f"; {whole(self.unlisted)} patients could not be listed" if self.unlisted else ""
            lines.append(("unexpected", whole(self.unexpected), f"there, and not in the file{unsure}"))
        lines += [
            ("look-ups", whole(self.lookups), f"of {whole(self.patients)} patients"),
            ("seconds", f"{self.seconds:,.2f}", ""),
        ]
        origin = "" if self.origin is None else f"\n{self.origin}"
        return f"{self.title}: {self.file}: nothing was written{origin}\n\n{aligned(lines)}"
