"""Whose answer it is: answers too many, answers of others, and what is believed of an answer that names nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import pytest

from welkin_async import (
    ConnectionLostError,
    NotFoundError,
    OutcomeUnknownError,
    RejectedError,
    RequestError,
    ServerError,
    Welkin,
    bulk,
)
from welkin_async.files.jobs.open_file import formation_of
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Request

from .helpers import Close, OneToken, RawServer, Reaction, Record, Seen, connect, http, record

STRAY = http(500, b"oops")


def cdt(record_id: str = "r", patient: str = "p", **body: Any) -> dict[str, Any]:
    return {"id": record_id, "patientId": patient, "cdtName": "m", "jsonBody": {"id": record_id, **body}}


def session(server: RawServer, **settings: Any) -> Welkin:
    """One that asks for no token: the connections are those of the calls alone."""
    return connect(server, token_store=OneToken(), **settings)


class Script:
    """Answers in turn; each answer may be several sent at once, and what is sent later while nothing is asked."""

    def __init__(self, *reactions: Reaction) -> None:
        self.left = list(reactions)

    def __call__(self, seen: Seen) -> Reaction:
        return self.left.pop(0) if self.left else Record().bytes_for(seen)


async def test_an_answer_too_many_is_not_the_next_requests() -> None:
    """It comes with the first one, or just after it: the connection is not used again."""
    for pause in (0.0, 0.05):

        async def behave(seen: Seen) -> Reaction:
            return Record().bytes_for(seen) + (STRAY if len(server.seen) == 1 else b"")

        async with RawServer(behave) as server, session(server) as welkin:
            for id in ("a", "b", "c"):
                assert (await welkin.patients.get(id)).id == id
                await asyncio.sleep(pause)
            # Both come in one read: the direct engine does not believe the first one either.
            repeated = [2] if welkin.transport.engine_name == "direct" else []
            assert [seen.connection for seen in server.seen] == [1, *repeated, 2, 2]


async def test_bytes_on_an_idle_connection_close_it() -> None:
    async with RawServer(record().bytes_for) as server, session(server) as welkin:
        await welkin.patients.get("a")
        (task,) = server._tasks
        server.writers[0].write(STRAY)
        await asyncio.sleep(0.05)
        await welkin.patients.get("b")
        await asyncio.sleep(0.05)
        assert [seen.connection for seen in server.seen] == [1, 2]
        assert task.done()


async def test_a_read_answered_with_another_record_is_repeated_on_a_new_connection() -> None:
    script = Script(http(200, cdt("other")), http(200, cdt("r")))
    async with RawServer(script) as server, session(server) as welkin:
        found = await welkin.patient("p").cdts("m").get("r", max_attempts=1)
        assert found.id == "r"
        assert [seen.connection for seen in server.seen] == [1, 2]
        await welkin.patients.get("x")
        assert server.seen[-1].connection == 3  # neither the one whose order is lost, nor the one made for the repeat


@pytest.mark.parametrize("wrong", [cdt("other"), cdt(patient="other"), cdt() | {"cdtName": "other"}])
async def test_what_a_server_always_answers_is_its_own_way(
    wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with RawServer(lambda _: http(200, wrong)) as server, session(server) as welkin:
        with caplog.at_level(logging.WARNING, "welkin_async"):
            for _ in range(3):
                assert (await welkin.patient("p").cdts("m").get("r")).id == wrong["id"]
        assert len(server.seen) == 6
    assert len(caplog.records) == 1
    assert "other" not in caplog.text


async def test_a_read_that_meets_others_answers_alone_fails_without_showing_them() -> None:
    number = 0

    def behave(_: Seen) -> Reaction:
        nonlocal number
        number += 1
        return http(200, cdt(f"other-{number}"))

    async with RawServer(behave) as server, session(server) as welkin:
        with pytest.raises(ConnectionLostError) as caught:
            await welkin.patient("p").cdts("m").get("r", max_attempts=2)
        assert caught.value.body is None
        assert "other-" not in f"{caught.value}{vars(caught.value)}"
        assert caught.value.attempts == len(server.seen) == 3  # the first repeat is free


@pytest.mark.parametrize(
    "answer",
    [
        http(201, {"id": "abc"}),
        http(202, {"id": "pending-1", "status": "QUEUED"}),
        http(201, {"patientId": "p"}),
        http(201, cdt(patient="other")),
        http(201, cdt() | {"cdtName": "other"}),
    ],
)
async def test_a_create_whose_answer_is_not_its_own_is_unknown(answer: bytes) -> None:
    async with RawServer(Script(record(), answer)) as server, session(server) as welkin:
        await welkin.patients.get("x")
        with pytest.raises(OutcomeUnknownError) as caught:
            await welkin.patient("p").cdts("m").create({"dose": 1})
        assert not caught.value.safe_to_repeat
        await welkin.patients.get("x")
        assert [seen.connection for seen in server.seen] == [1, 1, 2]


async def test_a_create_that_is_only_taken_in_is_unknown() -> None:
    queued = http(202, {"id": "pending-1", "status": "QUEUED"})
    async with RawServer(lambda _: queued) as server, session(server) as welkin:
        with pytest.raises(OutcomeUnknownError, match="202"):
            await welkin.patients.create({"firstName": "Ann"})


async def test_a_create_of_the_same_patient_is_told_apart_by_its_fields_or_its_key() -> None:
    for sent, back in (({"dose": 1}, {"dose": 2}), ({"external_id": "a"}, {"external_id": "b"})):
        script = Script(record(), http(201, cdt(**back)))
        async with RawServer(script) as server, session(server) as welkin:
            await welkin.patients.get("x")
            with pytest.raises(OutcomeUnknownError):
                await welkin.patient("p").cdts("m").create(sent)


async def test_a_field_that_a_server_changes_is_learned_from_first_answers() -> None:
    """The first answer on a connection is nobody else's; after three of them the change is the server's own way."""
    async with RawServer(lambda _: http(201, cdt(dose=7), Connection="close")) as server, session(server) as welkin:
        medication = welkin.patient("p").cdts("m")
        for _ in range(3):
            assert (await medication.create({"dose": 1})).fields["dose"] == 7
        server.behaviour = lambda _: http(201, cdt(dose=7))
        for _ in range(3):
            assert (await medication.create({"dose": 1})).fields["dose"] == 7
        server.behaviour = lambda _: http(201, cdt(dose=1, route="x"))
        with pytest.raises(OutcomeUnknownError):
            await medication.create({"dose": 1, "route": "oral"})


async def test_a_change_answered_with_the_record_as_it_was_is_sent_again_on_a_new_connection() -> None:
    """That is the answer to an earlier request for the same record."""
    for before in ({"dose": 1}, {"dose": None}, {}):
        script = Script(http(200, cdt(dose=1)), http(200, cdt(**before)), http(200, cdt(dose=2)))
        async with RawServer(script) as server, session(server) as welkin:
            cdts = welkin.patient("p").cdts("m")
            await cdts.get("r")
            assert (await cdts.update("r", {"dose": 2})).fields == {"dose": 2}
            assert [seen.connection for seen in server.seen] == [1, 1, 2]


async def test_a_change_that_a_server_does_not_carry_out_is_learned_from_first_answers() -> None:
    async with RawServer(lambda _: http(200, cdt())) as server, session(server) as welkin:
        for _ in range(8):
            assert (await welkin.patient("p").cdts("m").update("r", {"dose": 2})).fields == {}
        assert len(server.seen) < 8 + 4


async def test_a_formation_without_its_name_is_something_else() -> None:
    own = {"id": "f", "name": "m", "fields": []}
    script = Script(http(200, own), http(200, cdt()), http(200, own))
    async with RawServer(script) as server, session(server) as welkin:
        await welkin.formations().cdts.get("m")
        assert (await welkin.formations().cdts.get("m")).name == "m"
        assert [seen.connection for seen in server.seen] == [1, 1, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "m", "data": {"content": [cdt(patient="other")], "number": 0, "last": True}},
        {"name": "m", "data": {"content": [], "number": 3, "last": True}},
        {"name": "other", "data": {"content": [], "number": 0, "last": True}},
        cdt(),
    ],
)
async def test_a_list_answered_with_something_else_is_repeated(wrong: dict[str, Any]) -> None:
    right = {"name": "m", "data": {"content": [cdt()], "number": 0, "last": True}}
    async with RawServer(Script(http(200, wrong), http(200, right))) as server, session(server) as welkin:
        page = await welkin.patient("p").cdts("m").list()
        assert [item.patient_id for item in page.items] == ["p"]
        assert [seen.connection for seen in server.seen] == [1, 2]


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("read", ["import", "export", "look-up", "formation"])
async def test_a_refusal_on_which_much_depends_is_asked_for_once_more(read: str, status: int, tmp_path: Path) -> None:
    """It names nobody: it may be the answer to another request. The first answer on a connection is nobody else's."""

    def behave(seen: Seen) -> Reaction:
        if len(server.seen) == 1:
            return record()
        if len(server.seen) == 2:
            return http(status)
        if "/cdts/m?" in seen.target:
            data = {"content": [], "totalElements": 0, "totalPages": 0, "number": 0, "last": True}
            return http(200, {"name": "m", "data": data})
        return http(200, {"id": "p", "mrn": "7", "name": "m", "fields": [{"name": "dose", "type": "text"}]})

    async with RawServer(behave) as server, session(server) as welkin:
        await welkin.patients.get("x")
        match read:
            case "import":
                await bulk.create_cdt_records(welkin, "m", [])
            case "export":
                await bulk.export_cdt(welkin, "m", ["p"], tmp_path / "records.ndjson")
            case "look-up":
                assert await PatientLookup(welkin, "MRN").resolve(["7"]) == {"7": "p"}
            case _:
                assert (await formation_of(welkin, "m")).name == "m"
        assert [seen.connection for seen in server.seen[:3]] == [1, 1, 2]
        assert server.seen[1].target == server.seen[2].target


