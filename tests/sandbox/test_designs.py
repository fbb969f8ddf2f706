"""Formations of every kind, and what users may do."""

from __future__ import annotations

from typing import Any

import pytest

from welkin_async.sandbox import Sandbox, SandboxProcess

from .api import NOBODY, Api, connected

TYPE = {
    "id", "name", "title", "label", "version", "internal", "readable", "updatable", "type", "relation", "fields",
    "_containsPHI",
}  # fmt: skip
KEYS: dict[str, set[str]] = {
    "assessments": {
        "id", "title", "name", "version", "sections", "scoring", "programs", "template", "conditionSettings",
        "displayType", "autoCompleted", "_containsPHI",
    },
    "encounters": {
        "id", "name", "title", "encounterDescription", "encounterInstruction", "encounterColor", "type",
        "deliveryMethod", "defaultDuration", "assessmentNames",
    },
    "goal-templates": {"name", "goalName", "type", "priority", "taskTemplates"},
    "programs": {"name", "title", "description", "phases", "nodes"},
    "dictionaries": {"name", "title", "internal", "fields"},
    "document-types": TYPE,
    "pdts": TYPE,
}  # fmt: skip
WRITABLE = ("assessments", "document-types", "encounters", "programs", "dictionaries")


@pytest.mark.parametrize("kind", KEYS)
async def test_reads_show_the_documented_keys(api: Api, kind: str) -> None:
    listed = (await api("GET", f"formations/current/{kind}", page="0")).json
    assert listed
    for each in listed:
        assert set(each) == KEYS[kind]
        assert (await api("GET", f"formations/draft/{kind}/{each['name']}")).json == each
    assert (await api("GET", f"formations/current/{kind}/nope")).status == 404
    assert (await api("GET", f"formations/other/{kind}")).status == 404


@pytest.mark.parametrize("kind", WRITABLE)
async def test_writes_change_the_draft_until_it_is_published(server: Sandbox, api: Api, kind: str) -> None:
    draft, current = f"formations/draft/{kind}", f"formations/current/{kind}"
    made = await api("POST", draft, {"name": "a b", "title": "One", "nope": 1})
    assert made.status == (200 if kind == "assessments" else 201)
    assert (set(made.json), made.json["title"]) == (KEYS[kind], "One")
    assert (await api("POST", draft, {"name": "a b"})).status == 400
    assert (await api("POST", draft, {})).status == 400
    one = f"{draft}/a%20b"
    changed = (await api("PUT", one, {"name": "other", "title": "Two"})).json
    assert (changed["name"], changed["title"]) == ("a b", "Two")
    if "version" in changed:
        assert (changed["id"], changed["version"]) == (made.json["id"], 2)
    assert (await api("GET", f"{current}/a%20b")).status == 404
    server.store.sections.versioned_formations.publish()
    assert (await api("GET", f"{current}/a%20b")).json == changed
    assert (await api("POST", current, {"name": "x"})).status == 405
    assert (await api("DELETE", one)).body == b""
    assert (await api("DELETE", one)).status == (await api("PUT", one, {})).status == 404
    assert (await api("GET", f"{current}/a%20b")).status == 200


async def test_fields_of_types_are_checked(api: Api) -> None:
    fields = [{"name": "notes", "type": "text"}]
    made = (await api("POST", "formations/draft/document-types", {"name": "scan", "fields": fields})).json
    assert [each["name"] for each in made["fields"]][-1] == "notes"
    for wrong in ([{"name": "x", "type": "decimal"}], [{"name": "x"}], ["x"], 5):
        sent = {"name": "wrong", "fields": wrong}
        assert (await api("POST", "formations/draft/document-types", sent)).status == 400


