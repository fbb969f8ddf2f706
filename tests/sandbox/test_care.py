"""Tasks, programs, dictionaries and care plans."""

from __future__ import annotations

from typing import Any

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api

TASK = {
    "createdByName", "comments", "updatedBy", "dueDate", "updatedByName", "watchers", "description", "priority",
    "createdType", "createdAt", "createdBy", "templateName", "patient", "name", "id", "assignee", "status", "updatedAt",
    "watchersType", "author",
}  # fmt: skip
PROGRAM = {
    "id", "createdByName", "createdAt", "updatedByName", "updatedAt", "programName", "programTitle",
    "programDescription", "assigned", "patientId", "currentPhase", "status", "compatibleWithCurrentVersion",
    "pathHistory",
}  # fmt: skip


async def task(api: Api, assignee: str, **more: Any) -> dict[str, Any]:
    sent = {"name": "Call", "priority": "LOW", "status": "TODO", "assignee": {"id": assignee}, **more}
    reply = await api("POST", "tasks", sent)
    assert reply.status == 201
    return dict(reply.json)


async def test_tasks_with_watchers_and_comments(server: Sandbox, api: Api, patient: str) -> None:
    user = server.store.add_user("u", "u@x.org", firstName="Ada", lastName="User")["id"]
    made = await task(api, user, patient={"id": patient}, dueDate="2030-01-01T00:00:00Z", comments=[{"text": "a"}])
    assert set(made) == TASK
    assert made["assignee"] == {"id": user, "name": "Ada User", "enabled": False}
    assert made["patient"] == {"id": patient, "name": "Charlie Taylor"}
    assert made["dueDate"] == "2030-01-01T00:00:00.000Z"
    path = f"tasks/{made['id']}"
    assert (await api("GET", path)).json == made
    for _ in range(2):
        watched = (await api("PATCH", f"{path}/watchers", {"id": user})).json
    assert [each["id"] for each in watched["watchers"]] == [user]
    assert (await api("DELETE", f"{path}/watchers/{user}")).json["watchers"] == []
    assert (await api("DELETE", f"{path}/watchers/{user}")).status == 404
    for _ in range(2):
        commented = (await api("PATCH", f"{path}/comments", {"text": "b"})).json
    assert [each["text"] for each in commented["comments"]] == ["a", "b", "b"]
    left = (await api("DELETE", f"{path}/comments/{commented['comments'][0]['id']}")).json
    assert [each["text"] for each in left[0]["comments"]] == ["b", "b"]
    changed = (await api("PATCH", path, {"status": "COMPLETED", "dueDate": None, "comments": []})).json
    assert (changed["status"], changed["dueDate"], len(changed["comments"])) == ("COMPLETED", None, 2)
    unfit: list[dict[str, Any]] = [{"status": "CANCELLED"}, {"priority": "x"}, {"assignee": {}}, {"dueDate": "soon"}]
    for wrong in [*unfit, {"name": 5}]:
        assert (await api("PATCH", path, wrong)).status == 400
    assert (await api("POST", "tasks", {"name": "x"})).status == 400
    assert (await api("GET", f"tasks/{NOBODY}")).code == "TASK_NOT_FOUND"


async def test_tasks_are_searched_and_changed_together(server: Sandbox, api: Api, patient: str) -> None:
    user = server.store.add_user("u", "u@x.org")["id"]
    first = await task(api, user, name="first", dueDate="2030-01-01T00:00:00Z", watchers=[{"id": user}])
    second = await task(api, NOBODY, description="Second thing", patient={"id": patient}, priority="HIGH")

    async def names(**query: str) -> list[str]:
        answer = (await api("GET", "tasks", **query)).json
        assert set(answer) == {"data", "metaInfo"}
        return [each["name"] for each in answer["data"]]

    assert await names(sort="name,desc") == ["first", "Call"]
    assert await names(assigneeId=user) == await names(relatedUserId=user) == await names(watcherId=user) == ["first"]
    assert await names(patientId=patient) == await names(search="second") == await names(priority="HIGH") == ["Call"]
    assert await names(dueDate="2030-01-01T00:00:00.000Z") == await names(dueBefore="2031-01-01T00:00:00Z") == ["first"]
    assert await names(authorId=user) == []
    ids = [first["id"], second["id"]]
    reply = await api("PATCH", "tasks", {"taskIds": ids, "status": "CANCELED"})
    assert [each["status"] for each in reply.json] == ["CANCELED"] * 2
    assert await names(status="TODO,CANCELED", size="1", page="1") == ["Call"]
    assert (await api("PATCH", "tasks", {"taskIds": [*ids, NOBODY], "status": "TODO"})).status == 404


