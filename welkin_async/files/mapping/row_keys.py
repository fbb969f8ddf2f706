"""Row keys: the idempotency key of each row, by which its record is found on the server."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from welkin_async.bulk import Status
from welkin_async.bulk.keys.cdt_keys import EarlierKey, file_key
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.errors import InvalidInputError
from welkin_async.files.mapping.columns import Column
from welkin_async.files.readers.row import RowError, SourceRow
from welkin_async.validation.conversion import ConversionError
from welkin_async.wire.codec import JSON

_NO_KEY = RowError(Status.REJECTED, "the key is missing")
_NO_RECORD = RowError(Status.REJECTED, "the record is missing")


@attrs.frozen
class RowKeys:
    """Row keys of creates; the same file imported into the same place has the same ones.

    A row that carries the key field itself is known by that, a row of a reject file by the key it had before, and any
    other by the column that was named, or by its place in the file.

    Args:
        field: The field that carries the key; None for no keys.
        target: Where records are created, by whatever address.
        former_target: What earlier versions took for that, with the address in it.
        digest: SHA-256 of the file.
        column: The column that holds keys, or None.
        earlier: What the file was while it was shorter: up to which row, and its SHA-256; the oldest first.
    """

    field: str | None
    target: str
    former_target: str
    digest: str
    column: Column | None = None
    earlier: tuple[tuple[int, str], ...] = ()

    def key_of(self, row: SourceRow, fields: Mapping[str, JSON], /) -> str | RowError | None:
        """Return a row's key, None where there are none, or what is wrong with it.

        Args:
            row: The row.
            fields: What is to be sent; empty where nothing can be.
        """
        if self.field is None:
            return None
        own = fields.get(self.field)
        if row.key:
            return EarlierKey(row.key if own is None else own)
        if own is not None:
            return str(own)
        if self.column is not None:
            return _text(self.column, row) or _NO_KEY
        digest = next((digest for stop, digest in self.earlier if row.position < stop), self.digest)
        return file_key(self.target, digest, row.position, self.former_target)


@attrs.frozen
class RecordIds:
    """Row keys of changes and deletions: the ids of their records.

    Args:
        column: The column that holds them.
    """

    column: Column

    def key_of(self, row: SourceRow, fields: Mapping[str, JSON], /) -> str | RowError:
        """Return the record's id, or what is wrong with it; see `RowKeys`."""
        return _text(self.column, row) or _NO_RECORD


def _text(column: Column, row: SourceRow) -> str | RowError:
    try:
        return column.text(row)
    except ConversionError as error:
        return RowError(Status.REJECTED, str(error))


def sent_key(keys: Keys, key: str | None, fields: Mapping[str, JSON]) -> str | None:
    """Return what a row's record carries for a key; None where the row can have none, and fails by itself.

    Args:
        keys: Of the job.
        key: The row's key.
        fields: What is to be sent.
    """
    try:
        return keys.assign(key, {**fields})
    except (InvalidInputError, UnicodeError):
        return None
