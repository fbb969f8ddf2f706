"""File job: bring the CDT record of each row to what the row asks for, and create it where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import attrs

from welkin_async.bulk import OutcomeStream, Progress, stream_cdt_upserts
from welkin_async.files.errors import FileError
from welkin_async.files.job_kind import UPSERT_RECORDS
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.mapping.row_mapper import MappedRow
from welkin_async.files.readers.row import RowError
from welkin_async.session import Welkin
from welkin_async.validation.equality import is_empty


@attrs.frozen(kw_only=True)
class RecordUpsert(RecordImport):
    """Job: bring the CDT record of each row to what the row asks for; see `RecordImport`.

    Attributes:
        overwrite: Whether records are changed that somebody else changed last.
        recreate: Whether records are made again that the journal calls created and that are gone.
        empty: ``keep``: an empty cell or a null changes nothing. ``clear``: it clears the field.
    """

    overwrite: bool = False
    recreate: bool = False
    empty: Literal["keep", "clear"] = "keep"
    kind = UPSERT_RECORDS

    def __attrs_post_init__(self) -> None:
        """Refuse options that do not go together.

        Raises:
            FileError: they do not.
        """
        if self.key_field is None or self.existing != "check":
            raise FileError("an upsert looks for its rows by their keys: it has a key field, and existing is check")
        if self.empty not in ("keep", "clear"):
            raise FileError("empty= is keep or clear")

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return f"Upsert into {self.cdt}"

    @property
    def clears(self) -> bool:
        """Whether an empty cell clears its field."""
        return self.empty == "clear"

    def row(self, mapped: MappedRow, patient: str, refused: RowError | None) -> Any:
        """Return a row for the bulk engine."""
        if not self.clears:
            mapped = mapped._replace(fields={name: each for name, each in mapped.fields.items() if not is_empty(each)})
        return super().row(mapped, patient, refused)

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, on_progress: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Upsert records."""
        assert self.key_field is not None
        return stream_cdt_upserts(
            welkin,
            self.cdt,
            rows,
            **self.settings.bulk(
                digest, on_progress, *self.patient.decisive, self.key_field, self.key, "upsert", self.empty
            ),
            check=self.settings.check,
            key_field=self.key_field,
            key_space=self.key_space,
            single_record=self.single_record,
            settle=self.settle,
            final_settle=self.final_settle,
            remove_doubles=self.remove_doubles,
            overwrite=self.overwrite,
            recreate=self.recreate,
        )
