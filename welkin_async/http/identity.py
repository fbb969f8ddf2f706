"""Identity of answers: what an answer must share with its request, operation by operation. Pure.

HTTP/1.1 tells whose answer it is by order alone, so an answer too many shifts every later one on its connection. What
an answer says of itself (an id, a patient, a name, a page's number) is therefore compared with what was asked for.
Ids differ legitimately in some operations (recorded); those compare another field or none. A field's value is never
compared where the request named an id or a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Any

import attrs

from welkin_async.errors import ErrorItem
from welkin_async.wire.codec import JSON, WireValue, plain
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Request, encode_segment

Differences = tuple[tuple[str, object], ...]
"""The fields an answer has otherwise than asked for, each with what it has."""

Same = Callable[[str, str], bool]


def same_segment(found: str, asked: str) -> bool:
    """Compare a value with a path parameter, which is percent-encoded."""
    return found == asked or encoded(found) == asked


def same_uuid(found: str, asked: str) -> bool:
    """Compare as UUIDs: letters in either case, with braces and hyphens or without."""
    return same_segment(found, asked) or found.lower().strip("{}").replace("-", "") == asked.lower().replace("-", "")


def same_folded(found: str, asked: str) -> bool:
    """Compare trimmed and without regard to case."""
    return encoded(found.strip().casefold()) == asked or _folded(encoded(found.strip())) == _folded(asked)


def same_text(found: str, sent: str) -> bool:
    """Compare texts of a body without regard to case and white space."""
    return " ".join(found.split()).casefold() == " ".join(sent.split()).casefold()


def _folded(text: str) -> str:
    return text.casefold()


def encoded(text: str) -> str:
    """Percent-encode a value as a segment of a path; one that no path holds gives an empty text."""
    try:
        return encode_segment(text)
    except ValueError:  # empty, or with a lone surrogate: no path holds it
        return ""


def _nothing(_: object) -> None:
    """Take nothing out of an answer, or a request, that names nothing."""


def _taker(names: Sequence[str]) -> Callable[[Any], object]:
    """Return what takes the values of these names out of a mapping: one as it is, several as a tuple."""
    return itemgetter(*names) if names else _nothing


@attrs.frozen
class Fact:
    """A field of an answer that must be what the request asked for, where the answer has it.

    Attributes:
        field: Where the answer has it, objects in objects parted by dots.
        parameter: The path's parameter.
        same: Compares the two.
        required: Whether the answer must have it.
        names: Whether it tells one record from others; a page's number or a CDT's name does not.
    """

    field: str
    parameter: str
    same: Same = same_segment
    required: bool = False
    names: bool = True


@attrs.frozen
class Sent:
    """A field of an answer that must be what the request's body had, where both have it.

    Attributes:
        field: Its name in the body, and in the answer.
        same: Compares the two.
        required: Whether the answer must have it where the body has.
    """

    field: str
    same: Same = same_segment
    required: bool = False


@attrs.frozen(kw_only=True)
class Identity:
    """What an operation's answer must share with its request.

    Attributes:
        facts: Fields of the answer.
        by_type: The first fact's substitute by the query's ``type``.
        rows: Fields of each row of a list.
        page: Whether the answer states the number of the page asked for.
        sent: Fields of the body.
        fields: Whether the fields of the body come back in ``jsonBody``; a key among them names the record.
        changed: Where the fields of a body that changes a record come back: ``jsonBody``, or empty for the answer
            itself. One that has them otherwise is of the record as it was before. None where they do not come back.
        batch: Whether the ids of the answer's rows are among those of the body's.
        gone: Error codes by which a 404 says that this very record is not there; empty where none is known.
        readable: Whether a GET of the same path reads the record, so that it can be asked whether it is gone.
    """

    facts: tuple[Fact, ...] = ()
    by_type: Mapping[str, Fact] = attrs.field(factory=dict)
    rows: tuple[Fact, ...] = ()
    page: bool = False
    sent: tuple[Sent, ...] = ()
    fields: bool = False
    changed: str | None = None
    batch: bool = False
    gone: frozenset[str] = frozenset()
    readable: bool = False
    _in_answer: Callable[[Any], object] = attrs.field(
        default=attrs.Factory(lambda self: _taker([fact.field for fact in self.facts]), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )
    _in_request: Callable[[Mapping[str, str]], object] = attrs.field(
        default=attrs.Factory(lambda self: _taker([fact.parameter for fact in self.facts]), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )
    _naming: bool = attrs.field(
        default=attrs.Factory(lambda self: any(fact.names for fact in self.facts), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )
    _lists: bool = attrs.field(
        default=attrs.Factory(lambda self: bool(self.page or self.rows or self.batch), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )

    def differences(self, request: Request, data: JSON) -> Differences | None:
        """Compare an answer with its request.

        Args:
            request: What was asked for; its ``verbatim`` is set where fields are compared.
            data: The answer's parsed body.

        Returns:
            The fields that differ; none where the answer is the request's own; None where it names no record, so that
            nothing can be said.
        """
        found: list[tuple[str, object]] = []
        try:  # letter by letter the same, as nearly always: two calls in C
            same = self._in_answer(data) == self._in_request(request.asked)
        except (KeyError, TypeError, IndexError):
            same = False
        by_other_key = self.by_type and request.query and request.query.get("type")
        named = self._naming if same and not by_other_key else self._compare(request, data, found)
        if self._lists:
            named = self._list(request, data, found) or named
        sent = request.sent
        if sent is not None:
            for each in self.sent:
                value, text = _dig(data, each.field), _text(_member(sent, each.field))
                if text is None or (value is None and not each.required):
                    continue
                if value == text or (value is not None and each.same(str(value), text)):
                    named = True
                else:
                    found.append((each.field, value))
            if self.fields and (type(sent) is dict or isinstance(sent, Mapping)) and type(data) is dict:
                named = _fields(request, sent, data, found) or named
            if self.changed is not None:
                _unchanged(plain(sent), data, self.changed, found)
        if found:
            return tuple(found)
        return () if named else None

    def _compare(self, request: Request, data: Any, found: list[tuple[str, object]]) -> bool:
        """Compare the facts one by one; return whether one names the record."""
        named = False
        asked = request.asked
        for fact in self.facts if not self.by_type else self._facts(request):
            try:
                value = data[fact.field]
            except (KeyError, TypeError, IndexError):
                value = _dig(data, fact.field)
            wanted = asked.get(fact.parameter)
            if value is None:
                if fact.required:
                    found.append((fact.field, None))
            elif value == wanted or wanted is None:
                named = named or (fact.names and wanted is not None)
            elif fact.same(str(value), wanted) or self._was_sent(request, fact, value):
                named = named or fact.names
            else:
                found.append((fact.field, value))
        return named

    def says_gone(self, items: Sequence[ErrorItem]) -> bool:
        """Return whether an error says, in Welkin's own words, that this very record is not there.

        A gateway's page does not, nor does an error about the record's patient.

        Args:
            items: The error body's objects.
        """
        return any(item.error_code in self.gone for item in items)

    def _facts(self, request: Request) -> tuple[Fact, ...]:
        """Return the facts that hold for the kind of key the query names."""
        query = request.query
        if query is None or (kind := query.get("type")) is None:
            return self.facts
        other = self.by_type.get(str(getattr(kind, "value", kind)))
        return self.facts if other is None else (other, *self.facts[1:])

    def _was_sent(self, request: Request, fact: Fact, value: object) -> bool:
        """Return whether the body itself changes the field the path names: then the answer may have the new value."""
        wanted = _text(_member(request.sent, fact.field))
        return wanted is not None and fact.same(str(value), encoded(wanted))

    def _list(self, request: Request, data: JSON, found: list[tuple[str, object]]) -> bool:
        """Compare a page with what was asked for; tell whether a row names it."""
        query, rows = request.query, _rows(data)
        if rows is None:
            if self.page:
                found.append(("rows", None))
            return False
        if self.page and query is not None and "page" in query:
            number = _page_number(data)
            if type(number) is int and number != query["page"]:
                found.append(("page", number))
        if not rows:
            return False
        named = False
        if self.batch and request.sent is not None:
            asked = {str(_member(row, "id")).lower(): row for row in _rows(_plain(request.sent)) or ()}
            for row in rows:
                own = asked.get(str(_member(row, "id")).lower())
                if own is None:
                    found.append(("rows.id", _member(row, "id")))
                    break
                named = True
                if _dig(row, "result.status") == "OK":
                    _unchanged(plain(_member(own, "jsonBody")), row, "jsonBody", found)
        if query is not None and "fields" in query and query["fields"]:
            return named  # a projection may leave anything out
        for fact in self.rows:
            field, wanted = fact.field, request.asked.get(fact.parameter)
            deep = "." in field
            for row in rows:
                try:
                    value = _dig(row, field) if deep else row[field]
                except (KeyError, TypeError, IndexError):
                    continue
                if value == wanted or (wanted is not None and value is not None and fact.same(str(value), wanted)):
                    named = True
                elif value is not None and wanted is not None:
                    found.append((f"rows.{field}", None))
                    break
        return named


_KEYS = ("external_id", "external_guid")
_ATOMS = frozenset({int, float, bool})


def _fields(
    request: Request, sent: Mapping[str, Any], data: Mapping[str, JSON], found: list[tuple[str, object]]
) -> bool:
    """Compare the fields of a new record with those that came back; tell whether they name it.

    A field that did not come back was dropped, which proves nothing. Where a key is the same the other fields do not
    matter.
    """
    request.verbatim = False
    try:
        body = data["jsonBody"]
    except KeyError:
        return False
    if type(body) is not dict:
        return False
    named, verbatim = False, True
    others: list[tuple[str, object]] = []
    for name, value in sent.items():
        try:
            back = body[name]
        except KeyError:
            verbatim = False
            continue
        if back == value:
            if type(value) is str:
                named = True
            elif back is not None:
                named = True
                if type(value) is not type(back) or type(value) not in _ATOMS:  # 1 equals true, in lists as well
                    verbatim = False
        else:
            verbatim = False
            if back is not None and value is not None and _another_value(value, back):
                others.append((f"jsonBody.{name}", back))
    request.verbatim = verbatim
    if not verbatim and _same_key(sent, body):
        return True
    found += others
    return named


def _same_key(sent: Mapping[str, Any], body: Mapping[str, JSON]) -> bool:
    """Return whether a new record came back with a key that it was sent with."""
    for name in _KEYS:
        if name in sent and name in body and sent[name] is not None and body[name] is not None:
            key, value = str(sent[name]), str(body[name])
            if key == value or same_folded(value, encoded(key.strip())):
                return True
    return False


def _unchanged(sent: JSON, data: JSON, place: str, found: list[tuple[str, object]]) -> None:
    """Find the fields that an answer does not have as they were to become.

    Such an answer may be that to an earlier request for the same record. An array or object may be filled up or put in
    order by the server, and is not compared.
    """
    body = _dig(data, place) if place else data
    if type(sent) is not dict or type(body) is not dict:
        return
    for name, value in sent.items():
        back = body.get(name)
        if back == value or (not place and name not in body):
            continue
        if isinstance(value, list | dict | tuple) or isinstance(back, list | dict):
            continue
        if (back is None) is not (value is None) or _another_value(value, back) or _another_moment(value, back):
            found.append((f"{place or 'body'}.{name}", back))


def _another_moment(sent: object, back: object) -> bool:
    """Return whether both are moments, or both are days, and not the same."""
    if not (isinstance(sent, str) and isinstance(back, str)):
        return False
    if len(sent) == len(back) == _DAY:
        return sent != back
    try:
        one, other = datetime.fromisoformat(sent), datetime.fromisoformat(back)
    except ValueError:
        return False
    return one.tzinfo is not None and other.tzinfo is not None and abs(one - other) >= timedelta(seconds=1)


def _another_value(sent: object, back: object) -> bool:
    """Return whether a value is surely another than was sent, and not the same in another form."""
    if isinstance(sent, bool) or isinstance(back, bool):
        return isinstance(sent, bool) and isinstance(back, bool)
    if isinstance(sent, int | float) and isinstance(back, int | float):
        return True
    if not (isinstance(sent, str) and isinstance(back, str)):
        return False
    try:  # a moment may come back in another zone
        return abs(date.fromisoformat(sent[:10]) - date.fromisoformat(back[:10])).days > 1
    except ValueError:
        pass
    return not same_text(back, sent)


class KnownChanges:
    """The fields of new records that a server is known to change: then a difference proves nothing.

    A field is known once it came back changed in three answers that were the first on their connections, and so
    nobody else's.
    """

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def accepts(self, request: Request, differences: Differences, exchange: Exchange | None) -> bool:
        """Return whether an answer is the request's own although fields differ.

        Args:
            request: What was asked for.
            differences: What differs.
            exchange: Where the answer came from.
        """
        if any(not field.startswith(_VALUES) for field, _ in differences):
            return False
        cdt = request.asked.get("cdt_name") or request.asked.get("pdt_name") or ""
        fields = [(request.operation.name, cdt, field) for field, _ in differences]
        if exchange is not None and exchange.number == 1:
            self._seen.update(fields)
            return True
        return all(self._seen[field] >= _TIMES_SEEN for field in fields)


_DAY = len("2024-02-29")
_TIMES_SEEN = 3
_VALUES = ("jsonBody.", "body.", "firstName", "lastName")  # what a caller gives, and a server may write otherwise


def _dig(data: JSON, field: str) -> JSON:
    """Find a field by its dotted name; None where it is not there. A list of one object stands for the object."""
    if type(data) is list and len(data) == 1:
        data = data[0]
    for name in field.split("."):
        if type(data) is not dict:
            return None
        data = data.get(name)
    return data


def _rows(data: Any) -> Sequence[Any] | None:
    """Find the rows of a list, in whichever envelope; None where there are none."""
    while type(data) is dict:
        for name in _ENVELOPES:
            if name in data and type(data[name]) is list:
                rows: list[Any] = data[name]
                return rows
        data = data.get("data")
    return data if type(data) is list or type(data) is tuple else None


_ENVELOPES = ("content", "rows", "records")


def _page_number(data: JSON) -> JSON:
    """Find the number a page states; None where it states none."""
    if type(data) is not dict:
        return None
    meta = data.get("metaInfo")
    if type(meta) is dict:
        return meta.get("page")
    inner = data.get("data")
    return (inner if type(inner) is dict else data).get("number")


def _plain(value: object) -> object:
    """Return the mapping of a record, and anything else as it is."""
    return value.__wire__() if isinstance(value, WireValue) else value


def _member(value: object, name: str) -> object:
    """Return a member of what was sent, a record or a mapping; None where it has none."""
    value = _plain(value)
    return value.get(name) if isinstance(value, Mapping) else None


def _text(value: object) -> str | None:
    return None if value is None or isinstance(value, list | dict) else str(value)
