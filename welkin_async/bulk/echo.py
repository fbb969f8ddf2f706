"""Comparing what was sent with what came back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Echo"]


class Echo:
    """Finds fields that were dropped or changed."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def lost(self, sent: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the fields that were dropped or changed."""
        return tuple(name for name, value in sent.items() if body.get(name) != value)