async def test_a_refusal_that_comes_twice_is_believed() -> None:
    async with RawServer(Script(record(), http(404), http(404))) as server, session(server) as welkin:
        await welkin.patients.get("x")
        with pytest.raises(NotFoundError):
            await bulk.create_cdt_records(welkin, "m", [])
        assert len(server.seen) == 3


async def test_a_token_is_asked_for_where_nothing_else_was_asked() -> None:
    """A refusal of another request must not blame the credentials."""
    expired = http(401, {"errorCode": "TOKEN_EXPIRED"})
    token = http(201, {"token": "t"})
    script = Script(token, record(), expired, token, record())
    async with RawServer(script, tokens=False) as server, connect(server) as welkin:
        await welkin.patients.get("x")
        await welkin.patients.get("x")
        assert [seen.connection for seen in server.seen] == [1, 1, 1, 2, 1]


async def test_an_error_that_names_another_record_is_anothers() -> None:
    error = [{"errorCode": "DT_RECORD_NOT_FOUND", "details": {"cdtRecordId": "other"}}]
    async with RawServer(Script(http(404, error), http(200, cdt()))) as server, session(server) as welkin:
        assert (await welkin.patient("p").cdts("m").get("r")).id == "r"
        assert [seen.connection for seen in server.seen] == [1, 2]


