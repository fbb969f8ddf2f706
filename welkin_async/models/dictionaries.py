"""Dictionaries and their records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.models.metadata import Dated
from welkin_async.wire.records import Record, record, wire


@record
class DictionaryRecord(Dated):
    """A record of a dictionary.

    Attributes:
        values: Object {field: value}.
    """

    id: str | None = wire("id")
    full_value: str | None = wire("fullValue")
    deleted: bool | None = wire("deleted")
    values: Mapping[str, Any] | None = wire("values")


@record
class Dictionary(Record):
    """A dictionary with its records."""

    dictionary_name: str | None = wire("dictionaryName")
    last_updated_at: datetime | None = wire("lastUpdatedAt")
    records: tuple[DictionaryRecord, ...] | None = wire("records")
