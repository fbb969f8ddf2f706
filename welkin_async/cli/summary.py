"""The summary an import ends with."""

from __future__ import annotations

from pathlib import Path

from welkin_async.cli.rejects import RejectFiles
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import aligned, whole

__all__ = ["summary"]

_MOST_REASONS = 8


def summary(file: Path, cdt: str, tally: Tally, files: RejectFiles) -> str:
    """Say what became of the rows, where those are that were not created, and why.

    Args:
        file: What was imported.
        cdt: Into which CDT.
        tally: The counts.
        files: The reject files.
    """
    seconds = tally.seconds
    rejects = f"see {files.rejects.path}"
    unknown = f"may be on the server, do not import again before looking: {files.unknown.path}"
    lines = [
        ("rows", whole(tally.rows), ""),
        ("created", whole(tally.created), ""),
        ("rejected", whole(tally.rejected), rejects if tally.rejected else ""),
        ("failed", whole(tally.failed), rejects if tally.failed else ""),
        ("unknown", whole(tally.unknown), unknown if tally.unknown else ""),
        ("requests", whole(tally.requests), ""),
        ("retried", whole(tally.retried), ""),
        ("seconds", f"{seconds:,.2f}", ""),
        ("rows per second", whole(round(tally.rows / seconds)) if seconds else "", ""),
    ]
    if tally.altered:
        lines.insert(2, ("altered", whole(tally.altered), "created, but the server dropped or changed a field"))
    text = f"{file.name} into {cdt}\n\n{aligned(lines)}"
    common = tally.reasons.most_common(_MOST_REASONS)
    if common:
        text += "\n\nnot created because\n" + "\n".join(f"{whole(count):>8}  {reason}" for reason, count in common)
        rest = tally.reasons.total() - sum(count for _, count in common)
        if rest:
            text += f"\n{whole(rest):>8}  for other reasons"
    return text
