"""Findings file: what a comparison has found, a JSON object a line, and how far it is.

Beside it stands a ``.resume`` file until the comparison is at its end: however that was ended before, the same
comparison goes on behind the last row that both agree on.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import anyio.to_thread

from welkin_async.files.errors import FileError
from welkin_async.http.private_file import replacing

_LINES = 512  # that are written at once
_ROWS = 2000  # between two notes of how far it is


class FindingsFile:
    """Findings file.

    Args:
        path: The file; None for none.
        identity: What is compared, and how.

    Attributes:
        counts: What an earlier comparison that was ended had counted; empty where there was none.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self._path = path
        self._mark = None if path is None else path.with_name(f"{path.name}.resume")
        self._identity = identity
        self._lines: list[str] = []
        self._file: BinaryIO | None = None
        self._noted = 0
        self.counts: Mapping[str, int] = {}

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Have the file open: a new one, or that of an earlier comparison.

        Raises:
            FileError: it is there and of no earlier comparison, or of another one, or cannot be written.
        """
        if self._path is None or self._mark is None:
            yield
            return
        try:
            if self._mark.exists():
                size = self._recall(self._mark)
                descriptor = os.open(self._path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
                os.ftruncate(descriptor, size)
                os.lseek(descriptor, size, os.SEEK_SET)
            else:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise FileError(f"{self._path} exists: move it, or name another") from None
        except OSError as error:
            raise FileError(f"{self._path} cannot be written: {error.strerror}") from None
        with open(descriptor, "wb") as self._file:
            if not self.counts:  # whatever ends it from now on, the same comparison goes on
                self.note({"rows": 0})
            yield

    def _recall(self, mark: Path) -> int:
        """Read how far an earlier comparison was, and return how long its file was then."""
        try:
            told = json.loads(mark.read_text(encoding="utf-8"))
            if told["identity"] == self._identity:
                self.counts = {str(name): int(count) for name, count in told["counts"].items()}
                self._noted = self.counts["rows"]
                return int(told["size"])
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        raise FileError(f"{mark} is of another comparison: move it and {self._path}, or name another") from None

    async def tell(self, told: Mapping[str, Any]) -> None:
        """Write a finding down, if that is asked for.

        Args:
            told: The finding.

        Raises:
            FileError: it cannot be written.
        """
        if self._file is not None:
            self._lines.append(json.dumps(told, ensure_ascii=False))
            if len(self._lines) >= _LINES:
                await anyio.to_thread.run_sync(self.flush)

    async def reached(self, counts: Mapping[str, int]) -> None:
        """Note how far the comparison is, now and then.

        Args:
            counts: Its counts; ``rows`` says how far it is.

        Raises:
            FileError: it cannot be written.
        """
        if self._file is not None and counts["rows"] >= self._noted + _ROWS:
            await anyio.to_thread.run_sync(self.note, {**counts})

    def note(self, counts: Mapping[str, int]) -> None:
        """Note how far the comparison is; blocks.

        Args:
            counts: Its counts.

        Raises:
            FileError: it cannot be written.
        """
        if self._file is None or self._mark is None:
            return
        self.flush()
        self._noted = counts["rows"]
        told = {"identity": self._identity, "size": self._file.tell(), "counts": counts}
        try:
            with replacing(self._mark, "w", encoding="utf-8") as mark:
                json.dump(told, mark)
        except OSError as error:
            raise FileError(f"{self._mark} cannot be written: {error.strerror}") from None

    def flush(self) -> None:
        """Write what was found; blocks.

        Raises:
            FileError: it cannot be written.
        """
        if self._file is not None and self._lines:
            try:
                self._file.write(("\n".join(self._lines) + "\n").encode())
                self._file.flush()
            except (OSError, UnicodeError) as error:
                raise FileError(f"{self._path} cannot be written: {type(error).__name__}") from None
            self._lines.clear()

    def end(self) -> None:
        """Note that the comparison is at its end; blocks."""
        if self._mark is not None:
            self._mark.unlink(missing_ok=True)
