from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from welkin_async import InvalidInputError, NotFoundError, PagingError, Welkin, answer_of, to_wire
from welkin_async.errors import BadRequestError, DecodeError
from welkin_async.sandbox import FaultKind, Sandbox

from .helpers import HERE, NOBODY, RawServer, always, connect, http, in_turn, record, script


async def test_create_get_update_delete(server: Sandbox, welkin: Welkin, patient: str) -> None:
    medications = welkin.patient(patient).cdts("medication")
    made = await medications.create({"medication_name": "Tylenol", "icd-10": "R51", "external_id": "e1", "typo": 1})
    assert (made["medication_name"], made["icd-10"], made.external_id) == ("Tylenol", "R51", "e1")
    assert "typo" not in made
    assert (made.patient_id, made.cdt_name, answer_of(made).status) == (patient, "medication", 201)
    assert made.fields["medication_dose"] is None
    assert "external_id" not in made.fields
    held = server.store.cdt_records("medication", patient)
    assert [to_wire(made)] == held
    again = await medications.get(made.id)
    assert (again, answer_of(again).status) == (made, 200)
    changed = await medications.update(made.id, {"medication_name": None, "medication_status": "active"})
    assert (changed["medication_name"], changed["medication_status"], changed["icd-10"]) == (None, "active", "R51")
    gone = await medications.delete(made.id)
    assert (gone.status, gone.data, gone.attempts) == (200, None, 1)
    with pytest.raises(NotFoundError) as caught:
        await medications.delete(made.id)
    assert caught.value.error_codes == ("DT_RECORD_NOT_FOUND",)
    with pytest.raises(NotFoundError):
        await medications.get(made.id)
    with pytest.raises(NotFoundError):
        await welkin.patient(NOBODY).cdts("medication").create({})


async def test_update_sends_exactly_what_was_given() -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        notes = welkin.patient("p1").cdts("notes")
        await notes.update("r1", {"a": None, "b": [1, {"c": "ü"}], "d": datetime(2024, 1, 2, tzinfo=UTC)})
        await notes.update("r1", {})
        await notes.create({"class": 1.5, "x y": True})
        assert [seen.json for seen in server.seen] == [
            {"a": None, "b": [1, {"c": "ü"}], "d": "2024-01-02T00:00:00.000Z"},
            {},
            {"class": 1.5, "x y": True},
        ]
        assert [(seen.method, seen.target) for seen in server.seen] == [
            ("PATCH", f"{HERE}/patients/p1/cdts/notes/r1"),
            ("PATCH", f"{HERE}/patients/p1/cdts/notes/r1"),
            ("POST", f"{HERE}/patients/p1/cdts/notes"),
        ]


async def test_bad_values_are_refused_by_the_server_or_before(server: Sandbox, welkin: Welkin, patient: str) -> None:
    medications = welkin.patient(patient).cdts("medication")
    with pytest.raises(BadRequestError) as caught:
        await medications.create({"medication_refills": "three"})
    assert caught.value.errors[0].details["fields"] == {"medication_refills": "integer"}
    before = server.stats.operations["cdts.create"]
    for value, reason in (
        (float("nan"), "NaN"),
        (2**64, "64 bits"),
        ("\ud800", "surrogate"),
        ({1: "x"}, "keys are strings"),
        (datetime(2024, 1, 1), "naive"),
        (object(), "no JSON form"),
    ):
        with pytest.raises(InvalidInputError, match=reason):
            await medications.create({"medication_name": value})
    assert server.stats.operations["cdts.create"] == before
    assert server.store.cdt_records("medication") == []


@pytest.mark.parametrize("fields", [None, ["a"], "text", 5])
async def test_fields_that_are_no_mapping_are_refused_before_anything_is_sent(fields: object) -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        with pytest.raises((InvalidInputError, TypeError)):
            await welkin.patient("p1").cdts("notes").create(fields)  # type: ignore[arg-type]
        assert server.seen == []


async def test_bulk_update(server: Sandbox, welkin: Welkin, patient: str) -> None:
    medications = welkin.patient(patient).cdts("medication")
    one, two = [await medications.create({"medication_status": "active"}) for _ in range(2)]
    rows = await medications.bulk_update(
        {one.id: {"medication_status": "inactive"}, two.id: {"medication_name": "x"}, NOBODY: {}}
    )
    assert [row.id for row in rows] == [one.id, two.id, NOBODY]
    assert [(row.result or {})["status"] for row in rows] == ["OK", "ERROR", "ERROR"]
    assert rows[0]["medication_status"] == "inactive"
    assert server.stats.log[-1].method == "PATCH"
    async with RawServer(in_turn(http(200, {"rows": []}), http(200, {}))) as raw, connect(raw) as session:
        assert await session.patient("p").cdts("m").bulk_update({"r1": {"a": None}, "r2": {"b": 1}}) == ()
        assert raw.seen[0].json == {"rows": [{"id": "r1", "jsonBody": {"a": None}}, {"id": "r2", "jsonBody": {"b": 1}}]}
        with pytest.raises(DecodeError, match="rows"):
            await session.patient("p").cdts("m").bulk_update({"r1": {}})


