"""Records: attrs classes over the JSON they were read from, decoded field by field when read.

A record keeps the mapping the server sent and turns a field into its Python type when the field is first read; the
result is then kept in the field's slot. Text, integers and booleans are what they are on the wire: they are read from
the mapping each time, which costs less than keeping them. Walking a million records and reading two fields of each
therefore pays for two fields, unknown keys survive, absent and null stay apart, and `to_wire` gives back what was
received.

A record built from keyword arguments holds exactly the fields that were given; an explicit None is sent as null.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, dataclass_transform, get_type_hints

import attrs

from welkin_async.errors import DecodeError, InvalidInputError, RequestLine, WelkinError, request_id_of
from welkin_async.wire.codec import JSON, plain
from welkin_async.wire.dates import format_datetime
from welkin_async.wire.pydantic_schema import DocumentedField, core_schema_of, json_schema_of
from welkin_async.wire.structure import decoder_of
from welkin_async.wire.tracebacks import without_frames

if TYPE_CHECKING:
    from welkin_async.wire.request import Answer

R = TypeVar("R", bound="Record")
T = TypeVar("T")

_set = object.__setattr__
_new = object.__new__
_NO_REQUEST = RequestLine("-", "-", "-")


class _Absent:
    """The default of every field: told apart from None, which is sent as null."""

    def __repr__(self) -> str:
        return "ABSENT"


_ABSENT = _Absent()
_BY_HAND: Any = object()  # in place of an answer, in a record made by keywords: what it lacks is not an answer's fault


class _Field(NamedTuple):
    name: str
    slot: types.MemberDescriptorType
    wire_name: str
    inside: str | None
    required: bool
    type_name: str
    is_date: bool
    decode: Callable[[JSON], Any]


def wire(name: str, *, inside: str | None = None, required: bool = False, more: Mapping[str, Any] | None = None) -> Any:
    """Declare a field of a record by its documented name.

    Args:
        name: The key on the wire, such as ``firstName``.
        inside: The key of the object that holds it, such as ``jsonBody``; None for the top level.
        required: Whether every answer has it; reading it where it is missing is an error, other fields read as None.
        more: What else is to be known of the field, in its metadata.
    """
    metadata = {**(more or {}), "wire": name, "inside": inside, "required": required}
    return attrs.field(default=_ABSENT, metadata=metadata)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def record(cls: type[R]) -> type[R]:
    """Make a class of `wire` fields an attrs class: frozen, slotted, keyword-only."""
    made = attrs.define(frozen=True, slots=True, kw_only=True, eq=False, repr=False, str=False)(cls)
    made.__init__ = without_frames(made.__init__)  # type: ignore[method-assign]
    own = made.__dict__
    for attribute in attrs.fields(made):
        if "wire" not in attribute.metadata or attribute.name not in own:
            continue
        slot = own[attribute.name]
        # Annotations are text here: working types out for every class would cost each start of a program.
        kind, optional, _ = str(attribute.type).partition(" | None")
        if kind in _SCALARS:
            field = _scalar(attribute, slot, _SCALARS[kind], optional=bool(optional))
        else:
            field = _decoded(attribute.name, slot)
        # Properties, not `__getattr__`: with that, every attribute of a record would be slow to find.
        setattr(made, attribute.name, field)
        _slots[field] = slot
    return made


_SCALARS: Mapping[str, type] = {"str": str, "int": int, "bool": bool}


def _scalar(attribute: Any, slot: types.MemberDescriptorType, kind: type, *, optional: bool) -> property:
    """Make the property that reads a field of JSON's own types from the mapping; all but the plain case goes on."""
    name, key, inside = attribute.name, attribute.metadata["wire"], attribute.metadata["inside"]

    def read(self: Record) -> Any:
        try:
            value = self._raw[key]
        except (KeyError, TypeError):
            value = _ABSENT
        if type(value) is kind or (value is None and optional):
            return value
        del value  # the frame of an error that is raised in there would hold it
        return _read_slow(self, name, slot)

    def read_inside(self: Record) -> Any:
        try:
            value = self._raw[inside][key]
        except (KeyError, TypeError):
            value = _ABSENT
        if type(value) is kind or (value is None and optional):
            return value
        del value
        return _read_slow(self, name, slot)

    return property(read if inside is None else read_inside, slot.__set__, slot.__delete__)


def _decoded(name: str, slot: types.MemberDescriptorType) -> property:
    """Make the property that decodes a field at its first reading."""
    kept: Callable[[Record], Any] = slot.__get__

    def read(self: Record) -> Any:
        try:
            return kept(self)
        except AttributeError:
            pass  # left first: an error raised in here would show this one as its context
        value = _read(self._raw, _fields(type(self))[name], self._answer)
        slot.__set__(self, value)
        return value

    return property(read, slot.__set__, slot.__delete__)


