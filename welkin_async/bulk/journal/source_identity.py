"""Source fingerprint and key claims: the content each position had, and which row claimed a key."""

from __future__ import annotations

from array import array
from collections import deque
from hashlib import blake2b
from typing import Literal, Protocol

from welkin_async.bulk.errors import JournalMismatchError

Claim = Literal["new", "same", "other"]
"""What became of a claim of a key: see `Journal.claim`."""

_Held = tuple[bytes, int]
_CHUNK = 1024  # rows whose digests are kept together
_BYTES = 4  # of each row's digest
_NONE = bytes(_BYTES)

_WORDS = 1 << 17  # of 64 bits, a filter of 1 MiB: 3 % of new keys are looked up in vain at a million keys


class _Stored(Protocol):
    run: int

    def find_claim(self, key: bytes) -> _Held | None: ...
    def find_identity(self, chunk: int) -> bytes | None: ...


class KeyClaims:
    """Each key belongs to one row. Memory holds only the claims that are on their way to the file, and a filter.

    Args:
        stored: Finds a claim in the file.
    """

    def __init__(self, stored: _Stored) -> None:
        self._find = stored.find_claim
        # A Bloom filter of the keys of this run; where earlier runs left keys, every claim looks into the file.
        self._filter = array("Q", bytes(8 * _WORDS)) if stored.run == 1 else None
        self._pending: dict[bytes, _Held] = {}
        self._written: deque[dict[bytes, _Held]] = deque()

    def holder(self, key: str) -> tuple[bytes, int] | None:
        """Return who holds a key: a hash of the row's content, and its position; None where none does."""
        return self._holder(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest())

    def claim(self, key: str, digest: bytes, position: int) -> Claim:
        """Claim a key for a row; see `Journal.claim`."""
        hashed = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        content = digest[:8]
        held = self._holder(hashed) if self._filter is None or _seen(self._filter, hashed) else None
        if held is None:
            self._pending[hashed] = (content, position)
            return "new"
        if held[1] == position >= 0:
            return "new"
        return "same" if held[0] == content else "other"

    def _holder(self, hashed: bytes) -> _Held | None:
        held = self._pending.get(hashed)
        if held is not None:
            return held
        for batch in self._written:
            if hashed in batch:
                return batch[hashed]
        return self._find(hashed)

    def take(self) -> dict[bytes, _Held]:
        """Return what is to be written now; `written` is to be called when it is."""
        batch, self._pending = self._pending, {}
        self._written.append(batch)
        return batch

    def written(self) -> None:
        """Forget the oldest batch that was taken: it is in the file."""
        self._written.popleft()


def _seen(words: array[int], hashed: bytes) -> bool:
    """Add a hash to the filter, as four bits of one word; False where it certainly was not in it."""
    number = int.from_bytes(hashed[:6], "little")
    bits = 1 << (number & 63) | 1 << (number >> 6 & 63) | 1 << (number >> 12 & 63) | 1 << (number >> 18 & 63)
    place = number >> 24 & (_WORDS - 1)
    word = words[place]
    if word & bits == bits:
        return True
    words[place] = word | bits
    return False


class SourceFingerprint:
    """Four bytes for each row, by which a source is known again row by row, each before it is sent.

    Args:
        stored: Finds the digests in the file.
    """

    def __init__(self, stored: _Stored) -> None:
        self._find = stored.find_identity
        self._chunk = -1
        self._digests = bytearray()
        self._changed: dict[int, bytearray] = {}

    def verify(self, position: int, digest: bytes) -> bool:
        """Compare a row with what its position held before; see `Journal.verify`. Return whether it is new."""
        chunk, place = divmod(position, _CHUNK)
        if chunk != self._chunk:
            if chunk < self._chunk:
                raise ValueError("positions are verified in order")
            self._digests = bytearray(self._find(chunk) or _CHUNK * _BYTES)
            self._chunk = chunk
        place *= _BYTES
        part = digest[:_BYTES]
        if part == _NONE:
            part = b"\x01" + _NONE[1:]  # zeros stand for a row that was not seen
        held = self._digests[place : place + _BYTES]
        if held == part:
            return False
        if held != _NONE:
            raise JournalMismatchError("source")
        self._digests[place : place + _BYTES] = part
        self._changed[chunk] = self._digests
        return True

    def take(self) -> dict[int, bytes]:
        """Return the chunks that changed since the last call."""
        changed = {chunk: bytes(digests) for chunk, digests in self._changed.items()}
        self._changed.clear()
        return changed
