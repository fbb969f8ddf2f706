"""The options of bulk operations, as keywords."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, TypedDict

from welkin_async.bulk.cdt_action import Check
from welkin_async.bulk.keys import KeyField
from welkin_async.bulk.outcomes import Progress

__all__ = [
    "ChangeOptions",
    "CreateOptions",
    "GroupOptions",
    "KeyedOptions",
    "PatientOptions",
    "RunOptions",
    "checked_options",
]


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
            are compared, by a digest of key and content. Either way a key belongs to one row: a second one with other
            content is ``failed``, with the same content ``skipped``. Only keys that `keys.file_key` has minted from a
            row's position are taken for unique as they are.
        block: How many positions the journal reserves at once; 1 000 by default. After a crash at most so many rows,
            and half as many again, are looked up, or sent again where that does no harm.
        max_failures: Stops the run when more than so many rows are not carried out: a count, or a share below 1.0 of
            the rows that have their outcome, judged from 100 rows on and so never in a shorter run. None, the default,
            for never.
    """

    concurrency: int
    fail_fast: bool
    on_progress: Callable[[Progress], None] | None
    journal: str | os.PathLike[str] | None
    resume: Literal["resume", "retry", "restart"]
    source: str | None
    block: int
    max_failures: float | None


class KeyedOptions(RunOptions, total=False):
    """The options of creates, whose rows can be looked up by a key.

    Attributes:
        settle: Seconds for which a key must stay absent before its row is sent again; 5 by default, and raised where
            look-ups turn out to lag more.
        final_settle: Seconds after the last unknown outcome before the last look for doubled keys; 60 by default.
    """

    settle: float
    final_settle: float


class CreateOptions(KeyedOptions, total=False):
    """The options of `create_cdt_records` and `stream_cdt_records`; further ones in `KeyedOptions` and `RunOptions`.

    Attributes:
        key_field: Which system field carries the row's key, so that a row whose outcome is unknown is looked up
            instead of being left so. None by default: nothing is looked up, and nothing is ever sent twice.
        remove_doubles: Whether a record that turns out to be there twice is removed where it is equal and unedited;
            the id that was reported stays. False by default: doubles are named, not touched.
        check: What to do about rows the CDT's formation does not allow. ``strict``, the default: they are ``failed``
            and never sent. ``warn``: they are sent, and a warning names the field once. ``off``: they are sent,
            and fields are compared without knowing their types.
    """

    key_field: KeyField | None
    remove_doubles: bool
    check: Check


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
