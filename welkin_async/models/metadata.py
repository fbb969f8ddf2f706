"""Metadata that most records carry: when they were created and changed, and by whom."""

from __future__ import annotations

from datetime import datetime

from welkin_async.wire.records import Record, record, wire


@record
class Dated(Record):
    """A record with the times at which it was created and changed."""

    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")


@record
class Authored(Dated):
    """A dated record with the names of those who created and changed it."""

    created_by_name: str | None = wire("createdByName")
    updated_by_name: str | None = wire("updatedByName")


@record
class AuthoredById(Authored):
    """An authored record with the ids of those who created and changed it as well."""

    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
