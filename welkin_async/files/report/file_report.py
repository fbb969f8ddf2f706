"""File report: what became of the rows of a file, as values, as text, for machines and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from welkin_async.bulk import ExportReport
from welkin_async.files.errors import FileError
from welkin_async.files.job_kind import JobKind
from welkin_async.files.report.absent_counts import AbsentCounts
from welkin_async.files.report.html_page import page
from welkin_async.files.report.lookup_cost import LookupCost
from welkin_async.files.report.run_origin import RunOrigin
from welkin_async.files.report.text import aligned, size, whole
from welkin_async.files.report.time_series import TimeSeries

_MOST_REASONS = 8
_MOST_DRY_REASONS = 20
_KEYS_MADE = (
    "keys were made of the file's bytes, and there is no journal: once it has grown or changed it is another file, "
    "whose rows are all created again. key= names the column of keys that stay"
)
_COUNTS = (
    *("unchanged", "gone", "adopted", "altered", "rejected", "failed", "unknown", "conflict", "doubled"),
    *("unsent", "unswept", "earlier", "attempts", "retried", "complete"),
)
_PATHS = ("rejects", "review", "results")

_Lines = list[tuple[str, str, str]]


@attrs.frozen(kw_only=True)
class FileReport:
    """The report of a file run; as text, a summary for people. It holds no value of any row.

    Rows of earlier runs with the same journal count as what they became there.

    Attributes:
        kind: The kind of job.
        title: What was done, and to what.
        file: The name of the file.
        several: What it is called where there are several; empty for one.
        cdt: The CDT, None where there is none.
        file_sha256: SHA-256 of the input; empty for an export.
        rows: Rows that have their outcome; records for an export.
        done: Rows among them that are done: created, updated, deleted or, in a dry run, good.
        blank: Rows of the file without any content, which are left out and no rows.
        earlier: Rows among all that earlier runs were done with.
        updated: Rows whose record was changed, where other rows are created.
        unchanged: Rows that were there before, as they were to be sent.
        gone: Rows that an earlier run created and somebody has deleted.
        adopted: Rows among the done that were found on the server after an attempt with an unknown outcome.
        altered: Rows among the done of which the server dropped or changed a field.
        rejected: Rows refused, by the server or before anything was sent.
        failed: Rows that could not be sent.
        unknown: Rows that may or may not be on the server.
        conflict: Rows whose key is on the server with something else.
        doubled: Rows among the done that are on the server more than once.
        unsent: Rows that a stopped run had read and not sent; the next run sends them.
        unswept: Keys that no duplicate scan was made for: it is not known whether they are doubled.
        attempts: Requests that went out for rows.
        retried: Those beyond the first of each row.
        lookups: Listings made to look for rows.
        existing: Whether rows were looked for before they were sent: ``check`` or ``trust``; empty where they have no
            keys.
        groups_listed: How many patients were listed before their first row was sent.
        lookup_cost: What looking for rows was expected to cost, before the first one was sent; None where nothing is
            looked for, and where the run goes on with a journal.
        seconds: How long it took, from the first row on.
        rows_per_second: Rows of this run per second.
        paused_seconds: Seconds among them for which the server was down.
        pace: Requests per second that could go out at the end; None for no bound.
        slots: Requests that could be in flight at the end.
        share_refused: Share of the session's requests during the run that were refused (429 or 503).
        set_aside: How often rows were set aside because they were refused, by why; see `bulk.Report`.
        requests: Counts of requests, bytes and latencies, by the names that `to_dict` has.
        reasons: How often each reason for a row's not being done was met, the most common first.
        rejects: The reject file, None where it holds no row.
        review: The review file, likewise.
        results: The results, likewise.
        journal: The journal, None where none was asked for.
        html: The page, None where there is none.
        stopped: Whether it was asked to stop.
        error: Why it ended before its time; None where it did not.
        error_type: The name of the class of that error.
        resume: The file with which the same call goes on, the journal or an export's cursor; None where nothing is
            left to be done or nothing was kept.
        notes: What else is to be known, a sentence for each.
        keys_made: Whether keys were made of the file, and no journal knows that it was imported.
        absent: What became of records that the file no longer names; None where none were to be deleted.
        dry_run: Whether nothing was sent.
        patients_checked: Whether a dry run looked patients up; None where rows belong to none, and for other runs.
        refused_lines: The first lines that a dry run found bad, and why.
        export: The figures of an export, None for any other run.
        resource: The kind of records that were exported; None for those of a CDT, and for any other run.
        origin: When the run began, against which instance, by which version and command; None before it began.
    """

    kind: JobKind
    title: str
    file: str
    cdt: str | None
    several: str = ""
    file_sha256: str = ""
    rows: int = 0
    done: int = 0
    blank: int = 0
    earlier: int = 0
    updated: int = 0
    unchanged: int = 0
    gone: int = 0
    adopted: int = 0
    altered: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    conflict: int = 0
    doubled: int = 0
    unsent: int = 0
    unswept: int = 0
    attempts: int = 0
    retried: int = 0
    lookups: int = 0
    existing: str = ""
    groups_listed: int = 0
    lookup_cost: LookupCost | None = None
    seconds: float = 0.0
    rows_per_second: float = 0.0
    paused_seconds: float = 0.0
    pace: float | None = None
    slots: int = 0
    share_refused: float = 0.0
    set_aside: Mapping[str, int] = attrs.field(factory=dict)
    requests: Mapping[str, Any] = attrs.field(factory=dict)
    reasons: Mapping[str, int] = attrs.field(factory=dict)
    rejects: Path | None = None
    review: Path | None = None
    results: Path | None = None
    journal: Path | None = None
    html: Path | None = None
    stopped: bool = False
    error: str | None = None
    error_type: str | None = None
    resume: Path | None = None
    notes: tuple[str, ...] = ()
    keys_made: bool = False
    absent: AbsentCounts | None = None
    dry_run: bool = False
    patients_checked: bool | None = None
    refused_lines: tuple[tuple[int, str], ...] = ()
    export: ExportReport | None = None
    resource: str | None = None
    origin: RunOrigin | None = None

    @property
    def complete(self) -> bool:
        """Whether every row so far is done once, as it was sent."""
        there = self.done + self.updated + self.unchanged
        return there == self.rows and not self.altered and not self.doubled and not self.unswept

    @property
    def outcome(self) -> Literal["complete", "rejected", "incomplete"]:
        """The outcome, by which a scheduler decides.

        ``complete``: every row is done, once and as it was sent, by this run or an earlier one. ``incomplete``: it was
        stopped, or rows are unknown or doubled: run it again. ``rejected``: it came to its end, but rows are refused,
        altered or in conflict: a person must look at the reject and review files.
        """
        absent = self.absent is not None and not self.absent.ended
        if (
            absent
            or self.stopped
            or self.error is not None
            or self.unknown
            or self.doubled
            or self.unsent
            or self.unswept
        ):
            return "incomplete"
        return "complete" if self.complete else "rejected"

    def raise_for_outcome(self) -> FileReport:
        """Return the report where the outcome is ``complete``.

        Raises:
            FileError: it is not; its attribute ``report`` has this report.
        """
        if self.outcome == "complete":
            return self
        refused = self.rejected + self.failed + self.conflict + self.altered
        done = f"{whole(self.done)} {self.kind.done}" + (f", {whole(self.unchanged)} unchanged" * bool(self.unchanged))
        counts = f"of {whole(self.rows)} rows {done}, {whole(refused)} refused or altered"
        why = f"; {self.error}" if self.error is not None else ""
        raise FileError(f"{self.title}: {self.outcome}: {counts}, {whole(self.unknown)} unknown{why}", report=self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values for JSON; paths as text."""
        run = {"run": None if self.origin is None else self.origin.to_dict()}
        ends = {"error": self.error, "resume": None if self.resume is None else str(self.resume)}
        if self.dry_run:
            return {
                **run,
                "dry_run": True,
                "rows": self.rows,
                "good": self.done,
                "bad": self.rows - self.done,
                "blank": self.blank,
                "reasons": dict(self.reasons),
                "lines": [{"line": line, "reason": reason} for line, reason in self.refused_lines],
                "patients_checked": self.patients_checked,
                "lookups_expected": self._expected(),
                "files": {} if self.rejects is None else {"rejects": str(self.rejects)},
                "notes": list(self.notes),
                "error": self.error,
                "outcome": self.outcome,
            }
        if self.export is not None:
            figures = attrs.asdict(self.export)
            is_whole = self.outcome == "complete"
            what = {"resource": self.resource, "file": self.file, "complete": is_whole, "outcome": self.outcome}
            return {**run, "cdt": self.cdt, **what, **figures, **self.requests, **ends}
        return {
            **run,
            "cdt": self.cdt,
            "file_sha256": self.file_sha256,
            "outcome": self.outcome,
            "rows": self.rows,
            "blank": self.blank,
            "updated": self.updated,
            self.kind.done: self.done,
            **{name: getattr(self, name) for name in _COUNTS},
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second, 1),
            **self.requests,
            "lookups": self.lookups,
            "existing": self.existing or None,
            "patients_listed": self.groups_listed,
            "lookups_expected": self._expected(),
            "paused_seconds": round(self.paused_seconds, 3),
            "pace": None if self.pace is None else round(self.pace, 1),
            "slots": self.slots,
            "share_refused": round(self.share_refused, 4),
            "set_aside": dict(self.set_aside),
            "reasons": dict(self.reasons),
            "files": {name: str(path) for name in _PATHS if (path := getattr(self, name)) is not None},
            **({} if self.absent is None else {"absent": self.absent.to_dict()}),
            "notes": list(self.notes),
            **ends,
        }

    def _expected(self) -> dict[str, Any] | None:
        return None if self.lookup_cost is None else attrs.asdict(self.lookup_cost)

    def __str__(self) -> str:
        """Return the summary for people."""
        if self.export is not None:
            return self._export_text(self.export)
        if self.dry_run:
            return self._dry_text()
        text = f"{self.title}: {self.file}{self._begun()}\n\n{aligned([*self._row_lines(), *self._request_lines()])}"
        common = list(self.reasons.items())[:_MOST_REASONS]
        if common:
            text += f"\n\nnot {self.kind.done} because\n" + _counted(common)
            rest = sum(self.reasons.values()) - sum(count for _, count in common)
            if rest:
                text += f"\n{whole(rest):>8}  for other reasons"
        text += "" if self.absent is None else f"\n\n{self.absent}"
        return text + (f"\n\n{_KEYS_MADE}" if self.keys_made and self.done else "")

    def to_html(self, series: TimeSeries) -> str:
        """Return the summary as a page: reasons and counts, and nothing of any row, not even the file's name.

        Args:
            series: How the run went over time.
        """
        request = self.kind.request
        causes, others = (
            [(name, whole(count), "") for name, count in self.requests[key].items()]
            for key in ("not_answered_for_good", "others_not_answered_for_good")
        )
        tables = {
            "Run": [] if self.origin is None else self.origin.lines(),
            "Rows": self._row_lines(remarks=False),
            "Requests": self._request_lines(),
            f"{request.capitalize()}s not answered for good": causes,
            "Other requests not answered for good": others,
            f"Rows not {self.kind.done} because": [
                (reason, whole(count), "") for reason, count in list(self.reasons.items())[:_MOST_REASONS]
            ],
        }
        about = f"File {self.file_sha256[:16]}" if self.file_sha256 else self.several
        return page(self.title, about, tables, series.finished(), request)

    def _begun(self) -> str:
        """Return the line below the title."""
        return "" if self.origin is None else f"\n{self.origin}"

    def _row_lines(self, *, remarks: bool = True) -> _Lines:
        done = self.kind.done
        rejects = f"see {self.rejects}" if self.rejects is not None and remarks else ""
        review = f"look into {self.review}" if self.review is not None and remarks else ""
        lines = [
            ("rows", whole(self.rows), f"{whole(self.earlier)} done by earlier runs" if self.earlier else ""),
            (done, whole(self.done), f"{whole(self.adopted)} found on the server" if self.adopted else ""),
        ]
        named = (
            ("updated", self.updated, "", "there before, with other fields"),
            ("unchanged", self.unchanged, "", "there before, with the same fields"),
            ("gone", self.gone, review, "created by an earlier run, and deleted since"),
            ("altered", self.altered, review, f"{done}, but the server dropped or changed a field"),
            ("doubled", self.doubled, review, f"{done}, and there more than once"),
            ("rejected", self.rejected, rejects, ""),
            ("failed", self.failed, rejects, ""),
            ("unknown", self.unknown, review, self.kind.unsure),
            ("blank", self.blank, "", "left out"),
            ("conflict", self.conflict, review, "its key is there with something else"),
            ("not sent", self.unsent, "", "the next run sends them"),
            ("not looked at", self.unswept, "", self.kind.unseen),
        )
        always = ("rejected", "failed", "unknown")
        for label, count, file, what in named:
            if count or label in always:
                remark = "; ".join(part for part in (what, file) if part) if count else ""
                lines.append((label, whole(count), remark))
        return lines

    def _request_lines(self) -> _Lines:
        counts, request = self.requests, self.kind.request
        sent = f"{whole(counts[f'{request}s'])} {request}s, {whole(self.lookups)} look-ups"
        if self.existing == "trust":
            sent += "; existing trusted: no row was looked for first"
        elif self.groups_listed:
            sent += f", {whole(self.groups_listed)} patients listed before their first row"
        causes = list(counts["not_answered_for_good"].items())[:5]
        retried = ", ".join(f"{whole(count)} {cause.replace(', ', ' (')})" for cause, count in causes)
        paused = f"{self.paused_seconds:,.1f} of them waiting for the server" if self.paused_seconds else ""
        pace = f"paced at {self.pace:,.0f} a second at the end" if self.pace is not None else ""
        aside = sum(self.set_aside.values())
        why = ", ".join(f"{whole(count)} for {reason}" for reason, count in self.set_aside.items())
        refused = [("refused", f"{100 * self.share_refused:.1f} %", pace)] if self.share_refused else []
        refused += [("set aside", whole(aside), why)] if aside else []
        latencies = [
            (f"latency {name}", f"{value * 1000:,.1f} ms", "")
            for name, value in counts["latency_seconds"].items()
            if name != "most" and value is not None
        ]
        return [
            ("requests", whole(counts["requests"]), sent),
            ("retried", whole(self.retried), retried),
            ("throttled", whole(counts["throttled"]), ""),
            ("429s", whole(counts["429s"]), ""),
            *refused,
            ("token requests", whole(counts["token_requests"]), ""),
            ("seconds", f"{self.seconds:,.2f}", paused),
            ("rows per second", whole(round(self.rows_per_second)), ""),
            *latencies,
            ("sent", size(counts["bytes_sent"]), ""),
            ("received", size(counts["bytes_received"]), ""),
        ]

    def _dry_text(self) -> str:
        wrong, shown = self.rows - self.done, self.refused_lines
        rejects = "" if self.rejects is None else f"see {self.rejects}"
        lines = [("rows", whole(self.rows), ""), ("good", whole(self.done), ""), ("bad", whole(wrong), rejects)]
        if self.blank:
            lines.append(("blank", whole(self.blank), "left out"))
        unasked = "; patients were not looked up" if self.patients_checked is False else ""
        text = f"{self.title}: {self.file}: checked, nothing was sent{unasked}{self._begun()}\n\n{aligned(lines)}"
        if shown:
            text += "\n\n" + "\n".join(f"line {line}: {reason}" for line, reason in shown)
        if self.lookup_cost is not None:
            text += f"\n\n{self.lookup_cost}"
        if wrong > len(shown):
            text += "\n\nof all\n" + _counted(list(self.reasons.items())[:_MOST_DRY_REASONS])
        return text

    def _export_text(self, export: ExportReport) -> str:
        is_whole, counts = self.outcome == "complete", self.requests
        lines = [("records", whole(self.rows), "" if is_whole else "so far: the file appears when it is whole")]
        if export.pages:
            lines += [
                ("pages", whole(export.pages), "those of earlier runs included" if export.resumed else ""),
                ("bytes", size(export.bytes), ""),
                ("seconds", f"{export.seconds:,.2f}", ""),
            ]
        lines += [(name, whole(counts[name]), "") for name in ("requests", "throttled", "429s")]
        return f"{self.title}{self._begun()}\n\n{aligned(lines)}"


def _counted(reasons: list[tuple[str, int]]) -> str:
    return "\n".join(f"{whole(count):>8}  {reason}" for reason, count in reasons)
