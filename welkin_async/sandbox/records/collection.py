"""Collection: records that are listed, created, read, changed and deleted one by one, and these five operations.

A section of the API says what its records are, and overrides the steps in which it differs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection as Names
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import attrs

from welkin_async.sandbox.http.errors import ApiError, not_found, record_not_found, restricted
from welkin_async.sandbox.http.messages import Answer, Call, Record, no_content, ok
from welkin_async.sandbox.records.pages import meta_page, sorted_by, spring_page
from welkin_async.sandbox.records.records import known_fields, touch
from welkin_async.sandbox.records.values import Kind
from welkin_async.sandbox.site import Site

_PAGES = {"content": spring_page, "data": meta_page}


@attrs.define
class Collection(ABC):
    """Collection of records; the path of one is the keys of its owners, such as its patient, then its own.

    Attributes:
        site: Clock, ids and author.
        component: `componentType` of errors.
        unknown: Code and message of the 404 of a record; None for those of CDT records.
        details: Names under which that 404 has the keys of the path, the record's own first.
        cdt_name: Name of the CDT that it says, where it is that of CDT records.
        fields: Kinds of the fields that can be changed, the others being dropped; None takes whatever is sent.
        new_fields: Kinds of the fields of a new record; None for those that can be changed.
        required: Fields that a new record must have.
        restricted: Whether API clients may delete records only where the site allows it.
        page: Key under which a page of a list holds the records; None for a bare array of them all.
        sortable: Fields that a list can be sorted by; None for those of its first record.
        inside: Key under which a record keeps its fields; None where they are at its top.
    """

    component: ClassVar[str] = "CDT"
    unknown: ClassVar[tuple[str, str] | None] = None
    details: ClassVar[tuple[str, ...]] = ("id", "patientId")
    cdt_name: ClassVar[str] = ""
    fields: ClassVar[Mapping[str, Kind] | None] = None
    new_fields: ClassVar[Mapping[str, Kind] | None] = None
    required: ClassVar[Names[str]] = ()
    restricted: ClassVar[bool] = False
    page: ClassVar[Literal["content", "data"] | None] = "data"
    sortable: ClassVar[Names[str] | None] = None
    inside: ClassVar[str | None] = None

    site: Site

    @abstractmethod
    def rows(self, *owners: Any, **_: Any) -> dict[str, Record]:
        """The records by id, in order of creation, to be read and changed.

        Args:
            owners: Keys of their owners.

        Raises:
            ApiError: 404, there is no such owner.
        """

    def missing(self, *path: Any, **_: Any) -> ApiError:
        """The 404 of a record.

        Args:
            path: Keys of its owners, then its own.
        """
        if self.unknown is None:
            return record_not_found(path[0], self.cdt_name, path[-1])
        code, message = self.unknown
        return not_found(code, self.component, message, **dict(zip(self.details, reversed(path), strict=False)))

    def find(self, *path: Any, **_: Any) -> Record:
        """A record.

        Args:
            path: Keys of its owners, then its own.

        Raises:
            ApiError: 404, there is no such record or owner.
        """
        found = self.rows(*path[:-1]).get(str(path[-1]).lower())
        if found is None:
            raise self.missing(*path)
        return found

    def asked(self, call: Call, *path: Any, **_: Any) -> Record:
        """The record that a call asks for.

        Args:
            call: Whose query may say what its key is.
            path: Keys of its owners, then its own.
        """
        return self.find(*path)

    def made(self, sent: Record, *owners: Any, **_: Any) -> Record:
        """A new record.

        Args:
            sent: Its fields.
            owners: Keys of its owners.
        """
        raise NotImplementedError

    def write(self, record: Record, sent: Record) -> None:
        """Change a record.

        Args:
            record: As it is kept.
            sent: Fields that can be changed.
        """
        (record[self.inside] if self.inside else record).update(sent)

    def shown(self, record: Record) -> Record:
        """A record as answers hold it.

        Args:
            record: As it is kept.
        """
        return record

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those of a list's records that a call asks for.

        Args:
            call: Whose query names them.
            records: All there are.
        """
        return records

    def listed(self, call: Call, *owners: Any, **_: Any) -> Any:
        """What answers a list: a page, or a bare array.

        Args:
            call: Whose query asks for a page and an order.
            owners: Keys of the records' owners.
        """
        found = [self.shown(each) for each in self.chosen(call, self.rows(*owners).values())]
        return found if self.page is None else self.paged(call, found)

    def paged(self, call: Call, records: list[Record]) -> Record:
        """A page of records.

        Args:
            call: Whose query asks for a page and an order.
            records: As answers hold them.
        """
        return _PAGES[self.page or "data"](sorted_by(records, call.query, self.sortable, self.inside), call.query)

    def list_records(self, call: Call, *owners: Any, **_: Any) -> Answer:
        """The records of a list: 200."""
        return ok(self.listed(call, *owners))

    def create(self, call: Call, *owners: Any, **_: Any) -> Answer:
        """Create a record: 201."""
        rows = self.rows(*owners)
        sent = self._sent(call, self.fields if self.new_fields is None else self.new_fields, self.required)
        record = self.made(sent, *owners)
        rows[record["id"]] = record
        return ok(self.shown(record), 201)

    def get(self, call: Call, *path: Any, **_: Any) -> Answer:
        """One record: 200."""
        return ok(self.shown(self.asked(call, *path)))

    def update(self, call: Call, *path: Any, **_: Any) -> Answer:
        """Change the fields sent: 200 with the whole record."""
        record = self.asked(call, *path)
        self.write(record, self._sent(call, self.fields))
        touch(self.site, record)
        return ok(self.shown(record))

    def delete(self, call: Call, *path: Any, **_: Any) -> Answer:
        """Delete a record, with what belongs to it: 200 without a body; 403 where that is restricted."""
        if self.restricted and not self.site.allow_delete:
            raise restricted(self.site, call.path)
        record = self.asked(call, *path)
        del self.rows(*path[:-1])[record["id"]]
        self.dropped(record)
        return no_content()

    def dropped(self, record: Record) -> None:  # noqa: B027 - most have nothing to remove
        """Remove what belongs to a record that was deleted.

        Args:
            record: As it was kept.
        """

    def _sent(self, call: Call, fields: Mapping[str, Kind] | None, required: Names[str] = ()) -> Record:
        return call.object() if fields is None else known_fields(call.object(), fields, self.component, required)
