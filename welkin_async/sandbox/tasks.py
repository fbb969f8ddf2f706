"""Tasks with watchers and comments, in the instance or below a goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .errors import not_found, validation_error
from .moments import instant
from .pages import meta_page, sorted_by
from .patients import Patients
from .records import authored, picked, require, touch
from .routing import Routes
from .site import Site
from .users import Users
from .wire import Answer, Call, Record, ok

__all__ = ["PRIORITIES", "Tasks"]

PRIORITIES = ("LOW", "MEDIUM", "HIGH", "URGENT")
"""Priorities of tasks and goals (documented)."""

_STATUSES = ("TODO", "IN_PROGRESS", "COMPLETED", "CANCELED")
_KINDS: dict[str, Any] = {
    "name": str, "description": str, "dueDate": str, "priority": str, "status": str, "assignee": dict, "patient": dict,
    "watchers": list, "comments": list, "templateName": str,
}  # fmt: skip
_SORTABLE = ("id", "createdAt", "updatedAt", "name", "dueDate", "priority", "status")


@attrs.define
class Tasks:
    """Tasks and their section of the API.

    Attributes:
        site: Clock, ids and author.
        patients: Whom tasks are about.
        users: Who is to do them.
        records: Tasks by id, in order of creation.
    """

    site: Site
    patients: Patients
    users: Users
    records: dict[str, Record] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/tasks"
        one = base + "/{task_id}"
        routes.add("tasks.search", "GET", base, self.search)
        routes.add("tasks.create", "POST", base, self.create)
        routes.add("tasks.batch_update_status", "PATCH", base, self.batch)
        routes.add("tasks.get", "GET", one, self.get)
        routes.add("tasks.update", "PATCH", one, self.update)
        routes.add("tasks.add_watcher", "PATCH", one + "/watchers", self.add_watcher)
        routes.add("tasks.remove_watcher", "DELETE", one + "/watchers/{watcher_id}", self.remove_watcher)
        routes.add("tasks.add_comment", "PATCH", one + "/comments", self.add_comment)
        routes.add("tasks.remove_comment", "DELETE", one + "/comments/{comment_id}", self.remove_comment)

    def add(self, fields: Mapping[str, Any], **more: Any) -> Record:
        """Create a task.

        Args:
            fields: By wire name; unknown ones are dropped.
            more: Further keys of the record, such as `goalId`.

        Raises:
            ApiError: 400, a required key is missing or a value does not fit.
        """
        require(fields, ("name", "priority", "status", "assignee"), "TASK")
        record: Record = {
            **authored(self.site),
            "comments": [],
            "dueDate": None,
            "watchers": [],
            "description": "",
            # Only AUTOMATION is recorded; what the API makes is unknown: chosen here.
            "createdType": "API_CLIENT",
            "templateName": None,
            "patient": None,
            "watchersType": "POINT_OF_CONTACT",
            "author": {"id": self.site.client_id, "name": self.site.author},
            **more,
        }
        self._write(record, fields)
        self.records[record["id"]] = record
        return record

    def _write(self, record: Record, sent: Mapping[str, Any]) -> None:
        clean = picked(sent, _KINDS, "TASK")
        for name, known in (("priority", PRIORITIES), ("status", _STATUSES)):
            if name in clean and clean[name] not in known:
                raise validation_error(f"{name} is one of {', '.join(known)}", "TASK", field=name)
        if "dueDate" in clean:
            clean["dueDate"] = instant(clean, "dueDate", "TASK")
        for name, user in (("assignee", True), ("patient", False)):
            if name in clean:
                clean[name] = None if clean[name] is None else self._person(clean[name], user=user)
        if "watchers" in clean:
            clean["watchers"] = [self._person(each, user=True) for each in clean["watchers"] or ()]
        if "comments" in clean:
            clean["comments"] = [self._comment(each) for each in clean["comments"] or ()]
        record.update(clean)

    def _person(self, sent: Any, *, user: bool) -> Record:
        if not isinstance(sent, dict) or not isinstance(sent.get("id"), str):
            raise validation_error("a person is an object with an id", "TASK")
        held = (self.users.records if user else self.patients.records).get(sent["id"].lower(), {})
        name = " ".join(held[key] for key in ("firstName", "lastName") if held.get(key))
        person = {"id": sent["id"], "name": name or held.get("username")}
        return {**person, "enabled": held.get("enabled")} if user else person

    def _comment(self, sent: Any) -> Record:
        if not isinstance(sent, dict) or not isinstance(sent.get("text"), str):
            raise validation_error("a comment is an object with a text", "TASK", field="text")
        author = {"id": self.site.client_id, "name": self.site.author}
        return {
            "id": self.site.new_id(), "createdAt": self.site.clock.stamp(), "author": author, "text": sent["text"],
        }  # fmt: skip

    def find(self, task_id: Any) -> Record:
        """A task by id.

        Args:
            task_id: Its id.

        Raises:
            ApiError: 404 (its code is unknown: chosen here).
        """
        found = self.records.get(task_id.lower()) if isinstance(task_id, str) else None
        if found is None:
            raise not_found("TASK_NOT_FOUND", "TASK", "Task not found", id=task_id)
        return found

    def search(self, call: Call) -> Answer:
        """A page of the tasks that meet every filter (documented)."""
        query = call.query
        ids: dict[str, Callable[[Record], list[Record | None]]] = {
            "assigneeId": lambda task: [task["assignee"]],
            "patientId": lambda task: [task["patient"]],
            "watcherId": lambda task: task["watchers"],
            "authorId": lambda task: [task["author"]],
            "relatedUserId": lambda task: [task["assignee"], task["author"], *task["watchers"]],
        }
        found = list(self.records.values())
        for name, people in ids.items():
            if query.get(name):
                found = [each for each in found if any(one and one["id"] == query[name] for one in people(each))]
        for name in ("status", "priority"):
            if query.get(name):
                found = [each for each in found if each[name] in query[name].split(",")]
        due, before = instant(query, "dueDate", "TASK"), instant(query, "dueBefore", "TASK")
        found = [
            each
            for each in found
            if (due is None or each["dueDate"] == due)
            and (before is None or (each["dueDate"] is not None and each["dueDate"] < before))
            and query.get("description", "").lower() in (each["description"] or "").lower()
            and query.get("search", "").lower() in f"{each['name']} {each['description'] or ''}".lower()
        ]
        return ok(meta_page(sorted_by(found, query, _SORTABLE), query))

    def create(self, call: Call) -> Answer:
        """Create a task: 201 (documented)."""
        return ok(self.add(call.object()), 201)

    def get(self, call: Call, task_id: str) -> Answer:
        """One task (documented)."""
        return ok(self.find(task_id))

    def update(self, call: Call, task_id: str) -> Answer:
        """Change the keys sent (documented)."""
        task, sent = self.find(task_id), call.object()
        self._write(task, {name: value for name, value in sent.items() if name not in ("watchers", "comments")})
        return self._changed(task)

    def _changed(self, task: Record) -> Answer:
        touch(self.site, task)
        return ok(task)

    def batch(self, call: Call) -> Answer:
        """Set the status of several tasks: a bare array of them (documented); all or none (unknown: chosen here)."""
        sent = call.object()
        require(sent, ("taskIds", "status"), "TASK")
        tasks = [self.find(each) for each in sent["taskIds"]]
        for task in tasks:
            self._write(task, {"status": sent["status"]})
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
