"""File job: what is done with each row of a file; the base of every kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import attrs

from welkin_async.bulk import OutcomeStream, Progress
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.files.job_kind import JobKind
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.mapping.columns import Column, Columns
from welkin_async.files.mapping.fields import FieldMapping, PatientMapping
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.files.mapping.row_keys import RecordIds, RowKeys
from welkin_async.files.mapping.row_mapper import FieldRules, MappedRow, RowMapper
from welkin_async.files.options import FileSettings, PatientColumn
from welkin_async.files.readers.row import FileRow, RowError
from welkin_async.models.formations import CdtFormation
from welkin_async.session import Welkin

_MOST_LOOKUPS = 32  # at once


@attrs.frozen(kw_only=True)
class FileJob(ABC):
    """File job: what is done with each row of a file.

    Attributes:
        settings: The settings of the run.
        kind: The kind of job.
        cdt: The CDT's name, None where there is none.
        patient: The column of the patient's key; None where rows belong to no patient.
        key_taken: Why a row is refused whose key another row has.
    """

    settings: FileSettings
    cdt: str | None
    patient: PatientColumn | None
    kind: ClassVar[JobKind]
    key_taken: ClassVar[str] = "another row before it has the same key"

    @property
    def looks_first(self) -> bool:
        """Whether the bulk operation looks for every row before it is sent."""
        return getattr(self, "existing", None) == "check"

    @property
    def makes_keys(self) -> bool:
        """Whether keys are made of the file, for rows that bring none."""
        return False

    @property
    def most_lookups(self) -> float | None:
        """How many list requests a row may take where it is looked for; None for any number."""
        return getattr(self, "max_lookups", None)

    @property
    def clears(self) -> bool:
        """Whether an empty cell is sent as null, which clears its field."""
        return False

    @property
    @abstractmethod
    def title(self) -> str:
        """What is done, and to what, in a heading's words."""

    @abstractmethod
    async def mapper(self, welkin: Welkin, opened: OpenedFile) -> RowMapper:
        """Read what rows are checked against, and see how the file's columns fit it.

        Args:
            welkin: An open session.
            opened: The file.

        Raises:
            FileError: a column does not fit; nothing was sent.
            WelkinError: it could not be read.
        """

    @abstractmethod
    def row(self, mapped: MappedRow, patient: str, refused: RowError | None) -> FileRow:
        """Return a row for the bulk engine.

        Args:
            mapped: All but its patient.
            patient: The patient's id, empty where there is none.
            refused: Why it cannot be sent, or None.
        """

    @abstractmethod
    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, on_progress: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Carry rows out.

        Args:
            welkin: An open session.
            rows: The rows.
            digest: SHA-256 of the file.
            on_progress: Called with a snapshot now and then.
        """

    def keys(self, welkin: Welkin) -> Keys | None:
        """Return what finds by their keys what rows have created; None where nothing is to be found so."""
        return None

    def claimed(self, key: str) -> str:
        """Return a row's key in the form in which no other row may have it."""
        return key

    def patients(self, welkin: Welkin, *, ids_too: bool = False) -> PatientLookup | None:
        """Return what finds the ids of rows' patients; None where rows belong to no patient.

        Args:
            welkin: An open session.
            ids_too: Whether what is an id already is looked up as well.
        """
        if self.patient is None:
            return None
        concurrency = min(self.settings.concurrency, _MOST_LOOKUPS)
        return PatientLookup(welkin, self.patient.type, concurrency=concurrency, ids_too=ids_too)

    def _columns(self, opened: OpenedFile) -> Columns:
        source = opened.source
        return Columns(
            source.columns, fixed=source.fixed, complete=source.complete, ignore_case=self.settings.ignore_case
        )

    def _column(self, opened: OpenedFile, name: str) -> Column:
        return Column(name, self._columns(opened), nulls=self.settings.nulls)

    def _mapping(
        self, opened: OpenedFile, formation: CdtFormation | None, omitted: str | None, owner: str = "the CDT"
    ) -> FieldMapping:
        """Return how columns become fields; the omitted one is not sent where all are."""
        settings, columns = self.settings, self._columns(opened)
        mapping = FieldMapping(
            columns,
            patient_column=self.patient,
            maps=settings.mapping,
            formation=formation,
            zone=settings.zone,
            lenient=settings.check == "warn",
            omitted=(*settings.ignore, *(() if omitted is None else (omitted,))),
            owner=owner,
            clears=self.clears,
            constants=settings.constants,
            nulls=settings.nulls,
        )
        for name in settings.ignore:
            columns.find(name)
        if settings.mapping:
            patient = None if self.patient is None else self.patient.column
            self._select(opened, patient, omitted, *(each.column for each in settings.mapping))
        return mapping

    def _mapper(
        self, mapping: PatientMapping, keys: RowKeys | RecordIds, rules: FieldRules | None, *, partial: bool = False
    ) -> RowMapper:
        """Return what maps rows; of rules that are not to be kept a dry run warns, and the bulk operation else."""
        settings = self.settings
        strict = rules if settings.check == "strict" else None
        advice = rules if settings.check == "warn" and settings.dry_run else None
        return RowMapper(mapping, keys, strict, partial, advice)

    def _select(self, opened: OpenedFile, *names: str | None) -> None:
        """Leave all other columns unread."""
        needed = self._columns(opened).needed(name for name in names if name is not None)
        if needed is not None:
            opened.select(needed)
