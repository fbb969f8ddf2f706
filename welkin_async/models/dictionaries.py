"""Dictionaries and their records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.record import Record, record, wire

__all__ = ["Dictionary", "DictionaryRecord"]


@record
class DictionaryRecord(Record):
    """A record of a dictionary.

    Attributes:
        id: ``id``.
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        full_value: ``fullValue``.
        deleted: ``deleted``.
        values: ``values``; object {field: value}.
    """

    id: str | None = wire("id")
    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    full_value: str | None = wire("fullValue")
    deleted: bool | None = wire("deleted")
    values: Mapping[str, Any] | None = wire("values")


@record
class Dictionary(Record):
    """A dictionary with its records.

    Attributes:
        dictionary_name: ``dictionaryName``.
        last_updated_at: ``lastUpdatedAt``.
        records: ``records``.
    """

    dictionary_name: str | None = wire("dictionaryName")
    last_updated_at: datetime | None = wire("lastUpdatedAt")
    records: tuple[DictionaryRecord, ...] | None = wire("records")
