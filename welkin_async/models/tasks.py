"""Tasks with their watchers and comments."""

from __future__ import annotations

from datetime import datetime

from welkin_async.models.metadata import AuthoredById
from welkin_async.wire.records import Record, record, wire


@record
class PersonRef(Record):
    """A person named in a task.

    Attributes:
        enabled: On assignee and watchers.
    """

    id: str = wire("id", required=True)
    name: str | None = wire("name")
    enabled: bool | None = wire("enabled")


@record
class TaskComment(Record):
    """A comment on a task.

    In GoalDetails samples a task comment has createdByName/updatedByName/updatedAt in place of author.
    """

    id: str | None = wire("id")
    created_at: datetime | None = wire("createdAt")
    author: PersonRef | None = wire("author")
    text: str | None = wire("text")


@record
class Task(AuthoredById):
    """A task.

    No task endpoint is recorded; the recording fields come from a task embedded in a data audit event.

    Values seen, none of them closed sets:

    - status: TODO, IN_PROGRESS, COMPLETED, CANCELED (one L).
    - priority: LOW, MEDIUM, HIGH, URGENT.
    - watchersType (the 2021 documentation, recorded): POINT_OF_CONTACT.
    - createdType (recorded): AUTOMATION.

    Attributes:
        due_date: Null when no deadline.
        author: In every sample of the 2021 documentation, absent from the recorded audit copy.
        goal_id: Only for goal tasks.
    """

    comments: tuple[TaskComment, ...] | None = wire("comments")
    due_date: datetime | None = wire("dueDate")
    watchers: tuple[PersonRef, ...] | None = wire("watchers")
    description: str | None = wire("description")
    priority: str | None = wire("priority")
    created_type: str | None = wire("createdType")
    template_name: str | None = wire("templateName")
    patient: PersonRef | None = wire("patient")
    name: str | None = wire("name")
    id: str = wire("id", required=True)
    assignee: PersonRef | None = wire("assignee")
    status: str | None = wire("status")
    watchers_type: str | None = wire("watchersType")
    author: PersonRef | None = wire("author")
    goal_id: str | None = wire("goalId")
