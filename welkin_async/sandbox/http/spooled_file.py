"""Spooled file: bytes too many for memory go to a temporary file, and are read back in pieces."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator

_IN_MEMORY = 256 * 1024
_PIECE = 256 * 1024


class SpooledFile:
    """Spooled file: in memory while small, beyond that in an unnamed temporary file that goes with the object.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with the object
        weakref.finalize(self, self._file.close)
        self.size = 0

    def __repr__(self) -> str:
        return f"<SpooledFile of {self.size} bytes>"

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Args:
            data: What to add.
        """
        self._file.seek(self.size)
        self.size += self._file.write(data)

    def pieces(self, end: int | None = None) -> Iterator[bytes]:
        """The content in pieces; several readers may go through it at the same time.

        Args:
            end: Bytes after which to stop; None reads everything.
        """
        position, end = 0, self.size if end is None else min(end, self.size)
        while position < end:
            self._file.seek(position)
            piece = self._file.read(min(_PIECE, end - position))
            if not piece:
                return
            position += len(piece)
            yield piece

    def read(self) -> bytes:
        """Everything at once, for what is known to be small."""
        return b"".join(self.pieces())
