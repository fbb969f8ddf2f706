"""CDT records: the customer's own data, per patient."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from welkin_async.sandbox.api.formations import CdtFormations, Formation
from welkin_async.sandbox.api.patients import Patients
from welkin_async.sandbox.http.errors import ApiError, record_not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, encode_text, no_content, ok, ok_text
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.dates import timestamp
from welkin_async.sandbox.records.pages import sorted_by, spring_page_text
from welkin_async.sandbox.records.records import envelope, touch
from welkin_async.sandbox.records.texts import RecordTexts, projections_text
from welkin_async.sandbox.records.values import uuid
from welkin_async.sandbox.records.visibility import Visibility
from welkin_async.sandbox.site import Site


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
    formations: CdtFormations
    visibility: Visibility
    tables: dict[str, dict[str, dict[str, Record]]] = attrs.field(factory=dict, repr=False)
    _texts: RecordTexts = attrs.field(factory=RecordTexts, init=False, repr=False)
    _deleted: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}"
        routes.collection("cdts", base + "/{record_id}", self, "list create get update delete")
        routes.add("cdts.bulk_update", "PATCH", base, self.bulk_update)

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
            ApiError: 400, a value does not fit; 404, unknown patient or CDT; 409, a unique value is taken.
        """
        formation, table = self._table(patient_id, cdt_name)
        sent = call.object()
        record = envelope(self.site, patient_id, formation.shape, formation.blank)
        record_id, body = record["id"], record["jsonBody"]
        write_fields(formation, body, sent)
        for name in formation.required:
            if body[name] is None:
                raise validation_error("A required field is missing", "CDT", field=name)
        self._claim_unique(formation, record)
        table[record_id] = record
        if self.site.clock.skew:
            self.visibility.skews[record_id] = self.site.clock.skew
        if formation.echo_only:
            return ok(_echoed(formation, record, sent), 201)
        return ok_text(self._texts.keep(record), 201)

    def _claim_unique(self, formation: Formation, record: Record) -> None:
        for name in formation.unique:
            value = record["jsonBody"][name]
            holder = formation.holders.get((name, value))
            held = holder and holder["id"] in self.tables[formation.name].get(holder["patientId"], ())
            if holder and held and holder["jsonBody"][name] == value:
                # Whether the real API has such a refusal is unknown; code and details are chosen here.
                raise ApiError(409, "CONFLICT", "CDT", f"{name} is taken", {"field": name})
            if value is not None:
                formation.holders[name, value] = record

    def get(self, call: Call, patient_id: str, cdt_name: str, record_id: str) -> Answer:
        """One record (recorded)."""
        return ok(self._record(patient_id, cdt_name, record_id)[1])

    def update(self, call: Call, patient_id: str, cdt_name: str, record_id: str) -> Answer:
        """Change the fields sent, null clearing one (recorded: 200 with the envelope)."""
        formation, record = self._record(patient_id, cdt_name, record_id)
        sent = call.object()
        write_fields(formation, record["jsonBody"], sent)
        touch(self.site, record)
        return ok(_echoed(formation, record, sent))

    def delete(self, call: Call, patient_id: str, cdt_name: str, record_id: str) -> Answer:
        """Delete a record: 200 without a body, Content-Length 0 (recorded)."""
        self._record(patient_id, cdt_name, record_id)
        del self.tables[cdt_name][patient_id][record_id]
        self._deleted[cdt_name, patient_id] += self.visibility.count_deleted
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
            isinstance(row, dict) and uuid(row.get("id")) and isinstance(row.get("jsonBody"), dict) for row in rows
        ):
            raise validation_error("rows must be a list of objects with id and jsonBody", "CDT")
        return ok({"rows": [self._bulk_row(formation, table, row) for row in rows]})

    def _bulk_row(self, formation: Formation, table: Mapping[str, Record], row: Record) -> Record:
        record = table.get(row["id"])
        sent = row["jsonBody"]
        if record is None:
            problem = "Data type record not found"
        elif not formation.bulk_fields.issuperset(sent):
            problem = "A field does not allow bulk edit"
        else:
            try:
                write_fields(formation, record["jsonBody"], sent)
            except ApiError as error:
                problem = error.message
            else:
                touch(self.site, record)
                return {"id": row["id"], "jsonBody": record["jsonBody"], "result": {"status": "OK", "content": None}}
        body = sent if record is None else record["jsonBody"]
        return {"id": row["id"], "jsonBody": body, "result": {"status": "ERROR", "content": problem}}

    def list_records(self, call: Call, patient_id: str, cdt_name: str) -> Answer:
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
        # Creation order is what a look-up of freshly created records asks for, unless clocks have stamped it wrong.
        ascending = None if self.visibility.skews else "created_at"
        if "dateStart" in query or "dateEnd" in query:
            records = _between(records, query, ordered=ascending is not None)
        if query.get("filters"):
            records = _filtered(records, query["filters"], formation)
        ordered = sorted_by(records, query, formation.blank, "jsonBody", ascending=ascending)
        total = len(ordered) + self._deleted[cdt_name, patient_id]
        fields = query.get("fields")
        # Whether a projection keeps the system fields is unknown: only what was asked for is kept here.
        encoded = partial(projections_text, names={*fields.split(",")}) if fields else self._texts.array_of
        page = spring_page_text(self.visibility.shown(ordered), query, total, encoded)
        return ok_text(f'{{"name":{encode_text(cdt_name)},"data":{page}}}')


def write_fields(formation: Formation, body: Record, sent: Mapping[str, Any]) -> None:
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
    body.update(formation.altered(accepted) if formation.alterations else accepted)


def _echoed(formation: Formation, record: Record, sent: Mapping[str, Any]) -> Record:
    """The record as a write is answered: with the values of fields that are echoed without being stored."""
    echo = {name: value for name, value in sent.items() if name in formation.echo_only}
    return {**record, "jsonBody": {**record["jsonBody"], **echo}} if echo else record


def _between(records: Sequence[Record], query: Mapping[str, str], *, ordered: bool) -> list[Record]:
    # Which date CDT lists filter on is unknown; dictionaries, the nearest documented relative, use updated_at.
    # Stamps are compared as text: they all have the same form and length.
    start, end = timestamp(query, "dateStart", "CDT") or "", timestamp(query, "dateEnd", "CDT")
    if end is not None or not ordered:
        return [each for each in records if start <= each["jsonBody"]["updated_at"] <= (end or "9")]
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
