"""What a run ends with: for people, for machines, and as a page."""

from __future__ import annotations

import json
from typing import Any

import attrs

from welkin_async.cli.meter import Meter
from welkin_async.cli.picture import page
from welkin_async.cli.row_files import RowFiles
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import aligned, size, whole

__all__ = ["Summary"]

_MOST_REASONS = 8

_Lines = list[tuple[str, str, str]]


@attrs.frozen
class Summary:
    """Says what became of the rows, where those are that were not done, why, and how it went.

    Attributes:
        title: What was done, and to what.
        file: The name of the file.
        cdt: The CDT, None where there is none.
        digest: SHA-256 of the file.
        tally: The counts of rows.
        meter: The counts of requests.
        files: The files of rows; None where none were written.
        paused: Seconds for which the run waited for a server that was down.
        lookups: How many listings were made to look for rows.
    """

    title: str
    file: str
    cdt: str | None
    digest: str
    tally: Tally
    meter: Meter
    files: RowFiles | None
    paused: float = 0.0
    lookups: int = 0

    def text(self) -> str:
        """Return the summary for people."""
        text = f"{self.title}: {self.file}\n\n{aligned([*self._rows(), *self._way()])}"
        reasons = self.tally.reasons
        common = reasons.most_common(_MOST_REASONS)
        if common:
            text += f"\n\nnot {self.tally.deed.done} because\n"
            text += "\n".join(f"{whole(count):>8}  {reason}" for reason, count in common)
            rest = reasons.total() - sum(count for _, count in common)
            if rest:
                text += f"\n{whole(rest):>8}  for other reasons"
        return text

    def json(self, **more: Any) -> str:
        """Return the summary for machines.

        Args:
            more: What else belongs there.
        """
        files = self.files
        paths = {} if files is None else {"rejects": files.rejects, "review": files.review, "results": files.results}
        values = {
            "cdt": self.cdt,
            "file_sha256": self.digest,
            **self.tally.as_json(),
            **self.meter.as_json(),
            "lookups": self.lookups,
            "paused_seconds": round(self.paused, 3),
            "reasons": dict(self.tally.reasons.most_common()),
            "files": {name: str(file.path) for name, file in paths.items() if file is not None and file.rows},
            **more,
        }
        return json.dumps(values, indent=2)

    def html(self) -> str:
        """Return the summary as a page; reasons and counts, and nothing of any row, not even the file's name."""
        reasons = [(reason, whole(count), "") for reason, count in self.tally.reasons.most_common(_MOST_REASONS)]
        counts, request = self.meter.as_json(), self.meter.deed.request
        causes, others = (
            [(name, whole(count), "") for name, count in counts[key].items()]
            for key in ("not_answered_for_good", "others_not_answered_for_good")
        )
        tables = {
            "Rows": self._rows(remarks=False),
            "Requests": self._way(),
            f"{request.capitalize()}s not answered for good": causes,
            "Other requests not answered for good": others,
            f"Rows not {self.tally.deed.done} because": reasons,
        }
        return page(self.title, f"File {self.digest[:16]}", tables, self.meter.samples.finished(), request)

    def _rows(self, *, remarks: bool = True) -> _Lines:
        tally, files = self.tally, self.files
        done = tally.deed.done
        rejects = f"see {files.rejects.path}" if files is not None and remarks else ""
        review = f"look into {files.review.path}" if files is not None and remarks else ""
        lines = [
            ("rows", whole(tally.rows), f"{whole(tally.earlier)} done by earlier runs" if tally.earlier else ""),
            (done, whole(tally.done), f"{whole(tally.adopted)} found on the server" if tally.adopted else ""),
        ]
        named = (
            ("altered", tally.altered, review, f"{done}, but the server dropped or changed a field"),
            ("doubled", tally.doubled, review, f"{done}, and there more than once"),
            ("rejected", tally.rejected, rejects, ""),
            ("failed", tally.failed, rejects, ""),
            ("unknown", tally.unknown, review, tally.deed.unsure),
            ("conflict", tally.conflict, review, "its key is there with something else"),
            ("not sent", tally.unsent, "", "the next run sends them"),
            ("not looked at", tally.unswept, "", "they may be there twice; the next run looks"),
        )
        always = ("rejected", "failed", "unknown")
        for label, count, file, what in named:
            if count or label in always:
                remark = "; ".join(part for part in (what, file) if part) if count else ""
                lines.append((label, whole(count), remark))
        return lines

    def _way(self) -> _Lines:
        tally, meter = self.tally, self.meter
        seconds = tally.seconds
        sent = f"{whole(meter.deeds)} {meter.deed.request}s"
        found = [
            ("requests", whole(meter.requests), f"{sent}, {whole(self.lookups)} look-ups"),
            ("retried", whole(tally.retried), ", ".join(f"{whole(n)} {_short(*c)}" for c, n in self._causes())),
            ("throttled", whole(meter.throttled), ""),
            ("429s", whole(meter.too_many), ""),
            ("token requests", whole(meter.tokens), ""),
            ("seconds", f"{seconds:,.2f}", f"{self.paused:,.1f} of them waiting for the server" if self.paused else ""),
            ("rows per second", whole(round(tally.rate)), ""),
        ]
        quantiles = [
            (name, meter.latency.percentile(share)) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        ]
        found += [(f"latency {name}", f"{value * 1000:,.1f} ms", "") for name, value in quantiles if value is not None]
        return [*found, ("sent", size(meter.sent), ""), ("received", size(meter.received), "")]

    def _causes(self) -> list[tuple[tuple[str, int | None], int]]:
        return self.meter.causes.most_common(5)


def _short(verdict: str, status: int | None) -> str:
    return f"{verdict} ({status if status is not None else 'no answer'})"