_slots: dict[property, types.MemberDescriptorType] = {}
"""What the property of a field keeps its value in."""


def _read_slow(self: Record, name: str, slot: types.MemberDescriptorType) -> Any:
    """Read what was given by keyword, or else find out what is wrong with what was received."""
    try:
        return slot.__get__(self)
    except AttributeError:
        pass  # left first: an error raised in here would show this one as its context
    return _read(self._raw, _fields(type(self))[name], self._answer)


@attrs.define(frozen=True, slots=True, kw_only=True, eq=False, repr=False, str=False)
class Record:
    """The base of every record; equality is that of what would be sent."""

    _raw: Any = attrs.field(default=_ABSENT, alias="_raw")
    _answer: Any = attrs.field(default=None, alias="_answer")

    def __attrs_post_init__(self) -> None:
        """Fold the given fields into the mapping, keeping the received text of those that did not change."""
        received = self._raw if isinstance(self._raw, Mapping) else None
        raw: dict[str, JSON] = dict(received or {})
        for field in _fields(type(self)).values():
            value = field.slot.__get__(self)
            if value is _ABSENT:
                field.slot.__delete__(self)
                continue
            if received is not None and value == _read(received, field, self._answer):
                continue
            _refuse_datetime(field, value)
            _put(raw, field, plain(value))
        _set(self, "_raw", raw)
        if received is None:
            _set(self, "_answer", _BY_HAND)

    @classmethod
    def from_wire(cls, raw: Mapping[str, JSON], answer: Answer | None = None) -> Self:
        """Wrap a received object; nothing is decoded yet.

        Args:
            raw: The JSON object, which the record takes over.
            answer: The answer it came in, for `answer_of` and for error texts.
        """
        self = _new(cls)
        _set_raw(self, raw)
        _set_answer(self, answer)
        return self

    @property
    def extra(self) -> Mapping[str, JSON]:
        """What the server sent beside the documented fields."""
        known = {field.inside or field.wire_name for field in _fields(type(self)).values()}
        return types.MappingProxyType({key: value for key, value in self._raw.items() if key not in known})

    def to_dict(self) -> dict[str, JSON]:
        """Return the record as plain data by wire names, to be handed on: as an answer, a message, a line of a file.

        It differs from `to_wire`, which gives back what was received to the letter, in two things. It holds what the
        class documents, and of a CDT record the customer's fields, but no more: keys that the server adds one day,
        which are in ``extra``, do not reach those who are sent this. And values are written in the form of their
        field's type, however the server wrote them: a date as ``YYYY-MM-DD``, a moment in UTC with milliseconds and
        ``Z``. A field that is absent stays absent, and null stays null.

        Returns:
            A mapping of its own, of JSON's types alone.

        Raises:
            DecodeError: a field is not of its type.
        """
        raw, unknown = self._raw, self.extra
        data = _put_together(*_taken_apart({key: item for key, item in raw.items() if key not in unknown}))
        for name, field in _fields(type(self)).items():
            holder: Any = data if field.inside is None else data.get(field.inside)
            if holder is None:
                continue
            value = getattr(self, name)
            if field.wire_name in holder:
                holder[field.wire_name] = _handed_on(value, holder[field.wire_name])
        return data

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic take records as they are, and objects by wire names; called by pydantic alone."""
        return core_schema_of(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Describe what `to_dict` returns, for OpenAPI; called by pydantic alone."""
        return json_schema_of(cls, schema, handler, _documented)

    def __wire__(self) -> Mapping[str, JSON]:
        """Return the JSON object this record stands for, for `codec.plain`."""
        raw: Mapping[str, JSON] = self._raw
        return raw

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self._raw == other._raw)

    def __repr__(self) -> str:
        """Show the class and how many fields there are: values may be patient data."""
        return f"<{type(self).__name__} of {len(self._raw)} fields>"

    def __reduce__(self) -> tuple[Any, ...]:
        if _deeper_than(self._raw, _PICKLED_AS_IT_IS):
            return _unpickle, (type(self), *_taken_apart(self._raw))
        return type(self).from_wire, (dict(self._raw),)


# The slots' own setters: a frozen class has no other way in, and `object.__setattr__` takes half as long again.
_set_raw: Callable[[Record, Any], None] = vars(Record)["_raw"].__set__
_set_answer: Callable[[Record, Any], None] = vars(Record)["_answer"].__set__


