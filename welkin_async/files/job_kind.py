"""Job kinds: what is done with each row of a file, in the words of its report."""

from __future__ import annotations

from typing import NamedTuple

from welkin_async.bulk import Status

DONE = frozenset({Status.CREATED.value, Status.UPDATED.value, Status.DELETED.value, Status.UNCHANGED.value})
"""The statuses of rows of which nothing is left to be done."""


class JobKind(NamedTuple):
    """A kind of job.

    Attributes:
        done: The status of a row that is done, one of `DONE` where rows are carried out.
        request: What a request for it is called.
        operations: The API operations that such requests are of.
        unsure: What a report says of rows whose outcome is unknown.
        missing: What is not there where the server answers such a request with 404.
        unseen: What a report says of rows that were not looked at in the end.
    """

    done: str
    request: str
    operations: frozenset[str]
    unsure: str = "may be on the server"
    missing: str = "the patient"
    unseen: str = "they may be there twice; the next run looks"


CREATE_RECORDS = JobKind("created", "create", frozenset({"cdts.create"}))
UPSERT_RECORDS = JobKind("created", "write", frozenset({"cdts.create", "cdts.update"}))
CREATE_PATIENTS = JobKind(
    "created",
    "create",
    frozenset({"patients.create"}),
    missing="what the row is about",
    unseen="they may be there twice; the API shows one of a key: what was sent twice is to be looked for by name",
)
CHANGE_RECORDS = JobKind(
    "updated",
    "update",
    frozenset({"cdts.update", "cdts.bulk_update"}),
    "may be updated; the next run sends them again",
    "the record or its patient",
)
DELETE_RECORDS = JobKind(
    "deleted",
    "delete",
    frozenset({"cdts.delete"}),
    "may be deleted; the next run sends them again",
    "the record or its patient",
)
READ_RECORDS = JobKind("read", "read", frozenset({"exports.list", "cdts.list"}))
