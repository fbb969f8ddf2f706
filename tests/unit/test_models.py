"""Every record class: what its hints and its docstring promise holds for whatever a server may send."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from welkin_async.errors import DecodeError
from welkin_async.models.cdts import SYSTEM_FIELDS
from welkin_async.wire.codec import best_codec, stdlib_codec
from welkin_async.wire.records import Record, answer_of, to_wire

from .wireforms import (
    CLASSES,
    LINE,
    SECRET,
    Field,
    answer,
    fields,
    fits,
    python_values,
    wire_objects,
    wrong_values,
)

EVERY_CLASS = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def holding(field: Field, value: Any) -> dict[str, Any]:
    return {field.wire_name: value} if field.inside is None else {field.inside: {field.wire_name: value}}


def failure(record: Record, name: str) -> DecodeError | None:
    try:
        getattr(record, name)
    except DecodeError as error:
        return error
    return None


def test_all_classes_are_found() -> None:
    assert len(CLASSES) > 40
    assert {"Patient", "CdtRecord", "User", "WorkHours", "CdtFormation"} <= {cls.__name__ for cls in CLASSES}


@EVERY_CLASS
def test_a_wire_name_follows_from_the_field_or_stands_in_the_docstring(cls: type[Record]) -> None:
    text = " ".join((parent.__doc__ or "") for parent in cls.__mro__ if parent is not object)
    for field in fields(cls):
        first, *others = field.name.rstrip("_").split("_")
        by_rule = first + "".join(word.capitalize() for word in others)
        full = field.wire_name if field.inside is None else f"{field.inside}.{field.wire_name}"
        system = field.inside is not None and field.name in SYSTEM_FIELDS
        assert (field.wire_name == (field.name if system else by_rule)) or f"{field.name}: ``{full}``" in text, (
            field.name
        )
        assert field.inside is None or f"inside ``{field.inside}``" in text, field.name


@EVERY_CLASS
@given(data=st.data())
@FEW
def test_a_record_gives_back_what_was_received_whatever_was_read_of_it(cls: type[Record], data: st.DataObject) -> None:
    raw = data.draw(wire_objects(cls))
    received = copy.deepcopy(raw)
    record = cls.from_wire(raw, answer(raw))
    for again in range(2):
        assert to_wire(record) == received
        assert list(to_wire(record)) == list(received)
        for codec in (stdlib_codec(), best_codec()):
            assert codec.loads(codec.encode(record)) == received
        for field in fields(cls) if not again else ():
            value = getattr(record, field.name)
            assert fits(value, field.hint) or (value is None and not field.required), field.name
            assert getattr(record, field.name) is value
    changed = to_wire(record)
    changed[SECRET] = 1
    assert to_wire(record) == received


@EVERY_CLASS
@given(data=st.data())
@FEW
def test_a_record_is_equal_to_its_copies_and_shows_nothing(cls: type[Record], data: st.DataObject) -> None:
    raw = data.draw(wire_objects(cls))
    raw[SECRET] = SECRET
    record = cls.from_wire(raw, answer(raw))
    twins = [
        copy.copy(record),
        copy.deepcopy(record),
        cls.from_wire(copy.deepcopy(raw)),
        *(pickle.loads(pickle.dumps(record, version)) for version in range(pickle.HIGHEST_PROTOCOL + 1)),
    ]
    for twin in twins:
        assert type(twin) is cls
        assert twin == record
        assert to_wire(twin) == raw
    assert cls.from_wire({**raw, "another key": 1}) != record
    assert record != raw
    for text in (repr(record), str(record), f"{record}"):
        assert text == f"<{cls.__name__} of {len(raw)} fields>"
    assert record.extra[SECRET] == SECRET


@EVERY_CLASS
@given(data=st.data())
@FEW
def test_a_record_made_by_keywords_holds_exactly_what_was_given(cls: type[Record], data: st.DataObject) -> None:
    declared = fields(cls)
    chosen = data.draw(st.lists(st.sampled_from(declared), max_size=8, unique_by=lambda field: field.name))
    given = {field.name: data.draw(python_values(field.hint)) for field in chosen}
    record = cls(**given)
    for field in declared:
        if field.name in given:
            assert getattr(record, field.name) == given[field.name]
    wire = to_wire(record)
    said = {
        name if not (isinstance(value, Mapping) and any(f.inside == name for f in declared)) else f"{name}.{key}"
        for name, value in wire.items()
        for key in (value if isinstance(value, Mapping) and any(f.inside == name for f in declared) else [""])
    }
    assert said == {f.wire_name if f.inside is None else f"{f.inside}.{f.wire_name}" for f in chosen}
    again = cls.from_wire(best_codec().loads(best_codec().encode(record)))
    assert again == record
    for field in chosen:
        assert getattr(again, field.name) == given[field.name]


@EVERY_CLASS
def test_absent_fields_read_as_none_and_are_not_sent(cls: type[Record]) -> None:
    record = cls.from_wire({})
    for field in fields(cls):
        if not field.required:
            assert getattr(record, field.name) is None
    assert to_wire(record) == {}
    assert to_wire(cls()) == {}


@EVERY_CLASS
def test_an_explicit_none_is_sent_as_null(cls: type[Record]) -> None:
    for field in fields(cls):
        assert to_wire(cls(**{field.name: None})) == holding(field, None)


@EVERY_CLASS
def test_a_required_field_that_is_missing_is_a_decode_error_when_read(cls: type[Record]) -> None:
    record = cls.from_wire({"other": 1}, answer())
    for field in fields(cls):
        if field.required:
            with pytest.raises(DecodeError, match=f"{field.wire_name} is missing") as caught:
                getattr(record, field.name)
            assert caught.value.request == LINE


@EVERY_CLASS
def test_a_value_of_another_type_is_a_decode_error_that_names_place_and_operation_alone(cls: type[Record]) -> None:
    accepted = []
    for field in fields(cls):
        full = field.wire_name if field.inside is None else f"{field.inside}.{field.wire_name}"
        for wrong in wrong_values(field.hint):
            record = cls.from_wire(holding(field, wrong), answer())
            error = failure(record, field.name)
            if error is None:
                accepted.append((field.name, wrong))
                continue
            assert f"{full} is not " in str(error)
            assert LINE.template in str(error)
            assert (error.request, error.status) == (LINE, 200)
            assert SECRET not in str(error)
            assert "1970" not in str(error)
            assert (error.__cause__, error.__context__) == (None, None)
            assert to_wire(record) == holding(field, wrong)
    assert accepted == []


@EVERY_CLASS
def test_jsonbody_that_is_no_object_is_a_decode_error(cls: type[Record]) -> None:
    for field in fields(cls):
        if field.inside is not None:
            for wrong in (SECRET, 1, [SECRET], True):
                record = cls.from_wire({field.inside: wrong}, answer())
                with pytest.raises(DecodeError, match="jsonBody is not an object") as caught:
                    getattr(record, field.name)
                assert SECRET not in str(caught.value)


@EVERY_CLASS
def test_a_record_is_frozen_and_has_no_other_names(cls: type[Record]) -> None:
    record = cls.from_wire({})
    for field in fields(cls):
        with pytest.raises(AttributeError):
            setattr(record, field.name, None)
        with pytest.raises(AttributeError):
            delattr(record, field.name)
    with pytest.raises(AttributeError, match="no attribute 'frist_name'"):
        record.frist_name  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match="frist_name"):
        cls(frist_name="x")  # type: ignore[call-arg]
    assert not hasattr(record, "__dict__")


@EVERY_CLASS
def test_no_documented_key_is_extra(cls: type[Record]) -> None:
    raw: dict[str, Any] = {field.inside or field.wire_name: {} for field in fields(cls)} | {"surprise": 1}
    if hasattr(cls, "fields") and not any(field.name == "fields" for field in fields(cls)):
        raw["jsonBody"] = {}
    assert dict(cls.from_wire(raw).extra) == {"surprise": 1}
    assert answer_of(cls.from_wire({}, found := answer())) is found