def to_wire(record: Record) -> dict[str, JSON]:
    """Give back the documented JSON of a record.

    For a record as received this equals what was received: unknown keys, nulls and absences, the text of dates.

    Args:
        record: Any record.

    Returns:
        A mapping of its own, free to be changed.
    """
    return _put_together(*_taken_apart(record.__wire__()))


def _handed_on(value: Any, written: JSON) -> JSON:
    """Write a decoded value in the form of its type.

    Args:
        value: The value.
        written: It as plain data that may be kept, as it was received.
    """
    if isinstance(value, datetime):
        try:
            return format_datetime(value)
        except ValueError:  # beyond the years that there are in UTC
            return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Record):
        return value.to_dict()
    if type(value) is tuple and isinstance(written, list):
        return [_handed_on(item, each) for item, each in zip(value, written, strict=True)]
    return written


def answer_of(record: Record) -> Answer:
    """Return the answer a record came in: its status, headers and attempts.

    Args:
        record: A record read from the server (one of a page shares the page's answer).

    Raises:
        ValueError: the record was built by hand, is part of another record, or was unpickled.
    """
    answer = record._answer  # noqa: SLF001 - the record's own module
    if answer is None or answer is _BY_HAND or isinstance(answer, _Part):
        raise ValueError("this record did not come in an answer of its own")
    found: Answer = answer
    return found


def detached(record: T) -> T:
    """Return a record whose answer has it alone: one of a page keeps the whole page in memory.

    Args:
        record: A record; what did not come in an answer of its own, or is no record, is returned as it is.
    """
    answer = record._answer if isinstance(record, Record) else None  # noqa: SLF001 - the record's own module
    if not isinstance(record, Record) or answer is None or answer is _BY_HAND or isinstance(answer, _Part):
        return record
    raw = record._raw  # noqa: SLF001
    return type(record).from_wire(raw, attrs.evolve(answer, data=raw))


def _documented(cls: type[Record]) -> Iterator[DocumentedField]:
    """Return the fields of a record class, as pydantic is to describe them."""
    hints = get_type_hints(cls, localns={})
    for name, field in _fields(cls).items():
        yield DocumentedField(field.wire_name, field.inside, field.required, hints[name])


def field_names(cls: type[Record]) -> Mapping[str, str]:
    """Return the wire name of each top-level field of a record class, by its Python name."""
    return {name: field.wire_name for name, field in _fields(cls).items() if field.inside is None}


_PICKLED_AS_IT_IS = 100  # levels; pickle calls itself at each, and an answer may have a thousand

_Links = list[tuple[int, Any, int]]


def _taken_apart(raw: Mapping[str, JSON]) -> tuple[list[Any], _Links]:
    """Copy an object as a list of flat containers, the object itself first, and what links them.

    Without recursion: an answer may be nested deeper than Python calls itself.

    Returns:
        The containers, None where another belongs; and container, key and the other's number for each such place.
    """
    parts: list[Any] = [{}]
    links: _Links = []
    pending: list[tuple[Any, int]] = [(raw, 0)]
    while pending:
        source, number = pending.pop()
        copy = parts[number]
        for key, item in enumerate(source) if type(copy) is list else source.items():
            if isinstance(item, list | Mapping):
                links.append((number, key, len(parts)))
                pending.append((item, len(parts)))
                parts.append([None] * len(item) if isinstance(item, list) else {})
                item = None
            copy[key] = item
    return parts, links


def _put_together(parts: list[Any], links: _Links) -> dict[str, JSON]:
    """Link the containers of `_taken_apart`."""
    for number, key, other in links:
        parts[number][key] = parts[other]
    whole: dict[str, JSON] = parts[0]
    return whole


def _unpickle(cls: type[R], parts: list[Any], links: _Links) -> R:
    return cls.from_wire(_put_together(parts, links))


def _deeper_than(raw: Mapping[str, JSON], most: int) -> bool:
    """Return whether an object is nested deeper than so many levels."""
    level: list[Any] = [raw]
    for _ in range(most):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, Mapping) else container)
            if isinstance(item, list | Mapping)
        ]
        if not level:
            return False
    return True


def _put(raw: dict[str, JSON], field: _Field, value: JSON) -> None:
    if field.inside is None:
        raw[field.wire_name] = value
    else:
        raw[field.inside] = {**(raw.get(field.inside) or {}), field.wire_name: value}


