"""Record digests: what a record holds, so that rows can be compared with it without its values being kept. Pure.

Each form of each field's value (see `validation.canonical`) is digested under a key that is drawn for the run and kept
nowhere, so that nothing can be read from the digests, and none can be tried out by who finds them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from welkin_async.validation.canonical import Forms

_SIZE = 8  # bytes of a digest: of 2^40 comparisons none is expected to go wrong
_REMEMBERED = 1024  # places
_PLACE = 12  # bytes by which a group or a key is known

_FormsOf = Callable[[str, Any], Forms]


class RecordDigests:
    """Record digests: digests what is kept, and compares rows with it.

    Args:
        forms: Returns the canonical forms of a field's value.
        secret: The key of the digests; drawn at random by default.
    """

    def __init__(self, forms: _FormsOf, secret: bytes | None = None) -> None:
        self._forms = forms
        self._secret = os.urandom(32) if secret is None else secret
        self._keyed = blake2b(digest_size=_PLACE, key=self._secret)
        self._places: dict[str, bytes] = {}  # of late: a group's is asked for before and after it is listed

    def place(self, name: str) -> bytes:
        """Return by what a group or a key is known."""
        place = self._places.get(name)
        if place is None:
            digest = self._keyed.copy()
            digest.update(name.encode("utf-8", "surrogatepass"))
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            place = self._places[name] = digest.digest()
        return place

    def of_record(self, held: Mapping[str, Any]) -> bytes:
        """Digest what a record holds.

        Args:
            held: Plain JSON values by field.
        """
        digests: list[bytes] = []
        for field, value in held.items():
            forms = self._forms(field, value)
            if forms:
                digests.append(self._digest(field, ""))
                digests += (self._digest(field, form) for slot in forms for form in slot)
        return b"".join(digests)

    def differing(self, asked: Mapping[str, Any], kept: bytes) -> tuple[str, ...]:
        """Name the fields of a row that a record does not hold.

        Args:
            asked: What the row asks for, as plain JSON values by field; an empty one asks for no value.
            kept: What `of_record` has returned.
        """
        there = {kept[at : at + _SIZE] for at in range(0, len(kept), _SIZE)}
        return tuple(field for field, value in asked.items() if not self._is_there(field, value, there))

    def _is_there(self, field: str, value: Any, there: set[bytes]) -> bool:
        forms = self._forms(field, value)
        if not forms:
            return self._digest(field, "") not in there
        return all(any(self._digest(field, form) in there for form in slot) for slot in forms)

    def _digest(self, field: str, form: str) -> bytes:
        text = f"{field}\0{form}".encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=_SIZE, key=self._secret).digest()
