"""Tasks with their watchers and comments."""

from __future__ import annotations

from datetime import datetime

from welkin_async.record import Record, record, wire

__all__ = ["PersonRef", "Task", "TaskComment"]


@record
class PersonRef(Record):
    """A person named in a task.

    Attributes:
        id: ``id``.
        name: ``name``.
        enabled: ``enabled``; on assignee and watchers.
    """

    id: str = wire("id", required=True)
    name: str | None = wire("name")
    enabled: bool | None = wire("enabled")


@record
class TaskComment(Record):
    """A comment on a task.

    In GoalDetails samples a task comment has createdByName/updatedByName/updatedAt in place of author.

    Attributes:
        id: ``id``.
        created_at: ``createdAt``.
        author: ``author``.
        text: ``text``.
    """

    id: str | None = wire("id")
    created_at: datetime | None = wire("createdAt")
    author: PersonRef | None = wire("author")
    text: str | None = wire("text")


@record
class Task(Record):
    """A task.

    No task endpoint is recorded; the recording fields come from a task embedded in a data audit event.

    Values seen, none of them closed sets:

    - status: TODO, IN_PROGRESS, COMPLETED, CANCELED (one L).
    - priority: LOW, MEDIUM, HIGH, URGENT.
    - watchersType (the 2021 documentation, recorded): POINT_OF_CONTACT.
    - createdType (recorded): AUTOMATION.

    Attributes:
        created_by_name: ``createdByName``.
        comments: ``comments``.
        updated_by: ``updatedBy``.
        due_date: ``dueDate``; null when no deadline.
        updated_by_name: ``updatedByName``.
        watchers: ``watchers``.
        description: ``description``.
        priority: ``priority``.
        created_type: ``createdType``.
        created_at: ``createdAt``.
        created_by: ``createdBy``.
        template_name: ``templateName``.
        patient: ``patient``.
        name: ``name``.
        id: ``id``.
        assignee: ``assignee``.
        status: ``status``.
        updated_at: ``updatedAt``.
        watchers_type: ``watchersType``.
        author: ``author``; in every sample of the 2021 documentation, absent from the recorded audit copy.
        goal_id: ``goalId``; only for goal tasks.
    """

    created_by_name: str | None = wire("createdByName")
    comments: tuple[TaskComment, ...] | None = wire("comments")
    updated_by: str | None = wire("updatedBy")
    due_date: datetime | None = wire("dueDate")
    updated_by_name: str | None = wire("updatedByName")
    watchers: tuple[PersonRef, ...] | None = wire("watchers")
    description: str | None = wire("description")
    priority: str | None = wire("priority")
    created_type: str | None = wire("createdType")
    created_at: datetime | None = wire("createdAt")
    created_by: str | None = wire("createdBy")
    template_name: str | None = wire("templateName")
    patient: PersonRef | None = wire("patient")
    name: str | None = wire("name")
    id: str = wire("id", required=True)
    assignee: PersonRef | None = wire("assignee")
    status: str | None = wire("status")
    updated_at: datetime | None = wire("updatedAt")
    watchers_type: str | None = wire("watchersType")
    author: PersonRef | None = wire("author")
    goal_id: str | None = wire("goalId")