def _read(raw: Mapping[str, JSON], field: _Field, answer: Answer | _Part | None) -> Any:
    """Find a field in the mapping and decode it; absent reads as None."""
    try:
        if field.inside is not None:
            raw = raw[field.inside]
        value = raw[field.wire_name]
    except KeyError:
        if not field.required or answer is _BY_HAND:
            return None
        reason = f"{_where(field)} is missing"
    except TypeError:
        reason = f"{field.inside} is not an object"
    else:
        try:
            decoded = field.decode(value)
        except (ValueError, TypeError, WelkinError):
            # Not chained: the cause quotes the value.
            reason = f"{_where(field)} is not {field.type_name}"
        else:
            if answer is not None and answer is not _BY_HAND:
                _share(decoded, answer, field)
            return decoded
    raw, value = {}, None  # what the error's frame would hold
    raise decode_error(reason, answer)


def _where(field: _Field) -> str:
    return field.wire_name if field.inside is None else f"{field.inside}.{field.wire_name}"


class _Part(NamedTuple):
    """What a nested record keeps in place of its answer: the answer, and where the record stands in it."""

    answer: Answer
    path: str


def _share(value: Any, answer: Answer | _Part, field: _Field) -> None:
    """Let nested records name their operation and place when one of their fields cannot be decoded."""
    if isinstance(value, Record):
        _set(value, "_answer", _part(answer, _where(field)))
    elif type(value) is tuple:
        for index, item in enumerate(value):
            if isinstance(item, Record):
                _set(item, "_answer", _part(answer, f"{_where(field)}[{index}]"))


def _part(answer: Answer | _Part, path: str) -> _Part:
    return _Part(answer.answer, f"{answer.path}.{path}") if isinstance(answer, _Part) else _Part(answer, path)


def decode_error(reason: str, answer: Answer | _Part | None) -> DecodeError:
    """Build the error for an answer that is not as documented, naming its operation.

    Args:
        reason: What is wrong with it, beginning with the path of the field where it is one.
        answer: The answer, or what a nested record keeps in its place.
    """
    if isinstance(answer, _Part):
        reason, answer = f"{answer.path}.{reason}", answer.answer
    if answer is None or answer is _BY_HAND:
        return DecodeError(reason, request=_NO_REQUEST)
    return DecodeError(
        reason,
        request=answer.request,
        status=answer.status,
        attempts=answer.attempts,
        request_id=request_id_of(answer.headers),
        safe_to_repeat=answer.request.method in ("GET", "HEAD"),
    )


_compiled: dict[Any, Mapping[str, _Field]] = {}


def _fields(cls: type[Record]) -> Mapping[str, _Field]:
    """Return the fields of a record class."""
    return _compiled.get(cls) or _compiled.setdefault(cls, _compile(cls))


def _compile(cls: type[Record]) -> Mapping[str, _Field]:
    """Work out names, places and decoders, once for each class."""
    hints = get_type_hints(cls, localns={})  # not the class: a field called `date` would hide the type
    fields = {}
    for attribute in attrs.fields(cls):
        if "wire" not in attribute.metadata:
            continue
        hint = hints[attribute.name]
        fields[attribute.name] = _Field(
            name=attribute.name,
            slot=_slots[getattr(cls, attribute.name)],
            wire_name=attribute.metadata["wire"],
            inside=attribute.metadata["inside"],
            required=attribute.metadata["required"],
            type_name=_type_name(hint),
            is_date=date in (hint, *getattr(hint, "__args__", ())),
            decode=decoder_of(hint),
        )
    return fields


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def wire_body(cls: type[Record], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Name keyword fields as the wire does.

    Args:
        cls: The record class whose field names the keywords are.
        fields: Values by Python name.

    Returns:
        The values by wire name.

    Raises:
        InvalidInputError: a keyword is not a field of the record.
    """
    known = _fields(cls)
    body = {}
    for name, value in fields.items():
        field = known.get(name)
        if field is None or field.inside is not None:
            raise InvalidInputError(
                f"no such field of {cls.__name__}; for others pass a mapping of wire names", (name,)
            )
        _refuse_datetime(field, value)
        body[field.wire_name] = value
    return body


def _refuse_datetime(field: _Field, value: object) -> None:
    """Refuse a moment where a date is wanted: in UTC it may be another day."""
    if field.is_date and isinstance(value, datetime):
        raise InvalidInputError("a datetime where a date is wanted; give its date()", (field.name,))


def records_of(cls: type[R], items: list[JSON], answer: Answer) -> tuple[R, ...]:
    """Wrap each object of a list.

    Args:
        cls: The class of the records.
        items: The list.
        answer: The answer it came in.

    Raises:
        DecodeError: an element is not an object.
    """
    records = []
    for item in items:
        if type(item) is not dict:
            raise decode_error(f"element {items.index(item)} of the page is not an object", answer)
        made = _new(cls)
        _set_raw(made, item)
        _set_answer(made, answer)
        records.append(made)
    return tuple(records)
