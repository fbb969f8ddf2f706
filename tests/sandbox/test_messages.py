"""Chat, emails, text messages, contacts and profiles."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api

SHARED = {
    "id", "sendNow", "scheduledAt", "sentAt", "receivedAt", "date", "careTeam", "patientInfo", "timezone", "sender",
    "from", "receiver", "to", "direction", "externalId", "starred", "senderName", "receiverName", "status",
}  # fmt: skip
KINDS: dict[str, tuple[set[str], dict[str, Any], str]] = {
    "emails": ({"subject", "body", "secure", "attachments"}, {"subject": "Hello", "body": "You"}, "EMAIL_NOT_FOUND"),
    "sms": ({"message", "parts"}, {"message": "Hello"}, "SMS_NOT_FOUND"),
}


async def test_chat_is_paged_by_token_newest_first(server: Sandbox, api: Api, patient: str) -> None:
    user = server.store.add_user("u", "u@x.org", firstName="Ada", lastName="User")["id"]
    base = f"patients/{patient}/chat"
    sent = await api("POST", f"{base}/inbound", {"message": "m0"})
    assert (sent.status, set(sent.json)) == (200, {"sender", "message", "externalId", "createdAt"})
    assert sent.json["sender"]["patientFullName"] == "Charlie Taylor"
    server.store.sections.chat.add(patient, "m1", user)
    for number in range(2, 5):
        await api("POST", f"{base}/inbound", {"message": f"m{number}"})
    seen: list[str] = []
    query = {"pageSize": "2"}
    while True:
        answer = (await api("GET", base, **query, includeArchived="true")).json
        assert set(answer["meta"]) == {"nextPageToken", "prevPageToken", "pageSize", "found"}
        seen += [each["message"] for each in answer["content"]]
        assert all(each["createdAt"].endswith(".000Z") for each in answer["content"])
        if answer["meta"]["nextPageToken"] is None:
            break
        assert len(answer["content"]) == 2
        query = {"pageToken": answer["meta"]["nextPageToken"]}
    assert seen == ["m4", "m3", "m2", "m1", "m0"]
    back = (await api("GET", base, pageToken=answer["meta"]["prevPageToken"])).json
    assert [each["message"] for each in back["content"]] == ["m2", "m1"]
    assert back["content"][1]["sender"]["titleName"] == "Ada User"
    token = answer["meta"]["prevPageToken"]
    for wrong in ({"pageToken": token, "pageSize": "2"}, {"pageToken": "x"}, {"pageSize": "0"}, {"pageSize": "x"}):
        assert (await api("GET", base, **wrong)).status == 400
    assert (await api("POST", f"{base}/inbound", {})).status == 400
    for restricted in ("archive?archiveDate=2020-01-01T00:00:00.000Z", "restore"):
        assert (await api("POST", f"{base}/{restricted}")).code == "ACCESS_FOR_API_CLIENT_RESTRICTED"


async def test_chat_search_leads_back_to_the_list(api: Api, patient: str) -> None:
    base = f"patients/{patient}/chat"
    for number in range(6):
        await api("POST", f"{base}/inbound", {"message": f"{'Even' if number % 2 == 0 else 'odd'} {number}"})
    answer = (await api("GET", f"{base}/search", query="even", pageSize="2", contentPageSize="1")).json
    assert [each["message"]["message"] for each in answer["content"]] == ["Even 4", "Even 2"]
    hit = answer["content"][0]
    assert set(hit["meta"]) == {"nextPageToken", "prevPageToken"}
    assert hit["message"]["receiver"]["clientType"] == "USER"
    around = (await api("GET", base, pageToken=hit["meta"]["nextPageToken"])).json
    assert [each["message"] for each in around["content"]] == ["Even 4"]
    following = {"pageToken": answer["meta"]["nextPageToken"]}
    last = (await api("GET", f"{base}/search", **following)).json
    assert ([each["message"]["message"] for each in last["content"]], last["meta"]["nextPageToken"]) == (
        ["Even 0"],
        None,
    )
    assert (await api("GET", f"{base}/search", **following, query="even")).status == 400
    assert (await api("GET", base, **following)).status == (await api("GET", f"{base}/search")).status == 400


@pytest.mark.parametrize("name", KINDS)
async def test_messages_of_a_patient(server: Sandbox, api: Api, name: str) -> None:
    keys, texts, code = KINDS[name]
    patient = server.store.add_patient(email="c@x.org", phone="+61403123456")["id"]
    base = f"patients/{patient}/{name}"
    assert (await api("GET", base)).json["empty"] is True
    sent = await api("POST", base, {**texts, "receiver": patient, "sendNow": True})
    assert (sent.status, set(sent.json)) == (201, SHARED | keys)
    assert (sent.json["sendNow"], sent.json["status"], sent.json["direction"]) == (False, "ACCEPTED", "OUT")
    later = {**texts, "receiver": patient, "scheduledAt": "2090-01-01T00:00:00Z"}
    planned = (await api("POST", base, later)).json
    assert (planned["status"], planned["sentAt"]) == ("SCHEDULED", None)
    one, two = f"{base}/{sent.json['id']}", f"{base}/{planned['id']}"
    text = next(iter(texts))
    assert (await api("PUT", one, {"starred": True, text: "x"})).json[text] == "Hello"
    assert (await api("PUT", two, {text: "Changed"})).json[text] == "Changed"
    assert (await api("GET", base, starred="true")).json["totalElements"] == 1
    assert (await api("GET", base, search="CHANGED", status="SCHEDULED")).json["content"][0]["id"] == planned["id"]
    either = {"email": "c@x.org"} if name == "emails" else {"phone": "+61403123456"}
    assert (await api("GET", base, **either, direction="OUT", sort="date,desc")).json["totalElements"] == 2
    assert (await api("DELETE", one)).status == 400
    assert (await api("DELETE", two)).body == b""
    gone = await api("GET", two)
    assert (gone.code, set(gone.error["details"])) == (code, {"patientId", "id"} if name == "emails" else {"id"})
    assert (await api("POST", base, {"receiver": patient})).status == 400


@pytest.mark.parametrize("name", KINDS)
async def test_messages_of_nobody_known(server: Sandbox, api: Api, patient: str, name: str) -> None:
    section = getattr(server.store.sections, name)
    base = f"unrecognized-patients/{name}"
    first, second = (section.receive("stranger", **KINDS[name][1])["id"] for _ in range(2))
    listed = (await api("GET", base, **{"from": "stranger"})).json
    assert [each["status"] for each in listed["content"]] == ["UNRECOGNISED"] * 2
    assert (await api("GET", f"{base}/{first}")).json["direction"] == "IN"
    assert (await api("PUT", f"{base}/{first}", {"starred": True})).json["starred"] is True
    assert (await api("PUT", f"{base}/{first}", {"sender": NOBODY})).status == 404
    assert (await api("PUT", f"{base}/{first}", {"sender": patient})).json["sender"] == patient
    assert (await api("GET", f"{base}/{first}")).status == 404
    assert (await api("GET", f"patients/{patient}/{name}/{first}")).status == 200
    assert (await api("DELETE", f"{base}/{second}")).body == b""
    assert (await api("GET", base)).json["totalElements"] == 0


async def test_an_email_with_attachments(api: Api, patient: str) -> None:
    form = aiohttp.FormData({"subject": "s", "body": "b \u00e9", "receiver": patient, "sendNow": "true"})
    form.add_field("attachmentsAsFiles", b"12345", filename="a.pdf", content_type="application/pdf")
    sent = await api("POST", f"patients/{patient}/emails", data=form)
    assert (sent.status, sent.json["body"], sent.json["status"]) == (201, "b \u00e9", "ACCEPTED")
    assert sent.json["attachments"] == [{"originalName": "a.pdf", "contentType": "application/pdf", "size": 5}]


async def test_contacts(api: Api, patient: str) -> None:
    base = f"patients/{patient}/contacts"
    made = await api("POST", base, {"name": "Jo", "relation": "sister"})
    assert (made.status, made.json["active"], made.json["patientId"]) == (201, True, patient)
    assert set(made.json) == {
        "id", "patientId", "name", "phone", "email", "relation", "active", "phoneLabel", "emailLabel",
        "secondaryPhoneLabel", "phonePdtFieldName", "secondaryPhonePdtFieldName", "pdtRecordId",
    }  # fmt: skip
    one = f"{base}/{made.json['id']}"
    changed = (await api("PATCH", one, {"active": False, "nope": 1})).json
    assert changed == {**made.json, "active": False}
    assert (await api("GET", one)).json == changed
    assert (await api("GET", base)).json["data"] == [changed]
    assert (await api("POST", base, {})).status == 400
    assert (await api("GET", f"{base}/{NOBODY}")).code == "CONTACT_NOT_FOUND"


async def test_profiles(server: Sandbox, api: Api, patient: str) -> None:
    server.store.add_patient()
    base = f"patients/{patient}/pdts/insurance"
    made = await api("POST", base, {"payer": "P", "member-id": "1", "nope": 2})
    assert (made.status, made.json["cdtName"], made.json["jsonBody"]["member-id"]) == (201, "insurance", "1")
    one = f"{base}/{made.json['id']}"
    changed = (await api("PATCH", one, {"payer": None})).json
    assert (await api("GET", one)).json == changed
    listed = (await api("GET", base)).json
    assert (listed["name"], listed["data"]["content"]) == ("insurance", [changed])
    owners = (await api("GET", "pdts/insurance/patients")).json
    assert [each["id"] for each in owners["content"]] == [patient]
    assert (await api("PATCH", one, {"payer": 5})).status == 400
    reply = await api("DELETE", one)
    assert (reply.status, reply.body) == (204, b"")
    assert (await api("GET", one)).code == "DT_RECORD_NOT_FOUND"
    assert (await api("GET", f"patients/{patient}/pdts/nope")).status == 404
