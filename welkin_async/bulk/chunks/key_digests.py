"""Key digests: which keys of which patients a chunk has sent, small enough for a ledger, and without the keys."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping

_SIZE = 8  # bytes: among the thousands of records of a patient two keys never share them


def digest(key: str) -> bytes:
    """Return the digest of a key.

    Args:
        key: As a record carries it, in the form in which keys are compared.
    """
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_SIZE).digest()


class KeyDigests:
    """Key digests of a chunk, by patient."""

    def __init__(self) -> None:
        self._of: dict[str, bytearray] = {}

    def add(self, patient: str, key: str) -> None:
        """Add a key.

        Args:
            patient: Whose record carries it.
            key: The key, in the form in which keys are compared.
        """
        self._of.setdefault(patient, bytearray()).extend(digest(key))

    def pack(self) -> str:
        """Return all of them as text."""
        text = json.dumps({patient: base64.b85encode(held).decode() for patient, held in self._of.items()})
        return base64.b85encode(zlib.compress(text.encode())).decode()


def unpack(packed: str) -> Mapping[str, frozenset[bytes]]:
    """Return the digests by patient.

    Args:
        packed: What `KeyDigests.pack` returned.
    """
    held: dict[str, str] = json.loads(zlib.decompress(base64.b85decode(packed)))
    return {patient: _parted(base64.b85decode(text)) for patient, text in held.items()}


def _parted(held: bytes) -> frozenset[bytes]:
    return frozenset(held[start : start + _SIZE] for start in range(0, len(held), _SIZE))
