"""What commands do with each row, in the words of their summaries."""

from __future__ import annotations

from typing import NamedTuple

from welkin_async.bulk import Status

__all__ = ["CHANGE_RECORDS", "CREATE_PATIENTS", "CREATE_RECORDS", "DELETE_RECORDS", "DONE", "READ_RECORDS", "Deed"]

DONE = frozenset({Status.CREATED.value, Status.UPDATED.value, Status.DELETED.value})
"""The statuses of rows that are done."""


class Deed(NamedTuple):
    """What is done.

    Attributes:
        done: What a row is when it is done, one of `DONE` where rows are carried out.
        request: What a request for it is called.
        operations: The operations that such requests are of.
        unsure: What is to be said of rows of which nobody knows whether they are done.
    """

    done: str
    request: str
    operations: frozenset[str]
    unsure: str = "may be on the server"


CREATE_RECORDS = Deed("created", "create", frozenset({"cdts.create"}))
CREATE_PATIENTS = Deed("created", "create", frozenset({"patients.create"}))
CHANGE_RECORDS = Deed(
    "updated", "update", frozenset({"cdts.update", "cdts.bulk_update"}), "may be updated; the next run sends them again"
)
DELETE_RECORDS = Deed("deleted", "delete", frozenset({"cdts.delete"}), "may be deleted; the next run sends them again")
READ_RECORDS = Deed("read", "read", frozenset({"exports.list", "cdts.list"}))
