"""CDT records: the customer's own data, per patient."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .errors import ApiError, record_not_found, validation_error
from .formations import Formation, Formations
from .moments import instant
from .pages import sorted_by, spring_page
from .patients import Patients
from .routing import Routes
from .site import Site
from .visibility import Visibility
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Cdts"]


@attrs.define
class Cdts:
    """CDT records and their section of the API.

    Attributes:
        site: Clock, ids and author.
        patients: Where a record's patient must be.
        formations: Definitions of the CDTs.
        visibility: What lists do not show yet.
        tables: Records by CDT name, then patient, then record id; each in order of creation.
    """

    site: Site
    patients: Patients
    formations: Formations
    visibility: Visibility
    tables: dict[str, dict[str, dict[str, Record]]] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}"
        routes.add("cdts.list", "GET", base, self.list_page)
        routes.add("cdts.create", "POST", base, self.create)
        routes.add("cdts.bulk_update", "PATCH", base, self.bulk_update)
        routes.add("cdts.get", "GET", base + "/{record_id}", self.get)
        routes.add("cdts.update", "PATCH", base + "/{record_id}", self.update)
        routes.add("cdts.delete", "DELETE", base + "/{record_id}", self.delete)

    def forget(self, patient_id: str) -> None:
        """Drop every record of a patient that was deleted."""
        for table in self.tables.values():
            table.pop(patient_id, None)

    def _table(self, patient_id: str, cdt_name: str, record_id: str | None = None) -> tuple[Formation, Record]:
        """Definition and the patient's records by id; 404 when either is unknown."""
        formation = self.formations.definitions.get(cdt_name)
        if formation is None or patient_id not in self.patients.records:
            raise record_not_found(patient_id, cdt_name, record_id)
        return formation, self.tables.setdefault(cdt_name, {}).setdefault(patient_id, {})

    def _record(self, patient_id: str, cdt_name: str, record_id: str) -> tuple[Formation, Record]:
        formation, table = self._table(patient_id, cdt_name, record_id)
        record = table.get(record_id)
        if record is None:
            raise record_not_found(patient_id, cdt_name, record_id)
        return formation, record

    def create(self, call: Call, patient_id: str, cdt_name: str) -> Answer:
        """Create a record: 201 with the envelope (recorded).

        `jsonBody` holds the system fields and every field of the formation, null when it was not sent. Unknown fields
        and read-only ones are dropped without a word (recorded for unknown ones).

        Raises:
            ApiError: 400, a value does not fit; 404, unknown patient or CDT.
        """
        formation, table = self._table(patient_id, cdt_name)
        body, sent = formation.blank.copy(), call.object()
        write(formation, body, sent)
        for name in formation.required:
            if body[name] is None:
                raise validation_error("A required field is missing", "CDT", field=name)
        site, record_id, now = self.site, self.site.new_id(), self.site.clock.stamp()
        body["id"] = record_id
        body["created_at"] = body["updated_at"] = now
        body["created_by"] = body["updated_by"] = site.client_id
        body["created_by_name"] = body["updated_by_name"] = site.author
        record = {
            "id": record_id,
            "patientId": patient_id,
            "cdtId": formation.shape["id"],
            "version": formation.shape["version"],
            "jsonBody": body,
            "cdtName": cdt_name,
        }
        table[record_id] = record
        return ok(_echoed(formation, record, sent) if formation.echo_only else record, 201)

    def get(self, call: Call, patient_id: str, cdt_name: str, record_id: str) -> Answer:
        """One record (recorded)."""
        return ok(self._record(patient_id, cdt_name, record_id)[1])

    def update(self, call: Call, patient_id: str, cdt_name: str, record_id: str) -> Answer:
        """Change the fields sent, null clearing one (recorded: 200 with the envelope)."""
        formation, record = self._record(patient_id, cdt_name, record_id)
        sent = call.object()
        write(formation, record["jsonBody"], sent)
        self._touch(record["jsonBody"])
        return ok(_echoed(formation, record, sent))

    def _touch(self, body: Record) -> None:
        body["updated_at"] = self.site.clock.stamp()
        body["updated_by"], body["updated_by_name"] = self.site.client_id, self.site.author

    def delete(self, call: Call, patient_id: str, cdt_name: str, record_id: str) -> Answer:
        """Delete a record: 200 without a body, Content-Length 0 (recorded)."""
        self._record(patient_id, cdt_name, record_id)
        del self.tables[cdt_name][patient_id][record_id]
        return no_content()

    def bulk_update(self, call: Call, patient_id: str, cdt_name: str) -> Answer:
        """Change fields flagged bulkEdit in several records: 200, each row with its own `result`.

        Status OK with null content is recorded; what a failed row looks like is unknown: ERROR is chosen here.

        Raises:
            ApiError: 400, the body is not `{"rows": [{"id", "jsonBody"}]}`; 404, unknown patient or CDT.
        """
        formation, table = self._table(patient_id, cdt_name)
        rows = call.object().get("rows")
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and isinstance(row.get("jsonBody"), dict) for row in rows
        ):
            raise validation_error("rows must be a list of objects with id and jsonBody", "CDT")
        return ok({"rows": [self._bulk_row(formation, table, row) for row in rows]})

    def _bulk_row(self, formation: Formation, table: Mapping[str, Record], row: Record) -> Record:
        record = table.get(row["id"]) if isinstance(row.get("id"), str) else None
        sent = row["jsonBody"]
        if record is None:
            problem = "Data type record not found"
        elif not formation.bulk_fields.issuperset(sent):
            problem = "A field does not allow bulk edit"
        else:
            try:
                write(formation, record["jsonBody"], sent)
            except ApiError as error:
                problem = error.message
            else:
                self._touch(record["jsonBody"])
                return {"id": row["id"], "jsonBody": record["jsonBody"], "result": {"status": "OK", "content": None}}
        body = sent if record is None else record["jsonBody"]
        return {"id": row.get("id"), "jsonBody": body, "result": {"status": "ERROR", "content": problem}}

    def list_page(self, call: Call, patient_id: str, cdt_name: str) -> Answer:
        """One page of a patient's records as `{name, data}` (recorded).

        Args:
            call: Takes `fields`, `page`, `size`, `sort`, `filters`, `dateStart`, `dateEnd`.
            patient_id: The patient.
            cdt_name: The CDT.

        Raises:
            ApiError: 400, a malformed parameter; 404, unknown patient or CDT.
        """
        formation, table = self._table(patient_id, cdt_name)
        query = call.query
        records = self.visibility.counted(list(table.values()))
        if "dateStart" in query or "dateEnd" in query:
            records = _between(records, query)
        if query.get("filters"):
            records = _filtered(records, query["filters"], formation)
        ordered = sorted_by(records, query, formation.blank, "jsonBody")
        page = spring_page(self.visibility.shown(ordered), query, len(ordered))
        if query.get("fields"):
            # Whether a projection keeps the system fields is unknown: only what was asked for is kept here.
            names = set(query["fields"].split(","))
            page["content"] = [
                {**each, "jsonBody": {key: value for key, value in each["jsonBody"].items() if key in names}}
                for each in page["content"]
            ]
        return ok({"name": cdt_name, "data": page})