async def test_a_create_is_not_repeated_after_a_refusal_that_was_anothers() -> None:
    """A stray 429 in place of the create's own answer, which comes while the pause lasts."""
    own = http(201, cdt(dose=1))

    async def behave(seen: Seen) -> Reaction:
        if seen.method == "POST":
            asyncio.get_running_loop().call_later(0.05, server.writers[0].write, own)
            return http(429, Retry_After="0.3")
        return Record().bytes_for(seen)

    async with RawServer(behave) as server, session(server) as welkin:
        await welkin.patients.get("x")
        with pytest.raises(OutcomeUnknownError, match="too many"):
            await welkin.patient("p").cdts("m").create({"dose": 1})
        assert server.methods() == ["GET", "POST"]


@pytest.mark.parametrize("more", [{}, {"Connection": "close"}])
async def test_a_refusal_with_nothing_behind_it_is_believed(more: dict[str, str]) -> None:
    script = Script(record(), http(429, Retry_After="0.1", **more))
    async with RawServer(script) as server, session(server) as welkin:
        await welkin.patients.get("x")
        await welkin.patient("p").cdts("m").create({"dose": 1})
        assert server.methods() == ["GET", "POST", "POST"]


async def test_after_an_unknown_attempt_the_connection_is_not_used_again(swift: None) -> None:
    for end in (STRAY, http(408), http(200, b"<html>"), Close()):
        async with RawServer(Script(end)) as server, session(server) as welkin:
            await welkin.patients.get("x")
            await welkin.patients.get("x")
            assert [seen.connection for seen in server.seen] == [1, 2, 2]


