"""Dictionaries: tables of code values, kept per instance."""

from __future__ import annotations

from typing import Any

import attrs

from welkin_async.sandbox.api.formations import VersionedFormations
from welkin_async.sandbox.http.errors import not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.dates import between_dates
from welkin_async.sandbox.site import Site


@attrs.define
class Dictionaries:
    """Dictionaries and their section of the API.

    Attributes:
        site: Clock and ids.
        formations: Definitions of the dictionaries.
        tables: Records by dictionary, then id.
    """

    site: Site
    formations: VersionedFormations
    tables: dict[str, dict[str, Record]] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/dictionaries/{dictionary_name}"
        usual = "list_records get_record update_record delete_record"
        routes.collection("dictionaries", base + "/{record_id}", self, usual, update="PUT")
        routes.add("dictionaries.add_records", "POST", base, self.add_records)
        routes.add("dictionaries.replace_records", "PUT", base, self.replace_records)

    def _table(self, name: str, *, write: bool = False) -> tuple[Record, dict[str, Record]]:
        """Definition and records; 404 for an unknown dictionary (its code is unknown: chosen here)."""
        definition = self.formations.current["dictionaries"].get(name)
        if definition is None:
            raise not_found("DICTIONARY_NOT_FOUND", "DICTIONARY", "Dictionary not found", dictionaryName=name)
        if write and definition["internal"]:
            raise validation_error("The dictionary cannot be changed", "DICTIONARY", dictionaryName=name)
        return definition, self.tables.setdefault(name, {})

    def _record(self, name: str, record_id: str, *, write: bool = False) -> tuple[Record, Record]:
        definition, table = self._table(name, write=write)
        found = table.get(record_id.lower())
        if found is None:
            raise not_found("DICTIONARY_RECORD_NOT_FOUND", "DICTIONARY", "Dictionary record not found", id=record_id)
        return definition, found

    def _answer(self, name: str, records: list[Record], status: int = 200) -> Answer:
        latest = max((each["updatedAt"] for each in self.tables.get(name, {}).values()), default=None)
        return ok({"dictionaryName": name, "lastUpdatedAt": latest, "records": records}, status)

    def _values(self, definition: Record, sent: Any) -> Record:
        """The values of one record; unknown fields are dropped (unknown: chosen as for CDT records)."""
        values = sent.get("values") if isinstance(sent, dict) else None
        if not isinstance(values, dict):
            raise validation_error("a record is an object with values", "DICTIONARY", field="values")
        known = {name: values.get(name) for name in (each["name"] for each in definition["fields"])}
        text = " - ".join(str(value) for value in known.values() if value is not None)
        return {"updatedAt": self.site.clock.stamp(), "fullValue": text, "values": known}

    def list_records(self, call: Call, dictionary_name: str) -> Answer:
        """Every record, unpaged, by `dateStart` and `dateEnd` on updatedAt; deleted ones with `showDeleted`."""
        _, table = self._table(dictionary_name)
        deleted = call.flag("showDeleted")
        found = [each for each in table.values() if deleted or not each["deleted"]]
        found = between_dates(found, call.query, lambda each: each["updatedAt"], "DICTIONARY")
        return self._answer(dictionary_name, found)

    def get_record(self, call: Call, dictionary_name: str, record_id: str) -> Answer:
        """One record, deleted or not."""
        return ok(self._record(dictionary_name, record_id)[1])

    def add_records(self, call: Call, dictionary_name: str) -> Answer:
        """Add records: 201 with only those added (documented)."""
        return self._add(call, dictionary_name, replace=False)

    def replace_records(self, call: Call, dictionary_name: str) -> Answer:
        """Remove every record for good, then add: 201 (documented)."""
        return self._add(call, dictionary_name, replace=True)

    def _add(self, call: Call, name: str, *, replace: bool) -> Answer:
        definition, table = self._table(name, write=True)
        sent = call.object().get("records")
        if not isinstance(sent, list):
            raise validation_error("records must be a list", "DICTIONARY", field="records")
        made = [self._values(definition, each) for each in sent]
        added = [{"id": self.site.new_id(), "createdAt": each["updatedAt"], "deleted": False, **each} for each in made]
        if replace:
            table.clear()
        table.update((each["id"], each) for each in added)
        return self._answer(name, added, 201)

    def update_record(self, call: Call, dictionary_name: str, record_id: str) -> Answer:
        """Replace a record's values (documented)."""
        definition, record = self._record(dictionary_name, record_id, write=True)
        record.update(self._values(definition, call.object()))
        return ok(record)

    def delete_record(self, call: Call, dictionary_name: str, record_id: str) -> Answer:
        """Mark a record deleted: 200 with the record (documented)."""
        _, record = self._record(dictionary_name, record_id, write=True)
        record |= {"deleted": True, "updatedAt": self.site.clock.stamp()}
        return ok(record)