async def test_list(server: Sandbox, welkin: Welkin, patient: str) -> None:
    medications = welkin.patient(patient).cdts("medication")
    names = [f"m{index:02d}" for index in range(23)]
    for index, name in enumerate(names):
        await medications.create({"medication_name": name, "medication_refills": index % 3, "code": "a=b,c"})
    assert [each["medication_name"] async for each in medications.list()] == names
    pages = [page async for page in medications.list(size=10).pages()]
    assert [len(page.items) for page in pages] == [10, 10, 3]
    assert [page.last for page in pages] == [False, False, True]
    first = await medications.list(size=5, sort="medication_name,desc")
    assert [each["medication_name"] for each in first.items] == names[:-6:-1]
    assert await medications.list().total() == 23
    last = await medications.list(page=2, size=10)
    assert (last.number, len(last.items)) == (2, 3)
    lean = await medications.list(fields=["medication_name", "medication_refills"], size=1)
    assert dict(lean.items[0].fields) == {"medication_name": "m00", "medication_refills": 0}
    assert lean.items[0].created_at is None
    twos = [each async for each in medications.list(filters={"medication_refills": [1, 2]}, size=4)]
    assert len(twos) == 15
    assert "filters=medication_refills%3D1%2C2" in server.stats.log[-1].query
    assert [each async for each in medications.list(filters={"medication_as_needed": True})] == []
    assert "filters=medication_as_needed%3Dtrue" in server.stats.log[-1].query
    with pytest.raises(InvalidInputError, match="several fields"):
        await medications.list(filters={"a": 1, "b": 2})


async def test_a_filter_value_with_a_comma_is_never_taken_for_two(welkin: Welkin, patient: str) -> None:
    medications = welkin.patient(patient).cdts("medication")
    await medications.create({"medication_name": "Smith"})
    for value in ("Smith, John", ["Smith, John"]):
        with pytest.raises(InvalidInputError, match="comma"):
            await medications.list(filters={"medication_name": value})


async def test_date_range(server: Sandbox, welkin: Welkin, patient: str) -> None:
    medications = welkin.patient(patient).cdts("medication")
    for _ in range(3):
        await medications.create({})
        server.clock.advance(60)
    stamps = [each.created_at async for each in medications.list()]
    assert None not in stamps
    middle = stamps[1]
    assert middle is not None
    a_second = timedelta(seconds=1)
    assert [each.created_at async for each in medications.list(date_start=middle - a_second)] == stamps[1:]
    assert [each.created_at async for each in medications.list(date_end=middle + a_second)] == stamps[:2]
    between = medications.list(date_start=middle - a_second, date_end=middle + a_second)
    assert [each.created_at async for each in between] == [middle]
    assert server.stats.log[-1].query.startswith("dateStart=20")
    with pytest.raises(InvalidInputError, match="naive"):
        await medications.list(date_start=datetime(2024, 1, 1))


def page(number: int, items: list[str], *, last: bool | None, pages: int | None = None) -> bytes:
    data = {"content": [{"id": each, "jsonBody": {}} for each in items], "number": number}
    if last is not None:
        data["last"] = last
    if pages is not None:
        data["totalPages"] = pages
    return http(200, {"name": "m", "data": data})


@pytest.mark.parametrize(
    ("answers", "read", "requests"),
    [
        ((page(0, ["a"], last=False), page(1, [], last=False)), ["a"], 2),
        ((page(0, ["a"], last=False), page(1, ["a"], last=False)), ["a"], 2),
        # Another page than was asked for may be another request's answer: it is asked for again on a new connection.
        ((page(0, ["a"], last=False), page(0, ["a"], last=False)), ["a"], 3),
        ((page(0, ["a"], last=None),), [], 1),
        ((page(0, [], last=False, pages=3),), [], 1),
    ],
)
async def test_a_server_that_contradicts_itself_ends_a_walk_with_an_error(
    answers: tuple[bytes, ...], read: list[str], requests: int
) -> None:
    async with RawServer(in_turn(*answers)) as server, connect(server) as welkin:
        found = []
        with pytest.raises(PagingError):
            async for each in welkin.patient("p").cdts("m").list():
                found.append(each.id)  # noqa: PERF401 - a comprehension would lose what came before the error
        assert found == read
        assert len(server.seen) == requests


async def test_total_pages_ends_a_walk_as_well() -> None:
    behaviour = in_turn(page(0, ["a"], last=False, pages=2), page(1, ["b"], last=False, pages=2))
    async with RawServer(behaviour) as server, connect(server) as welkin:
        assert [each.id async for each in welkin.patient("p").cdts("m").list()] == ["a", "b"]
        assert len(server.seen) == 2


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": {"content": "x"}}, {"content": []}])
async def test_an_answer_that_is_no_page(body: object) -> None:
    async with RawServer(always(http(200, body))) as server, connect(server) as welkin:
        with pytest.raises(DecodeError, match=r"cdts/\{cdt_name\}"):
            await welkin.patient("p").cdts("m").list()


async def test_an_element_that_is_no_object() -> None:
    body = {"data": {"content": [{"id": "a"}, 5], "last": True}}
    async with RawServer(always(http(200, body))) as server, connect(server) as welkin:
        with pytest.raises(DecodeError, match="element 1"):
            await welkin.patient("p").cdts("m").list()


async def test_a_walk_goes_on_after_a_page_that_had_to_be_asked_for_twice(
    server: Sandbox, welkin: Welkin, patient: str, swift: None
) -> None:
    medications = welkin.patient(patient).cdts("medication")
    for _ in range(6):
        await medications.create({})
    script(server, FaultKind.TRUNCATED, "cdts.list", after=1)
    script(server, FaultKind.STATUS, "cdts.list", status=502, after=2)
    assert len([each async for each in medications.list(size=2)]) == 6
    assert server.faults.unmet() == []
    assert server.stats.operations["cdts.list"] == 5
