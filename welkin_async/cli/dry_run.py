"""``welkin-async import --dry-run``: the whole file is checked, and nothing is sent."""

from __future__ import annotations

import json

from welkin_async.cli.feed import Feed
from welkin_async.cli.opening import open_file, prepare
from welkin_async.cli.options import ImportOptions
from welkin_async.cli.patients import PatientLookup
from welkin_async.cli.progress import progress_shown
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import aligned, whole
from welkin_async.session import Welkin

__all__ = ["dry_run"]

_MOST_LINES = 50
_MOST_REASONS = 20


async def dry_run(welkin: Welkin, options: ImportOptions) -> int:
    """Check columns, conversions, the CDT's definition and, where that is asked for, the patients.

    Args:
        welkin: A session that is not open yet.
        options: What would be imported.

    Returns:
        The exit code: 0 where every row could be sent, else 1.

    Raises:
        CommandError: an option does not fit the file or the CDT.
        WelkinError: the CDT's definition could not be read.
    """
    opened = await open_file(options)
    tally = Tally(total=opened.source.total)
    bad: list[tuple[int, str]] = []
    try:
        async with welkin:
            preparing = await prepare(welkin, options, opened)
            kind = options.patient_type if options.check_patients else "ID"
            patients = PatientLookup(welkin, kind, ids_too=options.check_patients)
            async with progress_shown(tally):
                async for row in Feed(options.file, opened.source, preparing, patients).rows():
                    if row.refused is None:
                        tally.created += 1
                        continue
                    tally.count(str(row.refused.status))
                    tally.because(row.refused.reason)
                    if len(bad) < _MOST_LINES:
                        bad.append((row.source.line, row.refused.reason))
    finally:
        opened.source.close()
    print(_as_json(tally, bad) if options.json else _text(tally, bad, options))  # noqa: T201 - its purpose
    return 0 if tally.created == tally.rows else 1


def _as_json(tally: Tally, bad: list[tuple[int, str]]) -> str:
    values = {
        "dry_run": True,
        "rows": tally.rows,
        "good": tally.created,
        "bad": tally.rows - tally.created,
        "reasons": dict(tally.reasons.most_common()),
        "lines": [{"line": line, "reason": reason} for line, reason in bad],
    }
    return json.dumps(values, indent=2)


def _text(tally: Tally, bad: list[tuple[int, str]], options: ImportOptions) -> str:
    wrong = tally.rows - tally.created
    lines = [("rows", whole(tally.rows), ""), ("good", whole(tally.created), ""), ("bad", whole(wrong), "")]
    text = f"{options.file.name} into {options.cdt}: checked, nothing was sent\n\n{aligned(lines)}"
    if bad:
        text += "\n\n" + "\n".join(f"line {line}: {reason}" for line, reason in bad)
    if wrong > len(bad):
        text += "\n\nof all\n" + "\n".join(
            f"{whole(count):>8}  {reason}" for reason, count in tally.reasons.most_common(_MOST_REASONS)
        )
    return text
