"""The options of bulk operations, as keywords."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict

from welkin_async.bulk.keys.cdt_keys import KeyField
from welkin_async.bulk.results import Progress
from welkin_async.errors import InvalidInputError
from welkin_async.validation.refusals import Check


class RunOptions(TypedDict, total=False):
    """The options that every bulk operation has.

    Attributes:
        concurrency: How many workers, each with one request at a time; 32 by default.
        fail_fast: Whether to stop at the first row that is not carried out.
        on_progress: Called with a snapshot about four times a second while rows get their outcomes, once a second
            while the run waits, and at the end.
        journal: A file that keeps track of the run, so that one that was ended in any way can be started again with
            the same source and skips what is done; see `Journal`. None by default.
        resume: What a run with an existing journal takes up: ``resume``, the default: what was not sent; ``retry``:
            also what was refused or failed, which is looked for first where rows have keys, because it may have been
            created another way since; ``restart``: everything, forgetting the journal.
        source: What identifies the source to the journal, such as the SHA-256 of a file. By default the rows themselves
            are compared, by a digest of key and content. Either way a key belongs to one row of a patient: a second one
            is ``failed``. Only keys that `keys.file_key` has minted from a
            row's position are taken for unique as they are.
        block: How many positions the journal reserves at once; 1 000 by default, and twice the concurrency for
            patients. After a crash at most so many rows, and half as many again, are looked up, or sent again where
            that does no harm.
        max_failures: Stops the run when more than so many rows are not carried out: a count, or a share below 1.0 of
            the rows that have their outcome, judged from 100 rows on and so never in a shorter run. None, the default,
            for never.
        ordered_by: ``patient`` to send one row of a patient at a time, in the order of the source: the next one goes
            when the one before has its outcome. Rows that wait for that are held in memory, 8 times the concurrency at
            most. None, the default, for no order.
        row_patience: Seconds for which a row may be refused for the rate (429, or 503) while others are accepted; 300
            by default. Then, or after 20 such refusals, it is given up: ``failed`` where all were 429, else looked up
            or ``unknown``. The same bounds how long the rows of a patient are held back that the server refuses, and
            how long rows are waited for that are all that is left, while the server accepts none. While it accepts none
            and there are more to come, it is waited for by probes, without a bound.
    """

    concurrency: int
    fail_fast: bool
    on_progress: Callable[[Progress], None] | None
    journal: str | os.PathLike[str] | None
    resume: Literal["resume", "retry", "restart"]
    source: str | None
    block: int
    max_failures: float | None
    ordered_by: Literal["patient"] | None
    row_patience: float


class KeyedOptions(RunOptions, total=False):
    """The options of creates, whose rows can be looked up by a key.

    Attributes:
        settle: Seconds for which a key must stay absent before its row is sent again; 5 by default, and raised where
            look-ups turn out to lag more.
        final_settle: Seconds after the last unknown outcome before the last look for doubled keys; 60 by default.
        existing: Whether rows may be on the server already, where they have keys. ``check``, the default: what no
            earlier run of this journal was done with is looked for before it is sent, by one complete listing of its
            patient, and is ``unchanged`` or a ``conflict`` where it is there; every patient in which the run created
            is listed once more at its end. ``trust``: nothing is looked for but what is in doubt, and what another run
            has created is created again.
    """

    settle: float
    final_settle: float
    existing: Literal["check", "trust"]


class CreateOptions(KeyedOptions, total=False):
    """The options of `create_cdt_records` and `stream_cdt_records`; further ones in `KeyedOptions` and `RunOptions`.

    Attributes:
        key_field: Which system field carries the row's key, so that a row whose outcome is unknown is looked up
            instead of being left so. None by default: nothing is looked up, and nothing is ever sent twice.
        key_space: A name that stands before the keys that rows are given (``CdtRow.key``), as ``NAME/key``, so that
            the keys of two sources are never taken for one another's. None, the default: keys are sent as given. What
            was sent before there was a key space is found by the key alone. Goes with ``external_id``.
        single_record: Whether a patient has one record of the CDT, as formations of another kind than ``MULTI_RECORD``
            may mean. It is then found by its patient, whatever its key: a row is ``unchanged`` or a ``conflict`` where
            there is one, an upsert changes it, and a second row of a patient is ``failed``. False by default.
        remove_doubles: Whether a record that turns out to be there twice is removed where it is equal, unedited and
            younger than the one that was reported, which stays; an older one may be another run's, and both stay and
            are named. False by default: doubles are named, not touched.
        check: What to do about rows the CDT's formation does not allow. ``strict``, the default: they are ``failed``
            and never sent. ``warn``: they are sent, and a warning names the field once. ``off``: they are sent,
            and fields are compared without knowing their types.
    """

    key_field: KeyField | None
    key_space: str | None
    single_record: bool
    remove_doubles: bool
    check: Check


class UpsertOptions(CreateOptions, total=False):
    """The options of `upsert_cdt_records` and `stream_cdt_upserts`; further ones in `CreateOptions`.

    ``key_field`` is ``external_id`` by default here, and rows are always looked for (``existing="check"``).

    Attributes:
        overwrite: Whether a record is changed that somebody other than this api client changed last; False by default:
            it is a ``conflict``.
        recreate: Whether a row is created again that the journal calls created and whose record is gone; False by
            default: it is ``gone``.
    """

    overwrite: bool
    recreate: bool


class PatientOptions(KeyedOptions, total=False):
    """The options of `create_patients` and `stream_patients`; further ones in `KeyedOptions` and `RunOptions`.

    Attributes:
        key_field: ``external_guid`` to have each row's key in ``externalGuid``, so that a row whose outcome is unknown
            is looked up. None by default: nothing is looked up, and nothing is ever sent twice.
        check: What to do about fields that no source documents, that cannot be written, or that are of another type.
            ``strict``, the default: the row is ``failed`` and never sent. ``warn``: it is sent, and a warning names
            the field once. ``off``: it is sent.
    """

    key_field: Literal["external_guid"] | None
    check: Check


class PatientUpsertOptions(PatientOptions, total=False):
    """The options of `upsert_patients` and `stream_patient_upserts`; further ones in `PatientOptions`.

    ``key_field`` is ``external_guid`` here, and rows are always looked for (``existing="check"``).

    Attributes:
        overwrite: Whether a patient is changed that somebody other than this api client changed last; see
            `UpsertOptions`.
        recreate: Whether a row is created again that the journal calls created and whose patient is gone.
    """

    overwrite: bool
    recreate: bool


class ChangeOptions(RunOptions, total=False):
    """The options of `update_cdt_records` and `stream_cdt_updates`; further ones in `RunOptions`.

    Attributes:
        check: What to do about fields the CDT's formation does not allow; see `CreateOptions`.
    """

    check: Check


class GroupOptions(ChangeOptions, total=False):
    """The options of `bulk_update_cdt_records` and `stream_cdt_bulk_updates`; further ones in `ChangeOptions`.

    Attributes:
        group: How many changes of one patient are sent together at most; 50 by default. The API documents no bound.
    """

    group: int


def checked_options(options: Any, kind: Any) -> None:
    """Refuse a keyword that is none of the options, as any Python function does.

    Args:
        options: What was given.
        kind: The `TypedDict` of what there is.

    Raises:
        TypeError: there is no such option.
    """
    unknown = options.keys() - kind.__optional_keys__
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")


def check_seconds(options: Mapping[str, Any], *names: str, endless: bool = False) -> None:
    """Refuse seconds that are none: compared with one that is no number, no time would ever have passed, or any.

    Args:
        options: What was given.
        names: Of options; those that are not given are left out.
        endless: Whether infinity is allowed.

    Raises:
        InvalidInputError: a value is no number of seconds.
    """
    for name in names:
        value = options.get(name, 0.0)
        fits = isinstance(value, int | float) and value >= 0.0 and (endless or value != float("inf"))
        if not fits:
            raise InvalidInputError(f"{name} is a number of seconds, 0 or more")
