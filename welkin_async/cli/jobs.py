"""What a command does with the rows of a file, and what is the same for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from welkin_async.bulk import OutcomeStream, Progress
from welkin_async.bulk.reconcile import Keys
from welkin_async.cli.deeds import Deed
from welkin_async.cli.once import Once
from welkin_async.cli.opening import Opened
from welkin_async.cli.options import FileOptions
from welkin_async.cli.patients import PatientLookup
from welkin_async.cli.preparation import Prepared, Preparing
from welkin_async.cli.rows import FileRow, Problem
from welkin_async.session import Welkin

__all__ = ["Job"]


class Job(Protocol):
    """What is done with each row of a file."""

    @property
    def options(self) -> FileOptions:
        """What is the same for every job."""
        ...

    @property
    def deed(self) -> Deed:
        """What is done."""
        ...

    @property
    def cdt(self) -> str | None:
        """The CDT's name, None where there is none."""
        ...

    @property
    def title(self) -> str:
        """What is done, and to what, in a heading's words."""
        ...

    async def prepare(self, welkin: Welkin, opened: Opened) -> Preparing:
        """Read what rows are checked against, and see how the file's columns fit it.

        Args:
            welkin: An open session.
            opened: The file.

        Raises:
            CommandError: a column does not fit; nothing was sent.
            WelkinError: it could not be read.
        """
        ...

    def once(self) -> Once:
        """Return what refuses rows that another row of the file has the key of."""
        ...

    def patients(self, welkin: Welkin, *, ids_too: bool = False) -> PatientLookup | None:
        """Return what finds the ids of rows' patients; None where rows belong to no patient.

        Args:
            welkin: An open session.
            ids_too: Whether what is an id already is looked up as well.
        """
        ...

    def row(self, prepared: Prepared, patient: str, refused: Problem | None) -> FileRow:
        """Return a row for the bulk engine.

        Args:
            prepared: All but its patient.
            patient: The patient's id, empty where there is none.
            refused: Why it cannot be sent, or None.
        """
        ...

    def keys(self, welkin: Welkin) -> Keys | None:
        """Return what finds by their keys what rows have created; None where nothing is to be found so."""
        ...

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, told: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Carry rows out.

        Args:
            welkin: An open session.
            rows: The rows.
            digest: SHA-256 of the file.
            told: Called with a snapshot now and then.
        """
        ...
