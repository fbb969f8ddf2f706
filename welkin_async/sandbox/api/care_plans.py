"""Care plans, their overview and goals with comments; and tasks, of goals or on their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from welkin_async.sandbox.api.formations import VersionedFormations
from welkin_async.sandbox.api.patients import PartCollection, PatientCollection, Patients
from welkin_async.sandbox.api.users import Users
from welkin_async.sandbox.http.errors import not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.collection import Collection
from welkin_async.sandbox.records.dates import timestamp
from welkin_async.sandbox.records.records import (
    authored_metadata,
    full_name,
    known_fields,
    new_metadata,
    require,
    touch,
)
from welkin_async.sandbox.records.values import Kind, list_of, uuid

PRIORITIES = ("LOW", "MEDIUM", "HIGH", "URGENT")
"""Priorities of tasks and goals (documented)."""

_GOAL_STATUSES = ("ACTIVE", "REMOVED", "COMPLETED")


@attrs.define
class _Comments(PartCollection):
    """Comments on goals (documented)."""

    component = "GOAL"
    fields = {"text": str}
    required = ("text",)

    def made(self, sent: Record, *owners: str) -> Record:
        """A new comment."""
        return {**new_metadata(self.site), **sent}


@attrs.define
class CarePlans(PatientCollection):
    """Goals, the care plans they are part of, and their section of the API; documented where nothing else is said.

    Attributes:
        formations: Templates of goals.
        tasks: Where the tasks of goals are.
        plans: Care plans by patient id, each made when it is first asked for.
        comments: Comments on goals.
    """

    component = "GOAL"
    unknown = ("GOAL_NOT_FOUND", "Goal not found")  # its code is unknown: chosen here
    fields = {"name": str, "priority": str, "status": str}
    new_fields = {"goalTemplateName": str}
    required = ("goalTemplateName",)

    formations: VersionedFormations
    tasks: Tasks
    plans: dict[str, Record] = attrs.field(factory=dict, init=False, repr=False)
    comments: _Comments = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.patients.on_delete.append(self._forget_plan)
        self.comments = _Comments(self.site, self)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/care-plan"
        goal = base + "/goals/{goal_id}"
        routes.add("care_plans.get", "GET", base, self.get_plan)
        routes.add("care_plans.create_overview", "POST", base + "/overview", self.write_overview)
        routes.add("care_plans.update_overview", "PUT", base + "/overview", self.write_overview)
        routes.collection("care_plans", goal, self, "list_goals create_goal get_goal update_goal")
        routes.add("care_plans.list_goal_comments", "GET", goal + "/comments", self.comments.list_records)
        routes.add("care_plans.add_goal_comment", "POST", goal + "/comments", self.comments.create)
        routes.add("care_plans.list_goal_tasks", "GET", goal + "/tasks", self.list_tasks)
        routes.add("care_plans.add_goal_task", "POST", goal + "/tasks", self.add_task)

    def _forget_plan(self, patient_id: str) -> None:
        self.plans.pop(patient_id, None)

    def _plan(self, patient_id: str) -> Record:
        patient = self.patients.find(patient_id)["id"]
        if patient not in self.plans:
            # That every patient has a plan, and its overview is null at first, is assumed.
            self.plans[patient] = {**new_metadata(self.site), "patientId": patient, "patientOverview": None}
        return self.plans[patient]

    def get_plan(self, call: Call, patient_id: str) -> Answer:
        """The care plan (recorded)."""
        return ok(self._plan(patient_id))

    def write_overview(self, call: Call, patient_id: str) -> Answer:
        """Write the overview, by POST or PUT alike: 200 with the overview (recorded)."""
        plan = self._plan(patient_id)
        sent = known_fields(call.object(), {"overview": str}, "CARE_PLAN", ["overview"])
        if plan["patientOverview"] is None:
            plan["patientOverview"] = {key: value for key, value in new_metadata(self.site).items() if key != "id"}
        plan["patientOverview"]["overview"] = sent["overview"]
        touch(self.site, plan["patientOverview"])
        touch(self.site, plan)
        return ok(plan["patientOverview"])

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those of the `status` asked for."""
        wanted = call.query.get("status")
        return [each for each in records if wanted in (None, "", each["status"])]

    def made(self, sent: Record, patient_id: str) -> Record:
        """A goal, and its tasks, from a template.

        Raises:
            ApiError: 404, unknown template.
        """
        template = self.formations.find("goal-templates", sent["goalTemplateName"])
        goal = {
            **new_metadata(self.site),
            "name": template["goalName"],
            "type": template["type"],
            "priority": template["priority"],
            "status": "ACTIVE",
            "templateName": template["name"],
        }
        for each in template["taskTemplates"]:
            self._task(goal, patient_id, {"name": each["name"], "assignee": {"id": self.site.client_id}})
        return goal

    def dropped(self, record: Record) -> None:
        """Remove a goal's comments."""
        self.comments.held.pop(record["id"], None)

    def _task(self, goal: Record, patient_id: str, sent: Record) -> Record:
        defaults = {"status": "TODO", "priority": goal["priority"], "patient": {"id": patient_id}}
        return self.tasks.add(defaults | sent, goalId=goal["id"])

    def _tasks(self, goal: Record) -> list[Record]:
        return [each for each in self.tasks.records.values() if each.get("goalId") == goal["id"]]

    def get_goal(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """A goal with its tasks and comments (documented)."""
        goal = self.find(patient_id, goal_id)
        return ok({"details": goal, "tasks": self._tasks(goal), "comments": list(self.comments.of(goal).values())})

    def write(self, record: Record, sent: Record) -> None:
        """Change name, priority or status."""
        require(sent, [name for name in ("name",) if name in sent], "GOAL")
        _check_choices(sent, _GOAL_STATUSES, "GOAL")
        record.update(sent)

    def list_tasks(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """A bare array of tasks (documented; its sample shows comments)."""
        return ok(self._tasks(self.find(patient_id, goal_id)))

    def add_task(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """Add a task: 201 with the task (the sources disagree on status and shape: chosen here)."""
        return ok(self._task(self.find(patient_id, goal_id), patient_id, call.object()), 201)


_TASK_STATUSES = ("TODO", "IN_PROGRESS", "COMPLETED", "CANCELED")
_CHANGEABLE: dict[str, Kind] = {
    "name": str, "description": str, "dueDate": str, "priority": str, "status": str, "assignee": dict, "patient": dict,
    "templateName": str,
}  # fmt: skip
_FIELDS = {**_CHANGEABLE, "watchers": list, "comments": list}


@attrs.define
class Tasks(Collection):
    """Tasks and their section of the API (documented).

    Attributes:
        patients: Whom tasks are about.
        users: Who is to do them.
        records: Tasks by id, in order of creation.
    """

    component = "TASK"
    unknown = ("TASK_NOT_FOUND", "Task not found")  # its code is unknown: chosen here
    fields = _CHANGEABLE
    new_fields = _FIELDS
    required = ("name", "priority", "status", "assignee")
    sortable = ("id", "createdAt", "updatedAt", "name", "dueDate", "priority", "status")

    patients: Patients
    users: Users
    records: dict[str, Record] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/tasks"
        one = base + "/{task_id}"
        routes.add("tasks.search", "GET", base, self.list_records)
        routes.add("tasks.batch_update_status", "PATCH", base, self.update_statuses)
        routes.collection("tasks", one, self, "create get update")
        routes.add("tasks.add_watcher", "PATCH", one + "/watchers", self.add_watcher)
        routes.add("tasks.remove_watcher", "DELETE", one + "/watchers/{watcher_id}", self.remove_watcher)
        routes.add("tasks.add_comment", "PATCH", one + "/comments", self.add_comment)
        routes.add("tasks.remove_comment", "DELETE", one + "/comments/{comment_id}", self.remove_comment)

    def rows(self) -> dict[str, Record]:
        """Tasks by id."""
        return self.records

    def made(self, sent: Record) -> Record:
        """A new task."""
        return self.add(sent)

    def add(self, fields: Mapping[str, Any], **more: Any) -> Record:
        """Create a task.

        Args:
            fields: By wire name; unknown ones are dropped.
            more: Further keys of the record, such as `goalId`.

        Raises:
            ApiError: 400, a required key is missing or a value does not fit.
        """
        clean = known_fields(fields, _FIELDS, "TASK", self.required)
        record: Record = {
            **authored_metadata(self.site),
            "comments": [],
            "dueDate": None,
            "watchers": [],
            "description": "",
            # Only AUTOMATION is recorded; what the API makes is unknown: chosen here.
            "createdType": "API_CLIENT",
            "templateName": None,
            "patient": None,
            "watchersType": "POINT_OF_CONTACT",
            "author": self._author(),
            **more,
        }
        self.write(record, clean)
        self.records[record["id"]] = record
        return record

    def write(self, record: Record, sent: Record) -> None:
        """Write the keys sent, all of them or none."""
        clean = dict(sent)
        require(clean, [name for name in self.required if name in clean], "TASK")
        _check_choices(clean, _TASK_STATUSES, "TASK")
        if "dueDate" in clean:
            clean["dueDate"] = timestamp(clean, "dueDate", "TASK")
        for name, user in (("assignee", True), ("patient", False)):
            if name in clean:
                clean[name] = None if clean[name] is None else self._person(clean[name], user=user)
        if "watchers" in clean:
            clean["watchers"] = [self._person(each, user=True) for each in clean["watchers"] or ()]
        if "comments" in clean:
            clean["comments"] = [self._comment(each) for each in clean["comments"] or ()]
        record.update(clean)

    def _person(self, sent: Any, *, user: bool) -> Record:
        if not isinstance(sent, dict) or not uuid(sent.get("id")):
            raise validation_error("a person is an object with an id", "TASK")
        held = (self.users.records if user else self.patients.records).get(sent["id"].lower(), {})
        person = {"id": sent["id"], "name": full_name(held) or held.get("username")}
        return {**person, "enabled": held.get("enabled")} if user else person

    def _comment(self, sent: Any) -> Record:
        if not isinstance(sent, dict) or not isinstance(sent.get("text"), str):
            raise validation_error("a comment is an object with a text", "TASK", field="text")
        head = {"id": self.site.new_id(), "createdAt": self.site.clock.stamp()}
        return {**head, "author": self._author(), "text": sent["text"]}

    def _author(self) -> Record:
        return {"id": self.site.client_id, "name": self.site.author}

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those that meet every filter."""
        query = call.query
        ids: dict[str, Callable[[Record], list[Record | None]]] = {
            "assigneeId": lambda task: [task["assignee"]],
            "patientId": lambda task: [task["patient"]],
            "watcherId": lambda task: task["watchers"],
            "authorId": lambda task: [task["author"]],
            "relatedUserId": lambda task: [task["assignee"], task["author"], *task["watchers"]],
        }
        found = list(records)
        for name, people in ids.items():
            if query.get(name):
                found = [each for each in found if any(one and one["id"] == query[name] for one in people(each))]
        for name in ("status", "priority"):
            if query.get(name):
                found = [each for each in found if each[name] in query[name].split(",")]
        due, before = timestamp(query, "dueDate", "TASK"), timestamp(query, "dueBefore", "TASK")
        return [
            each
            for each in found
            if (due is None or each["dueDate"] == due)
            and (before is None or (each["dueDate"] is not None and each["dueDate"] < before))
            and query.get("description", "").lower() in (each["description"] or "").lower()
            and query.get("search", "").lower() in f"{each['name']} {each['description'] or ''}".lower()
        ]

    def _changed(self, task: Record) -> Answer:
        touch(self.site, task)
        return ok(task)

    def update_statuses(self, call: Call) -> Answer:
        """Set the status of several tasks: a bare array of them (documented); all or none (unknown: chosen here)."""
        sent = known_fields(call.object(), {"taskIds": list_of(uuid), "status": str}, "TASK", ("taskIds", "status"))
        tasks = [self.find(each) for each in sent["taskIds"]]
        for task in tasks:
            self.write(task, {"status": sent["status"]})
            touch(self.site, task)
        return ok(tasks)

    def add_watcher(self, call: Call, task_id: str) -> Answer:
        """Add a watcher: the whole task (documented); one that watches already is not added again."""
        task, person = self.find(task_id), self._person(call.object(), user=True)
        if all(each["id"] != person["id"] for each in task["watchers"]):
            task["watchers"].append(person)
        return self._changed(task)

    def remove_watcher(self, call: Call, task_id: str, watcher_id: str) -> Answer:
        """Remove a watcher: the whole task, though it is a DELETE (documented)."""
        task = self.find(task_id)
        self._remove(task, "watchers", watcher_id)
        return self._changed(task)

    def add_comment(self, call: Call, task_id: str) -> Answer:
        """Add a comment: the whole task (documented); a second sending adds a second one."""
        task = self.find(task_id)
        task["comments"].append(self._comment(call.object()))
        return self._changed(task)

    def remove_comment(self, call: Call, task_id: str, comment_id: str) -> Answer:
        """Remove a comment: a list with the one task, as the documented sample shows (its text says an object)."""
        task = self.find(task_id)
        self._remove(task, "comments", comment_id)
        touch(self.site, task)
        return ok([task])

    def _remove(self, task: Record, kind: str, part_id: str) -> None:
        kept = [each for each in task[kind] if each["id"] != part_id]
        if len(kept) == len(task[kind]):
            raise not_found("TASK_NOT_FOUND", "TASK", f"Not among the task's {kind}", id=part_id)
        task[kind] = kept


def _check_choices(sent: Mapping[str, Any], statuses: Sequence[str], component: str) -> None:
    """Insist on a known priority and status, where they are sent."""
    for name, known in (("priority", PRIORITIES), ("status", statuses)):
        if name in sent and sent[name] not in known:
            raise validation_error(f"{name} is one of {', '.join(known)}", component, field=name)
