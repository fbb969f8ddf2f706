"""Mapping proposal: which columns could become which fields, by their names alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs

from welkin_async.files.mapping.names import fold, nearest
from welkin_async.models.formations import CdtField, CdtFormation
from welkin_async.resources.patients import PatientKeyType

_PATIENT_NAMES: tuple[tuple[str, PatientKeyType], ...] = (
    ("mrn", "MRN"),
    ("medicalrecordnumber", "MRN"),
    ("patientmrn", "MRN"),
    ("externalguid", "EGUID"),
    ("patientguid", "EGUID"),
    ("externalid", "EID"),
    ("patientexternalid", "EID"),
    ("patientid", "ID"),
    ("patient", "ID"),
    ("personid", "ID"),
)
"""By what a patient's column is called, without case and what stands between words; those that say most go first."""


@attrs.frozen(kw_only=True)
class MappingProposal:
    """Mapping proposal: what a person looks through before anything is sent.

    Attributes:
        columns: The field that each column would become; certain where the names are one but for case and spelling.
        guessed: Columns among them whose field has only a similar name.
        unmatched: Columns for which there is no field.
        missing: Fields that are required and come from no column.
        patient: The column that seems to name the patient, or None.
        patient_type: What its name says is in it.
    """

    columns: dict[str, str]
    guessed: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    patient: str | None = None
    patient_type: PatientKeyType = "ID"

    def to_toml(self) -> str:
        """Return it as a mapping file, for `read_mapping`."""
        lines = [f"{json.dumps(column)} = {json.dumps(field)}" for column, field in self.columns.items()]
        return "\n".join(("[columns]", *lines, ""))

    def __str__(self) -> str:
        """Say what becomes what, and what a person has to decide."""
        width = max((len(column) for column in self.columns), default=0)
        lines = [
            f"{column:{width}}  -> {field}{'  (similar: look at it)' if column in self.guessed else ''}"
            for column, field in self.columns.items()
        ]
        if self.patient is not None:
            lines.append(f"{self.patient:{width}}  names the patient ({self.patient_type})")
        if self.unmatched:
            lines.append(f"no field for: {', '.join(self.unmatched)}")
        if self.missing:
            lines.append(f"required, and in no column: {', '.join(self.missing)}")
        return "\n".join(lines)


def propose(columns: Sequence[str], formation: CdtFormation) -> MappingProposal:
    """Propose a mapping.

    Args:
        columns: The names of a file's columns.
        formation: The definition of the CDT.
    """
    fields = {str(each.name): each for each in formation.fields or () if each.editable is not False}
    patient, patient_type = _patient(columns, fields)
    open_fields, found, guessed = dict.fromkeys(fields), dict[str, str](), []
    rest = [name for name in columns if name and name != patient]
    for column in rest:
        same = next((name for name in open_fields if fold(name) == fold(column)), None)
        if same is not None:
            found[column] = same
            del open_fields[same]
    for column in rest:
        near = None if column in found else nearest(column, open_fields)
        if near is not None:
            found[column] = near
            guessed.append(column)
            del open_fields[near]
    return MappingProposal(
        columns={column: found[column] for column in rest if column in found},
        guessed=tuple(guessed),
        unmatched=tuple(column for column in rest if column not in found),
        missing=tuple(name for name in open_fields if _is_required(fields[name])),
        patient=patient,
        patient_type=patient_type,
    )


def _patient(columns: Sequence[str], fields: dict[str, CdtField]) -> tuple[str | None, PatientKeyType]:
    for known, kind in _PATIENT_NAMES:
        for column in columns:
            if fold(column) == known and column not in fields:
                return column, kind
    return None, "ID"


def _is_required(field: CdtField) -> bool:
    return bool((field.meta or {}).get("required")) and not field.disable