async def test_programs(server: Sandbox, api: Api, patient: str) -> None:
    base = f"patients/{patient}/programs"
    listed = (await api("GET", base)).json
    assert [each["programName"] for each in listed["data"]] == ["wellness", "diabetes"]
    assert all(set(each) == PROGRAM and each["id"] is None and not each["assigned"] for each in listed["data"])
    missing = await api("GET", f"{base}/current/wellness")
    assert (missing.code, set(missing.error["details"])) == (
        "PATIENT_PROGRAM_NOT_FOUND", {"programName", "patientId", "notStatus"},
    )  # fmt: skip
    assert (await api("PATCH", f"{base}/wellness", {"phaseName": "active"})).status == 404
    made = (await api("PATCH", f"{base}/wellness", {"assigned": True})).json
    assert set(made) == PROGRAM
    assert (made["status"], made["currentPhase"]["name"]) == ("IN_PROGRESS", "enrolled")
    assert (await api("PATCH", f"{base}/wellness", {"phaseName": "active"})).json["currentPhase"]["name"] == "active"
    moved = (await api("PATCH", f"{base}/wellness/phases", {"phaseName": "done"})).json
    assert [each["name"] for each in moved["pathHistory"]] == ["enrolled", "active", "done"]
    assert (await api("PATCH", f"{base}/wellness", {"phaseName": "nope"})).status == 400
    assert (await api("PATCH", f"{base}/nope", {"assigned": True})).status == 404
    for path in ("current/wellness", f"history/{made['id']}", "wellness"):
        assert (await api("GET", f"{base}/{path}")).json == moved
    assert (await api("GET", base, assignedPrograms="true")).json["data"] == [moved]
    assert (await api("GET", f"patients/{patient}")).json["patientPrograms"] == [moved]
    report = (await api("GET", "reports/patient-program-phase-distribution")).json
    assert report == [{"programName": "wellness", "phaseName": "done", "patientCount": 1}]
    await api("PATCH", f"{base}/wellness", {"status": "FINISHED"})
    assert (await api("GET", f"{base}/current/wellness")).status == 404
    assert (await api("GET", f"{base}/history/{made['id']}")).json["status"] == "FINISHED"
    assert (await api("DELETE", f"{base}/{made['id']}")).body == b""
    gone = await api("GET", f"{base}/history/{made['id']}")
    assert (gone.code, set(gone.error["details"])) == ("PATIENT_PROGRAM_NOT_FOUND", {"id", "patientId"})
    await api("PATCH", f"{base}/diabetes", {"assigned": True})
    assert (await api("DELETE", f"{base}/diabetes")).status == 200


async def test_dictionaries(server: Sandbox, api: Api) -> None:
    base = "dictionaries/icd-10"
    rows = [{"values": {"code": f"G4{number}", "description": "Migraine", "nope": 1}} for number in range(2)]
    added = await api("POST", base, {"records": rows})
    assert (added.status, set(added.json)) == (201, {"dictionaryName", "lastUpdatedAt", "records"})
    first, second = added.json["records"]
    assert set(first) == {"id", "createdAt", "updatedAt", "fullValue", "deleted", "values"}
    assert (first["values"], first["fullValue"]) == ({"code": "G40", "description": "Migraine"}, "G40 - Migraine")
    server.clock.advance(60)
    changed = (await api("PUT", f"{base}/{first['id']}", {"values": {"code": "G43"}})).json
    assert changed["values"] == {"code": "G43", "description": None}
    assert (await api("GET", f"{base}/{first['id']}")).json == changed
    newer = (await api("GET", base, dateStart=changed["updatedAt"])).json
    assert (newer["records"], newer["lastUpdatedAt"]) == ([changed], changed["updatedAt"])
    assert (await api("DELETE", f"{base}/{second['id']}")).json["deleted"] is True
    assert len((await api("GET", base)).json["records"]) == 1
    assert len((await api("GET", base, showDeleted="true")).json["records"]) == 2
    replaced = (await api("PUT", base, {"records": [{"values": {"code": "Z"}}]})).json
    assert (await api("GET", base, showDeleted="true")).json["records"] == replaced["records"]
    unfit: list[dict[str, Any]] = [{}, {"records": [{}]}, {"records": ["x"]}]
    for wrong in unfit:
        assert (await api("POST", base, wrong)).status == 400
    assert (await api("POST", "dictionaries/timezone", {"records": []})).status == 400
    assert (await api("GET", "dictionaries/nope")).status == (await api("GET", f"{base}/{NOBODY}")).status == 404


async def test_care_plan_with_goals(server: Sandbox, api: Api, patient: str) -> None:
    base = f"patients/{patient}/care-plan"
    plan = (await api("GET", base)).json
    assert plan["patientOverview"] is None
    assert set(plan) == {
        "id", "createdByName", "createdAt", "updatedByName", "updatedAt", "patientId", "patientOverview",
    }  # fmt: skip
    for method, text in (("POST", "one"), ("PUT", "two")):
        reply = await api(method, f"{base}/overview", {"overview": text})
        assert (reply.status, reply.json["overview"], "id" in reply.json) == (200, text, False)
    assert (await api("GET", base)).json["patientOverview"]["overview"] == "two"
    made = await api("POST", f"{base}/goals", {"goalTemplateName": "walk-daily"})
    assert (made.status, made.json["templateName"], made.json["status"]) == (201, "walk-daily", "ACTIVE")
    goal = f"{base}/goals/{made.json['id']}"
    comment = await api("POST", f"{goal}/comments", {"text": "well done"})
    assert (comment.status, (await api("GET", f"{goal}/comments")).json) == (201, [comment.json])
    more = await api("POST", f"{goal}/tasks", {"name": "Walk", "assignee": {"id": NOBODY}})
    assert (more.status, more.json["goalId"], more.json["patient"]["id"]) == (201, made.json["id"], patient)
    tasks = (await api("GET", f"{goal}/tasks")).json
    assert [each["name"] for each in tasks] == ["Buy shoes", "Walk"]
    whole = (await api("GET", goal)).json
    assert whole == {"details": made.json, "tasks": tasks, "comments": [comment.json]}
    assert (await api("PATCH", goal, {"status": "COMPLETED", "name": "Walked"})).json["name"] == "Walked"
    assert (await api("PATCH", goal, {"priority": "x"})).status == 400
    assert (await api("GET", f"{base}/goals", status="ACTIVE")).json["data"] == []
    assert (await api("GET", f"{base}/goals", status="COMPLETED")).json["metaInfo"]["totalElements"] == 1
    assert (await api("GET", f"{base}/goals/{NOBODY}")).code == "GOAL_NOT_FOUND"
    assert (await api("POST", f"{base}/goals", {"goalTemplateName": "nope"})).status == 404
