"""Key claims: a new key is hardly ever looked up in the file, and one that was claimed is always known."""

from __future__ import annotations

from welkin_async.bulk.journal.source_identity import KeyClaims


class Stored:
    """A journal's first run, whose file holds what was written."""

    run = 1

    def __init__(self) -> None:
        self.held: dict[bytes, tuple[bytes, int]] = {}
        self.looked_up = 0

    def find_claim(self, key: bytes) -> tuple[bytes, int] | None:
        self.looked_up += 1
        return self.held.get(key)

    def find_identity(self, chunk: int) -> bytes | None:
        return None


def test_new_keys_are_hardly_looked_up_and_claimed_ones_are_known() -> None:
    stored = Stored()
    claims = KeyClaims(stored)
    for number in range(50_000):
        assert claims.claim(f"key {number}", b"content.", number) == "new"
        if number % 1000 == 999:
            stored.held |= claims.take()
            claims.written()
    assert stored.looked_up < 50
    for number in range(0, 50_000, 7):
        assert claims.claim(f"key {number}", b"content.", -1) == "same"
        assert claims.claim(f"key {number}", b"other...", number + 1) == "other"
        assert claims.claim(f"key {number}", b"other...", number) == "new"  # the row itself, once more
