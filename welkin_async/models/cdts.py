"""Records of custom data types (CDTs), and the envelope they share with encounters, documents and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from welkin_async.wire.records import Record, decode_error, record, wire

SYSTEM_FIELDS = frozenset(
    {
        "id",
        "created_at",
        "created_by",
        "created_by_name",
        "updated_at",
        "updated_by",
        "updated_by_name",
        "source_type",
        "source_name",
        "source_id",
        "source_record_id",
        "external_id",
        "external_guid",
    }
)
"""The keys of ``jsonBody`` that every CDT has: the twelve that each recorded formation lists, and one of the 2021
documentation."""

WRITABLE_SYSTEM_FIELDS = frozenset({"external_id", "external_guid"})
"""The system fields a recorded formation marks as editable."""


@record
class CdtBody(Record):
    """What a CDT record and a row of a bulk update share: an id, and a ``jsonBody`` with the customer's own fields.

    A field is read by its own name, which may hold hyphens or be a Python keyword: ``record["icd-10"]``.
    """

    id: str = wire("id", required=True)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The customer's own fields, without the system fields; what a projection left out is absent."""
        return MappingProxyType({name: value for name, value in self.body.items() if name not in SYSTEM_FIELDS})

    @property
    def body(self) -> Mapping[str, Any]:
        """The whole ``jsonBody`` as it was received, system fields included.

        Raises:
            DecodeError: it is not an object.
        """
        body = self._raw.get("jsonBody")
        if type(body) is not dict and body is not None and not isinstance(body, Mapping):
            raise decode_error("jsonBody is not an object", self._answer)
        return MappingProxyType(body or {})

    @property
    def extra(self) -> Mapping[str, Any]:
        """What the server sent beside the documented fields and ``jsonBody``."""
        return MappingProxyType({name: value for name, value in super().extra.items() if name != "jsonBody"})

    def __getitem__(self, name: str) -> Any:
        """Return a field of ``jsonBody`` as it was received.

        Raises:
            KeyError: the record has no such field, or a projection left it out.
        """
        return self.body[name]

    def __contains__(self, name: object) -> bool:
        return name in self.body


@record
class CdtRecord(CdtBody):
    """A record of a custom data type, or anything that shares its envelope.

    The envelope is common to CDT records, document summaries, document type records, encounters, encounter
    assessment links, dispositions and profiles. All other fields are inside ``jsonBody``: the system fields, typed and
    named here as they are there; the customer's are in ``fields``.

    Attributes:
        cdt_id: Null in the encounters-by-user list.
        version: Formation version, not an optimistic lock.
        cdt_name: Not in the 2021 documentation; null in the encounters-by-user list.
        created_by_name: API clients appear as ``API_CLIENT:<client name>``; the 2021 documentation shows null too.
        source_type: ASSESSMENT, ENCOUNTER, DOCUMENT_SUMMARY or null.
        source_name: Such as ``__encounter__``, an assessment name, DOCUMENT_SUMMARY.
        external_id: Writable; not in the first documentation list.
        external_guid: Writable; not in the first documentation list.
        source_record_id: In the 2021 documentation samples only, never recorded.
    """

    patient_id: str | None = wire("patientId")
    cdt_id: str | None = wire("cdtId")
    version: int | None = wire("version")
    cdt_name: str | None = wire("cdtName")
    created_at: datetime | None = wire("created_at", inside="jsonBody")
    created_by: str | None = wire("created_by", inside="jsonBody")
    created_by_name: str | None = wire("created_by_name", inside="jsonBody")
    updated_at: datetime | None = wire("updated_at", inside="jsonBody")
    updated_by: str | None = wire("updated_by", inside="jsonBody")
    updated_by_name: str | None = wire("updated_by_name", inside="jsonBody")
    source_type: str | None = wire("source_type", inside="jsonBody")
    source_name: str | None = wire("source_name", inside="jsonBody")
    source_id: str | None = wire("source_id", inside="jsonBody")
    external_id: str | None = wire("external_id", inside="jsonBody")
    external_guid: str | None = wire("external_guid", inside="jsonBody")
    source_record_id: Any = wire("source_record_id", inside="jsonBody")


@record
class CdtBulkRow(CdtBody):
    """One row of the answer to a bulk update.

    Values seen, none of them closed sets:

    - result.status (recorded): OK.

    Attributes:
        result: Object {status, content}; status OK recorded, content null recorded; failure values unknown.
    """

    result: Mapping[str, Any] | None = wire("result")