async def test_cdt_of_an_assessment_and_the_disposition(server: Sandbox, api: Api) -> None:
    base = "formations/current/assessments/cdt"
    answers = (await api("GET", f"{base}/_phq-2")).json
    assert {"phq__interest", "phq__feeling-down"} < {each["name"] for each in answers["fields"]}
    assert (await api("GET", f"{base}/_phq-2_scoring")).json["name"] == "_phq-2_scoring"
    for wrong in ("phq-2", "_nope", "_nope_scoring"):
        assert (await api("GET", f"{base}/{wrong}")).status == 404
    path = "formations/{}/encounter-disposition"
    before = (await api("GET", path.format("current"))).json
    assert (before["name"], before["relation"]) == ("__encounter_disposition__", "ENCOUNTER_DISPOSITION")
    after = (await api("PUT", path.format("draft"), {"fields": [{"name": "outcome", "type": "text"}]})).json
    assert (after["id"], after["version"], after["title"]) == (before["id"], 2, None)
    assert len(after["fields"]) == 13
    assert (await api("GET", path.format("current"))).json == before
    server.store.sections.versioned_formations.publish()
    assert (await api("GET", path.format("current"))).json == after
    assert (await api("PUT", path.format("current"), {})).status == 405


async def test_a_process_publishes_its_draft() -> None:
    async with SandboxProcess() as server, connected(server) as api:
        await api("POST", "formations/draft/programs", {"name": "new"})
        assert (await api("GET", "formations/current/programs/new")).status == 404
        await server.publish()
        assert (await api("GET", "formations/current/programs/new")).status == 200


async def test_access_permissions_and_territories(server: Sandbox, api: Api) -> None:
    user = server.store.add_user("u", "u@x.org")["id"]
    apps = f"/gh/admin/application-accesses/{user}"
    before = (await api("GET", apps)).json
    assert set(before) == {
        "id", "createdAt", "updatedAt", "userId", "adminAccessEnabled", "auditSecurityAccessEnabled",
        "instanceAccesses",
    }  # fmt: skip
    instances: list[dict[str, Any]] = [{"instanceName": "sb-demo", "workshopAccessEnabled": True}]
    for flag in (True, False):
        instances[0]["workshopAccessEnabled"] = flag
        after = (await api("PUT", apps, {"adminAccessEnabled": True, "instanceAccesses": instances})).json
    assert (after["adminAccessEnabled"], after["auditSecurityAccessEnabled"]) == (True, False)
    assert [each["workshopAccessEnabled"] for each in after["instanceAccesses"]] == [False]
    shown = (await api("GET", f"/gh/admin/users/{user}", type="ID")).json
    assert shown["applicationAccess"] == after

    rights = f"/gh/admin/user-permissions/{user}"
    role = {"permissionName": "nurse", "instanceName": "sb-demo", "type": "SECURITY_ROLE"}
    policy = {"permissionName": "export", "instanceName": "sb-demo", "type": "SECURITY_POLICY"}
    policy["effectiveDate"] = "2031-02-03T04:05:06Z"
    for _ in range(2):
        put = (await api("PUT", rights, {"permissions": [role, policy]})).json
    assert set(put) == {"id", "createdAt", "updatedAt", "userId", "permissions"}
    assert [each["permissionName"] for each in put["permissions"]] == ["nurse", "export"]
    assert [sorted(set(each) & {"primaryRole", "effectiveDate"}) for each in put["permissions"]] == [
        ["primaryRole"], ["effectiveDate"],
    ]  # fmt: skip
    assert put["permissions"][1]["effectiveDate"] == "2031-02-03T04:05:06.000Z"
    assert (await api("GET", rights)).json == put
    assert (await api("PUT", rights, {"permissions": [{**role, "type": "x"}]})).status == 400
    assert (await api("PUT", rights, {"permissions": ["x"]})).status == 400

    areas = f"/gh/admin/user-territories/{user}"
    sent = {"territories": [{"name": "west", "territories": ["a"], "instanceName": "sb-demo"}]}
    put = (await api("PUT", areas, sent)).json
    assert set(put) == {"id", "createdAt", "updatedAt", "createdBy", "updatedBy", "userId", "territories"}
    assert put["territories"][0]["territories"] == ["a"]
    assert (await api("GET", areas)).json["territories"] == put["territories"]
    found = (await api("GET", "users", region="west", territories="a")).json
    assert [each["id"] for each in found["data"]] == [user]
    for kind in ("application-accesses", "user-permissions", "user-territories"):
        assert (await api("GET", f"/gh/admin/{kind}/{NOBODY}")).code == "USER_NOT_FOUND"

    audits = (await api("GET", "/gh/admin/audit-security", eventSubtype="USER_ACCESS_UPDATED")).json
    assert audits["metaInfo"]["totalElements"] == 5
    assert audits["data"][0]["objectUserId"] == user