def write(formation: Formation, body: Record, sent: Mapping[str, Any]) -> None:
    """Put what was sent into a record's body: all of it or, when a value does not fit, nothing.

    Args:
        formation: Definition of the CDT.
        body: The record's `jsonBody`, changed in place.
        sent: Fields by name; unknown and read-only ones are dropped.

    Raises:
        ApiError: 400; details name the fields and their types, never the values.
    """
    checks, accepted = formation.checks, {}
    wrong: list[str] = []
    for name, value in sent.items():
        check = checks.get(name)
        if check is None:
            continue
        if value is None or check(value):
            accepted[name] = value
        else:
            wrong.append(name)
    if wrong:
        kinds = {each["name"]: each["type"] for each in formation.shape["fields"] if each["name"] in wrong}
        raise validation_error("A value does not fit the type of its field", "CDT", fields=kinds)
    body.update(accepted)


def _echoed(formation: Formation, record: Record, sent: Mapping[str, Any]) -> Record:
    """The record as a write is answered: with the values of fields that are echoed without being stored."""
    echo = {name: value for name, value in sent.items() if name in formation.echo_only}
    return {**record, "jsonBody": {**record["jsonBody"], **echo}} if echo else record


def _between(records: Sequence[Record], query: Mapping[str, str]) -> list[Record]:
    # Which date CDT lists filter on is unknown; dictionaries, the nearest documented relative, use updated_at.
    # Stamps are compared as text: they all have the same form and length.
    start, end = instant(query, "dateStart", "CDT") or "", instant(query, "dateEnd", "CDT")
    if end is not None:
        return [each for each in records if start <= each["jsonBody"]["updated_at"] <= end]
    # The latest by creation all belong, which spares a look-up of recent records the look at every one.
    latest = bisect_left(records, start, key=lambda each: str(each["jsonBody"]["created_at"]))
    return [*(each for each in records[:latest] if start <= each["jsonBody"]["updated_at"]), *records[latest:]]


def _filtered(records: Sequence[Record], filters: str, formation: Formation) -> Sequence[Record]:
    """Records whose field has one of the values of `key=v1,v2`.

    What the server does with a field that is not searchable is unknown. Here the filter is ignored, as unknown fields
    are in bodies: the answer a client must not mistake for a filtered one.
    """
    name, separator, values = filters.partition("=")
    if not separator:
        raise validation_error("filters must be key=v1,v2", "CDT", parameter="filters")
    if name not in formation.searchable:
        return records
    wanted = set(values.split(","))
    return [each for each in records if _as_text(each["jsonBody"].get(name)) in wanted]


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
