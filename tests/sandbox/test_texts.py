from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from welkin_async.sandbox.records import texts
from welkin_async.sandbox.records.texts import RecordTexts, projections_text

VALUES = st.none() | st.booleans() | st.text(max_size=3) | st.lists(st.text(max_size=2), max_size=2)


def record_of(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "patientId": "p", "jsonBody": {"id": str(number), **fields}, "cdtName": "medication"}


@given(st.lists(st.tuples(st.sampled_from("ab"), VALUES), max_size=6))
def test_a_text_says_what_the_record_holds_now(changes: list[tuple[str, Any]]) -> None:
    kept = RecordTexts()
    record = record_of(1, a="x", b=["y"])
    assert json.loads(kept.keep(record)) == record
    for name, value in changes:
        record["jsonBody"][name] = value
        assert json.loads(kept.of(record)) == record
    record["jsonBody"]["a"] = [1]
    kept.keep(record)
    record["jsonBody"]["a"].append(2)
    assert json.loads(kept.of(record)) == record


def test_the_oldest_texts_are_dropped(monkeypatch: Any) -> None:
    monkeypatch.setattr(texts, "_MOST", 3)
    kept = RecordTexts()
    records = [record_of(number) for number in range(5)]
    made = [kept.keep(record) for record in records]
    assert [kept.of(record) is text for record, text in zip(records, made, strict=True)] == [False] * 2 + [True] * 3
    assert [json.loads(kept.of(record)) for record in records] == records


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), max_size=3), st.sets(st.text(max_size=3)))
def test_a_projection_shows_the_fields_that_are_asked_for(bodies: list[dict[str, Any]], others: set[str]) -> None:
    records = [
        {"cdtId": f'"{number}', "version": number, **record_of(number, **body)} for number, body in enumerate(bodies)
    ]
    names = {*others, *(name for body in bodies for name in list(body)[::2])}
    assert json.loads(projections_text(records, names)) == [
        {**record, "jsonBody": {name: value for name, value in record["jsonBody"].items() if name in names}}
        for record in records
    ]
