"""What the records of most sections have in common: who made them and when, envelopes, and tables per patient."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs

from .errors import ApiError, validation_error
from .patients import Patients
from .site import Site
from .wire import Record

__all__ = ["PatientTable", "authored", "envelope", "picked", "require", "signed", "touch", "touch_envelope"]

Kind = type | tuple[type, ...]


def signed(site: Site) -> Record:
    """A new record's id, times and names of its authors, in camelCase and in the recorded order."""
    now = site.clock.stamp()
    return {
        "id": site.new_id(),
        "createdByName": site.author,
        "createdAt": now,
        "updatedByName": site.author,
        "updatedAt": now,
    }


def authored(site: Site) -> Record:
    """As `signed`, with the ids of the authors."""
    return {**signed(site), "createdBy": site.client_id, "updatedBy": site.client_id}


def touch(site: Site, record: Record) -> None:
    """Note that a record was changed now.

    Args:
        site: Who changed it.
        record: One made from `signed` or `authored`.
    """
    news = {"updatedAt": site.clock.stamp(), "updatedBy": site.client_id, "updatedByName": site.author}
    record.update((name, value) for name, value in news.items() if name in record)


def envelope(site: Site, patient_id: str, formation: Record, fields: Mapping[str, Any], **system: Any) -> Record:
    """A new record in the envelope of CDT records, with the 12 system fields in its `jsonBody`.

    Args:
        site: Clock, ids and author.
        patient_id: Whose it is.
        formation: Its definition, of which `id`, `version` and `name` are used.
        fields: All other fields of `jsonBody`.
        system: System fields that differ from null, such as `source_type`.
    """
    record_id, now = site.new_id(), site.clock.stamp()
    body = {
        "id": record_id,
        "created_at": now,
        "created_by": site.client_id,
        "created_by_name": site.author,
        "updated_at": now,
        "updated_by": site.client_id,
        "updated_by_name": site.author,
        **dict.fromkeys(("source_type", "source_name", "source_id", "external_id", "external_guid")),
    }
    return {
        "id": record_id,
        "patientId": patient_id,
        "cdtId": formation["id"],
        "version": formation["version"],
        "jsonBody": {**fields, **body, **system},
        "cdtName": formation["name"],
    }


def touch_envelope(site: Site, record: Record) -> None:
    """Note that a record in an envelope was changed now.

    Args:
        site: Who changed it.
        record: From `envelope`.
    """
    body = record["jsonBody"]
    body["updated_at"] = site.clock.stamp()
    body["updated_by"], body["updated_by_name"] = site.client_id, site.author


def picked(sent: Mapping[str, Any], kinds: Mapping[str, Kind], component: str) -> Record:
    """The known keys of a body; the others are dropped, as unknown fields of CDT records are (recorded).

    Args:
        sent: The body.
        kinds: Types by key; null always fits.
        component: `componentType` of the error.

    Raises:
        ApiError: 400, a value is of another type (unknown: chosen here); details name the key, never the value.
    """
    found = {name: value for name, value in sent.items() if name in kinds}
    for name, value in found.items():
        if value is not None and not isinstance(value, kinds[name]):
            raise validation_error(f"{name} does not fit", component, field=name)
    return found


def require(sent: Mapping[str, Any], names: Collection[str], component: str) -> None:
    """Insist on keys that must be there with a value.

    Args:
        sent: The body or query.
        names: Keys.
        component: `componentType` of the error.

    Raises:
        ApiError: 400, one is missing, null or empty.
    """
    for name in names:
        if sent.get(name) in (None, "", []):
            raise validation_error(f"{name} is required", component, field=name)


@attrs.define
class PatientTable:
    """Records per patient, which go when the patient goes.

    Attributes:
        patients: Where a record's patient must be.
        missing: Makes the error of an unknown record, from the patient's id and the record's.
        on_drop: Called with each record that is removed, or goes with its patient.
        rows: Records by patient id, then record id; each in order of creation.
    """

    patients: Patients
    missing: Callable[[str, str], ApiError]
    on_drop: list[Callable[[Record], None]] = attrs.field(factory=list, repr=False)
    rows: dict[str, dict[str, Record]] = attrs.field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        self.patients.on_delete.append(self._forget)

    def _forget(self, patient_id: str) -> None:
        for record in self.rows.pop(patient_id, {}).values():
            self._tell(record)

    def _tell(self, record: Record) -> None:
        for notify in self.on_drop:
            notify(record)

    def of(self, patient_id: str) -> dict[str, Record]:
        """A patient's records by id, to be read and changed.

        Args:
            patient_id: The patient's id.

        Raises:
            ApiError: 404, no such patient.
        """
        return self.rows.setdefault(self.patients.find(patient_id)["id"], {})

    def find(self, patient_id: str, record_id: str) -> Record:
        """One record of a patient.

        Args:
            patient_id: The patient's id.
            record_id: The record's id.

        Raises:
            ApiError: 404, no such patient or record.
        """
        found = self.of(patient_id).get(record_id.lower())
        if found is None:
            raise self.missing(patient_id, record_id)
        return found

    def add(self, patient_id: str, record: Record) -> Record:
        """Keep a record.

        Args:
            patient_id: The patient's id.
            record: With its `id`.

        Raises:
            ApiError: 404, no such patient.
        """
        self.of(patient_id)[record["id"]] = record
        return record

    def remove(self, patient_id: str, record_id: str) -> None:
        """Drop a record.

        Args:
            patient_id: The patient's id.
            record_id: The record's id.

        Raises:
            ApiError: 404, no such patient or record.
        """
        record = self.find(patient_id, record_id)
        del self.of(patient_id)[record["id"]]
        self._tell(record)

    def __iter__(self) -> Iterator[Record]:
        for records in self.rows.values():
            yield from records.values()
