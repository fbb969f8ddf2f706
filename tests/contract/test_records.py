from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import cache
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

import welkin_async.models
from welkin_async import Answer, DecodeError, ErrorItem, to_wire
from welkin_async.errors import error_items
from welkin_async.http.auth.token_store import Token
from welkin_async.http.auth.tokens import CREATE_TOKEN
from welkin_async.wire.codec import best_codec, stdlib_codec
from welkin_async.wire.records import Record
from welkin_async.wire.request import Operation

from .catalogue import models
from .samples import sample
from .strategies import records, utc

ELSEWHERE = {"Token": Token, "ErrorItem": ErrorItem}
"""Documented records that are no `Record`: what authenticates, and what an error holds."""

PYTHON_TYPES = {
    "datetime": datetime,
    "datetime_offset": datetime,
    "midnight": date,
    "time": time,
    "boolean": bool,
    "integer": int,
    "string": str,
    "uuid": str,
    "enum": str,
    "string E.164": str,
    "object": Mapping,
    "CdtBody": Mapping,  # the customer's own fields: always a mapping
}

SHARED = {"Authored", "AuthoredById", "Dated", "Message"}  # the fields that several documented records have
OF_FORMATIONS = {"TypedCdt"}  # what the customer's own records are made of

LINE = Operation("an.operation", "GET", "/{tenant}/{instance}/template")


@cache
def classes() -> dict[str, type[Record]]:
    found = {}
    for module in pkgutil.iter_modules(welkin_async.models.__path__, "welkin_async.models."):
        for cls in vars(importlib.import_module(module.name)).values():
            if isinstance(cls, type) and issubclass(cls, Record) and cls is not Record:
                found[cls.__name__] = cls
    return found


def answer(data: object) -> Answer:
    return Answer(200, CIMultiDictProxy(CIMultiDict()), data, 1, LINE.line)


def attributes(cls: type[Record]) -> list[Any]:
    return [field for field in attrs.fields(cls) if "wire" in field.metadata]


def place(field: Any) -> str:
    inside = field.metadata["inside"]
    return field.metadata["wire"] if inside is None else f"{inside}.{field.metadata['wire']}"


def test_every_documented_record_is_accounted_for() -> None:
    assert len(models()) == 67
    assert models().keys() - classes().keys() == ELSEWHERE.keys()
    assert classes().keys() - models().keys() == SHARED | OF_FORMATIONS


@pytest.mark.parametrize("model", sorted(models().keys() - ELSEWHERE.keys()))
def test_every_documented_field_has_its_type(model: str) -> None:
    """Each is found in the class under its documented name, and reads as the type that the documentation gives it."""
    cls = classes()[model]
    record: Any = cls.from_wire(sample(model), answer(None))
    by_place = {place(field): field.name for field in attributes(cls)}
    for name, field in models()[model]["fields"].items():
        if name in ("<envelope>", "jsonBody") or name.endswith("<custom field>"):
            continue
        if model == "CdtBody":  # its fields stand in CdtRecord, which knows where the envelope keeps them
            assert f"jsonBody.{name}" in {place(each) for each in attributes(classes()["CdtRecord"])} or name == "id"
            continue
        if name.startswith("jsonBody.") and name not in by_place:
            assert name == "jsonBody.id"
            continue
        value: Any = getattr(record, by_place[name])
        kind = field["type"]
        if kind.startswith("array"):
            assert type(value) is tuple
        elif kind in PYTHON_TYPES:
            assert isinstance(value, PYTHON_TYPES[kind])
            assert isinstance(value, datetime) == kind.startswith("datetime")
        elif kind in models():
            assert type(value).__name__ == kind
        if kind.startswith("datetime"):
            moment = utc(sample_value(record, name))
            assert value == moment
            assert str(value)[-6:] == str(moment)[-6:]  # the offset is kept


def sample_value(record: Record, name: str) -> str:
    raw: Any = to_wire(record)
    for part in name.split("."):
        raw = raw[part]
    assert isinstance(raw, str)
    return raw


@pytest.mark.parametrize("model", sorted(models().keys() - ELSEWHERE.keys()))
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_recorded_shape_goes_through_without_loss(model: str, data: st.DataObject) -> None:
    raw = data.draw(records(model))
    text = json.dumps(raw)
    cls = classes()[model]
    for codec in (stdlib_codec(), best_codec()):
        record = cls.from_wire(codec.loads(text.encode()), answer(None))
        assert to_wire(record) == raw
        for field in attributes(cls):
            getattr(record, field.name)  # any documented value decodes
        assert to_wire(record) == raw
        assert codec.loads(codec.encode(record)) == raw
        again = attrs.evolve(record)
        assert to_wire(again) == raw
        assert again == record
    known = {field.metadata["inside"] or field.metadata["wire"] for field in attributes(cls)} | {"jsonBody"}
    assert {key for key in raw if key not in known} == set(record.extra) - {"jsonBody"}


@pytest.mark.parametrize("model", sorted(models().keys() - ELSEWHERE.keys()))
def test_a_value_of_another_type_names_its_place_and_is_not_quoted(model: str) -> None:
    cls = classes()[model]
    for field in attributes(cls):
        inside, key = field.metadata["inside"], field.metadata["wire"]
        wrong = {"SECRET-VALUE": 1} if field.type in ("datetime", "str", "int", "bool") else 3.25
        for value in ("SECRET-VALUE", wrong):
            raw = {"id": "x", key: value} if inside is None else {"id": "x", inside: {key: value}}
            record = cls.from_wire(raw, answer(raw))
            error = failure(record, field.name)
            if error is None:
                assert value == "SECRET-VALUE" or "Any" in str(field.type), place(field)
                continue
            assert place(field) in str(error)
            assert (error.request.operation, error.request.template) == (LINE.name, LINE.template)
            assert "SECRET-VALUE" not in str(error)
            assert "3.25" not in str(error)
            assert (error.__cause__, error.__context__) == (None, None)


def failure(record: Record, name: str) -> DecodeError | None:
    try:
        getattr(record, name)
    except DecodeError as error:
        return error
    return None


def test_a_field_of_a_nested_record_is_named_by_its_whole_path() -> None:
    raw = sample("FullEncounter")
    raw["calendarEvent"]["participants"] = [{"id": "a"}, {"id": "b", "attended": "yes"}]
    encounter = classes()["FullEncounter"].from_wire(raw, answer(raw))
    participant = encounter.calendar_event.participants[1]  # type: ignore[attr-defined]
    with pytest.raises(DecodeError, match=r"template: calendarEvent\.participants\[1\]\.attended is not bool"):
        _ = participant.attended
    raw["calendarEvent"]["participants"] = [{}]
    encounter = classes()["FullEncounter"].from_wire(raw, answer(raw))
    with pytest.raises(DecodeError, match=r"calendarEvent\.participants\[0\]\.id is missing"):
        _ = encounter.calendar_event.participants[0].id  # type: ignore[attr-defined]


@given(items=st.lists(records("ErrorItem"), max_size=3))
def test_error_items_are_read_whole(items: list[dict[str, Any]]) -> None:
    for item, raw in zip(error_items(items), items, strict=True):
        assert (item.error_code, item.component_type, item.message) == (
            raw["errorCode"],
            raw["componentType"],
            raw["message"],
        )
        assert (dict(item.details), item.date) == (raw["details"], raw.get("date"))


def test_the_token_call_is_the_catalogues() -> None:
    assert CREATE_TOKEN.name == "auth.create_token"
    assert {"token", "clientName", "enabled"} == models()["Token"]["fields"].keys()
