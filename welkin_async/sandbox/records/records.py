"""Parts of records that most sections share: metadata, the envelope of CDT records, and checks of what was sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from welkin_async.sandbox.http.errors import validation_error
from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.records.values import Kind, fits
from welkin_async.sandbox.site import Site


def new_metadata(site: Site) -> Record:
    """A new record's id, times and names of its authors, in camelCase and in the recorded order."""
    now = site.clock.stamp()
    return {
        "id": site.new_id(),
        "createdByName": site.author,
        "createdAt": now,
        "updatedByName": site.author,
        "updatedAt": now,
    }


def authored_metadata(site: Site) -> Record:
    """As `new_metadata`, with the ids of the authors."""
    return {**new_metadata(site), "createdBy": site.client_id, "updatedBy": site.client_id}


def touch(site: Site, record: Record) -> None:
    """Note that a record was changed now.

    Args:
        site: Who changed it.
        record: In an envelope or not; its keys tell what is kept of a change: time, id and name of the author.
    """
    now = site.clock.stamp()
    news = {"updatedAt": now, "updatedBy": site.client_id, "updatedByName": site.author}
    if "jsonBody" in record:
        record = record["jsonBody"]
        news = {"updated_at": now, "updated_by": site.client_id, "updated_by_name": site.author}
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


def full_name(person: Mapping[str, Any]) -> str:
    """First and last name of a patient or user, as far as they are known."""
    return " ".join(person[key] for key in ("firstName", "lastName") if person.get(key))


def known_fields(
    sent: Mapping[str, Any], kinds: Mapping[str, Kind], component: str, required: Collection[str] = ()
) -> Record:
    """The known keys of a body; the others are dropped, as unknown fields of CDT records are (recorded).

    Args:
        sent: The body.
        kinds: What the value of a key must be; null always fits.
        component: `componentType` of the error.
        required: Keys that must be there with a value.

    Raises:
        ApiError: 400, a value is of another form (unknown: chosen here), or one that is required is missing, null or
            empty; details name the key, never the value.
    """
    found = {name: value for name, value in sent.items() if name in kinds}
    for name, value in found.items():
        if value is not None and not fits(value, kinds[name]):
            raise validation_error(f"{name} does not fit", component, field=name)
    require(found, required, component)
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