async def answered(welkin: Welkin, id: str) -> Exchange:
    """Ask for a patient and return where the answer, whatever it is, came from."""
    request = request_for(welkin, id)
    with contextlib.suppress(RequestError):
        await welkin.transport.send(request)
    assert request.exchange is not None
    return request.exchange


def request_for(welkin: Welkin, id: str, **more: Any) -> Request:
    request = welkin.scope.request(type(welkin.patients)._get_operation, patient_id=id)
    for name, value in more.items():
        setattr(request, name, value)
    return request


async def test_an_answer_that_names_nobody_is_confirmed_by_a_later_one_on_its_connection() -> None:
    async with RawServer(Script(record(), http(404), http(404))) as server, session(server) as welkin:
        assert (await answered(welkin, "a")).confirmed
        first, second = await answered(welkin, "b"), await answered(welkin, "c")
        assert [(each.confirmed, each.pending) for each in (first, second)] == [(False, True)] * 2
        assert (await answered(welkin, "d")).confirmed
        assert first.confirmed
        assert second.confirmed
        assert {seen.connection for seen in server.seen} == {1}


async def test_the_first_answer_on_a_connection_is_nobody_elses() -> None:
    async with RawServer(Script(http(404))) as server, session(server) as welkin:
        assert (await answered(welkin, "a")).confirmed


async def test_an_answer_whose_connection_ends_is_never_confirmed() -> None:
    for end in (STRAY, Close(), http(200, {"id": "other"})):
        async with RawServer(Script(record(), http(404), end)) as server, session(server) as welkin:
            await answered(welkin, "a")
            doubtful = await answered(welkin, "b")
            assert doubtful.pending
            with contextlib.suppress(RequestError):
                await welkin.patients.get("c", max_attempts=1)
            assert (doubtful.confirmed, doubtful.pending) == (False, False)


async def test_an_error_that_names_the_record_confirms_itself() -> None:
    error = [{"errorCode": "DT_RECORD_NOT_FOUND", "details": {"cdtRecordId": "r"}}]
    async with RawServer(Script(record(), http(404), http(404, error))) as server, session(server) as welkin:
        await answered(welkin, "a")
        doubtful = await answered(welkin, "b")
        with pytest.raises(NotFoundError):
            await welkin.patient("p").cdts("m").get("r")
        assert doubtful.confirmed


