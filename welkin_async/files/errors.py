"""Errors of file runs: an input that cannot be worked through, and a report raised as one."""

from __future__ import annotations

from typing import Any

from welkin_async.errors import WelkinError, printable


class FileError(WelkinError):
    """An input that cannot be worked through, or a report that was raised for its outcome.

    Raised where a file, an option or the two together do not fit, and by `FileReport.raise_for_outcome`. Unless it
    carries a report nothing was sent, and the same call may be made again once the problems are mended. The
    text names columns, fields and paths, and quotes no value of a row.

    Args:
        problems: What is wrong, a sentence for each.
        report: The report of a run that did not complete; None where it never began.

    Attributes:
        problems: What is wrong.
        report: The report, or None.
    """

    def __init__(self, *problems: str, report: Any = None) -> None:
        self.problems = problems
        self.report = report
        super().__init__(printable("; ".join(problems)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _file_error, (self.problems, self.report)


def _file_error(problems: tuple[str, ...], report: Any) -> FileError:
    return FileError(*problems, report=report)
