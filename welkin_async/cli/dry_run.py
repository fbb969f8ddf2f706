"""``--dry-run``: the whole file is checked, and nothing is sent."""

from __future__ import annotations

import json

from welkin_async.cli.feed import Feed
from welkin_async.cli.jobs import Job
from welkin_async.cli.opening import open_file
from welkin_async.cli.progress import progress_shown
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import aligned, whole
from welkin_async.session import Welkin

__all__ = ["dry_run"]

_MOST_LINES = 50
_MOST_REASONS = 20


async def dry_run(welkin: Welkin, job: Job) -> int:
    """Check columns, conversions, the CDT's definition and, where that is asked for, the patients.

    Args:
        welkin: A session that is not open yet.
        job: What would be done.

    Returns:
        The exit code: 0 where every row could be sent, else 1.

    Raises:
        CommandError: an option does not fit the file or the CDT.
        WelkinError: the CDT's definition could not be read.
    """
    options = job.options
    opened = await open_file(options)
    tally = Tally(job.deed, total=opened.source.total)
    bad: list[tuple[int, str]] = []
    try:
        async with welkin:
            preparing = await job.prepare(welkin, opened)
            patients = job.patients(welkin, ids_too=True) if options.check_patients else None
            async with progress_shown(tally):
                async for row in Feed(job, opened.source, preparing, patients).rows():
                    if row.refused is None:
                        tally.done += 1
                        continue
                    tally.count(str(row.refused.status))
                    tally.because(row.refused.reason)
                    if len(bad) < _MOST_LINES:
                        bad.append((row.source.line, row.refused.reason))
    finally:
        opened.source.close()
    print(_as_json(tally, bad) if options.json else _text(tally, bad, job))  # noqa: T201 - its purpose
    return 0 if tally.done == tally.rows else 1


def _as_json(tally: Tally, bad: list[tuple[int, str]]) -> str:
    values = {
        "dry_run": True,
        "rows": tally.rows,
        "good": tally.done,
        "bad": tally.rows - tally.done,
        "reasons": dict(tally.reasons.most_common()),
        "lines": [{"line": line, "reason": reason} for line, reason in bad],
    }
    return json.dumps(values, indent=2)


def _text(tally: Tally, bad: list[tuple[int, str]], job: Job) -> str:
    wrong = tally.rows - tally.done
    lines = [("rows", whole(tally.rows), ""), ("good", whole(tally.done), ""), ("bad", whole(wrong), "")]
    text = f"{job.title}: {job.options.file.name}: checked, nothing was sent\n\n{aligned(lines)}"
    if bad:
        text += "\n\n" + "\n".join(f"line {line}: {reason}" for line, reason in bad)
    if wrong > len(bad):
        text += "\n\nof all\n" + "\n".join(
            f"{whole(count):>8}  {reason}" for reason, count in tally.reasons.most_common(_MOST_REASONS)
        )
    return text