async def test_a_request_can_be_sent_over_the_connection_of_another() -> None:
    """So that an answer which names nobody is confirmed although there is nothing more to do on its connection."""

    async def behave(seen: Seen) -> Reaction:
        await asyncio.sleep(0.05)
        return http(404) if "nobody" in seen.path else Record().bytes_for(seen)

    async with RawServer(behave) as server, session(server) as welkin:
        await asyncio.gather(*(welkin.patients.get("a") for _ in range(5)))
        doubtful = await asyncio.gather(*(answered(welkin, f"nobody{number}") for number in range(5)))
        assert all(each.pending for each in doubtful)
        via = next(seen.connection for seen in server.seen if seen.path.endswith("nobody2"))  # neither end of the idle
        await welkin.transport.send(request_for(welkin, "probe", via=doubtful[2]))
        assert server.seen[-1].connection == via
        assert [each.confirmed for each in doubtful] == [False, False, True, False, False]
        assert server.open == 5


async def test_a_request_can_ask_for_a_connection_of_its_own() -> None:
    async with RawServer(record().bytes_for) as server, session(server) as welkin:
        await welkin.patients.get("a")
        await welkin.transport.send(request_for(welkin, "b", fresh=True))
        await welkin.patients.get("c")
        assert [seen.connection for seen in server.seen] == [1, 2, 1]


HTML = http(404, b"<html>404 Not Found</html>")
GONE = http(404, [{"errorCode": "DT_RECORD_NOT_FOUND"}])
NO_PATIENT = http(404, [{"errorCode": "PATIENT_NOT_FOUND"}])


async def test_a_deletion_that_meets_its_own_404_after_an_unknown_attempt_is_done(swift: None) -> None:
    async with RawServer(Script(http(502), GONE)) as server, session(server) as welkin:
        answer = await welkin.patient("p").cdts("m").delete("r")
        assert (answer.status, server.methods()) == (404, ["DELETE", "DELETE"])


@pytest.mark.parametrize("page", [HTML, NO_PATIENT])
async def test_a_gateways_404_does_not_mean_that_the_record_is_gone(page: bytes, swift: None) -> None:
    """A deployment: 502, then the gateway's own page. The record is read, and it is there."""
    there = http(200, cdt())
    script = Script(http(502), page, there, http(200))
    async with RawServer(script) as server, session(server) as welkin:
        assert (await welkin.patient("p").cdts("m").delete("r")).status == 200
        assert server.methods() == ["DELETE", "DELETE", "GET", "DELETE"]

    def still_there(seen: Seen) -> Reaction:
        return there if seen.method == "GET" else page if len(server.seen) > 1 else http(502)

    async with RawServer(still_there) as server, session(server) as welkin:
        with pytest.raises(ServerError) as caught:
            await welkin.patient("p").cdts("m").delete("r", max_attempts=3)
        assert (caught.value.status, caught.value.safe_to_repeat) == (404, True)


async def test_a_read_says_that_a_record_is_gone(swift: None) -> None:
    async with RawServer(Script(http(502), HTML, GONE)) as server, session(server) as welkin:
        assert (await welkin.patient("p").cdts("m").delete("r")).status == 404
        assert server.methods() == ["DELETE", "DELETE", "GET"]
        assert server.seen[2].connection not in {seen.connection for seen in server.seen[:2]}


async def test_a_404_of_a_first_attempt_is_an_error_as_ever() -> None:
    async with RawServer(Script(HTML)) as server, session(server) as welkin:
        with pytest.raises(NotFoundError):
            await welkin.patient("p").cdts("m").delete("r")
        assert server.methods() == ["DELETE"]


async def test_an_answer_with_a_record_is_no_deletions(swift: None) -> None:
    """Deletions answer with nothing (recorded): a record in its place is the answer to another request."""
    async with RawServer(Script(http(200, cdt("other")), http(200))) as server, session(server) as welkin:
        assert (await welkin.patient("p").cdts("m").delete("r")).status == 200
        assert [seen.connection for seen in server.seen] == [1, 2]


@pytest.mark.parametrize("status", [400, 404, 409])
async def test_a_refusal_that_names_nobody_is_an_error_as_ever(status: int) -> None:
    async with RawServer(Script(record(), http(status))) as server, session(server) as welkin:
        await welkin.patients.get("x")
        with pytest.raises(RejectedError):
            await welkin.patient("p").cdts("m").create({})
