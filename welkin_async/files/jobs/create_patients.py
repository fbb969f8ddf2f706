"""File job: create a patient for each row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import attrs

from welkin_async.bulk import OutcomeStream, PatientRow, Progress, stream_patients
from welkin_async.bulk.actions.create_patient import CreatePatient
from welkin_async.bulk.keys.patient_keys import GUID, PatientKeys, guid_of
from welkin_async.files.job_kind import CREATE_PATIENTS
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.mapping.row_keys import RowKeys
from welkin_async.files.mapping.row_mapper import MappedRow, RowMapper
from welkin_async.files.options import Existing, PatientColumn
from welkin_async.files.readers.row import RefusableRow, RowError, SourceRow
from welkin_async.models.formations import CdtFormation
from welkin_async.models.patients import Patient
from welkin_async.resources.patients import PATIENT_SCHEMA
from welkin_async.session import Welkin
from welkin_async.wire.records import field_names

_LISTS = frozenset({"careTeam", "patientTerritories"})


@cache
def _formation() -> CdtFormation:
    """Put what is known of a patient's fields as a CDT's definition, since the API has none of patients."""
    fields = [
        {
            "name": name,
            "type": PATIENT_SCHEMA.type_of(name),
            "editable": PATIENT_SCHEMA.editable(name),
            "meta": {"multiple": name in _LISTS},
        }
        for name in field_names(Patient).values()
    ]
    return CdtFormation.from_wire({"id": "patients", "fields": fields})


@attrs.frozen(repr=False)
class _Row(RefusableRow, PatientRow):
    """A patient to be created that knows where it came from; see `FileRow`."""

    source: SourceRow = attrs.field(kw_only=True)
    refused: RowError | None = attrs.field(kw_only=True, default=None)


@attrs.frozen(kw_only=True)
class PatientImport(FileJob):
    """Job: create a patient for each row; see `FileJob`.

    Attributes:
        key: The column that holds keys; None to make them.
        settle: Seconds for which a patient must stay absent before its row is sent again.
        final_settle: Seconds after the last unknown outcome before the duplicate scan.
        existing: Whether rows are looked for before they are sent, or nothing is.
        max_lookups: How many list requests a row may take; None for any number.
    """

    cdt: str | None = attrs.field(default=None, init=False)
    patient: PatientColumn | None = attrs.field(default=None, init=False)
    key: str | None = None
    settle: float = 5.0
    final_settle: float = 60.0
    existing: Existing = "check"
    max_lookups: float | None = 5.0
    kind = CREATE_PATIENTS

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return "Import of patients"

    @property
    def makes_keys(self) -> bool:
        """Whether keys are made of the file."""
        return self.key is None

    async def mapper(self, welkin: Welkin, opened: OpenedFile) -> RowMapper:
        """See how the columns fit what is known of a patient's fields; see `FileJob`."""
        check = self.settings.check
        mapping = self._mapping(opened, None if check == "off" else _formation(), self.key, "a patient")
        action = CreatePatient(welkin.scope, check="off", key_field=None)
        column = None if self.key is None else self._column(opened, self.key)
        keys = RowKeys(GUID, action.place, action.target, opened.digest, column, opened.earlier)
        return self._mapper(mapping, keys, PATIENT_SCHEMA)

    def row(self, mapped: MappedRow, patient: str, refused: RowError | None) -> _Row:
        """Return a row for the bulk engine."""
        fields = mapped.fields if refused is None else {}
        return _Row(fields, mapped.key, source=mapped.row, refused=refused)

    def keys(self, welkin: Welkin) -> PatientKeys:
        """Return what finds patients by their keys."""
        return PatientKeys(welkin.scope.without_max_wait().with_sure_refusals())

    def claimed(self, key: str) -> str:
        """Return the GUID that a row's key becomes."""
        return guid_of(key)

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, on_progress: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Create patients."""
        return stream_patients(
            welkin,
            rows,
            **self.settings.bulk(digest, on_progress, self.key),
            check=self.settings.check,
            key_field="external_guid",
            settle=self.settle,
            final_settle=self.final_settle,
            existing=self.existing,
        )
