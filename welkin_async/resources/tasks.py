"""Tasks of the instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.tasks import PersonRef, Task, TaskComment
from welkin_async.paging import META_INFO, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    GetMixin,
    Key,
    PageQuery,
    UpdateMixin,
    pager_of,
    wire_names,
)

__all__ = ["NewTask", "TaskPriority", "TaskQuery", "TaskStatus", "Tasks"]

TaskStatus = Literal["TODO", "IN_PROGRESS", "COMPLETED", "CANCELED"] | str
TaskPriority = Literal["LOW", "MEDIUM", "HIGH", "URGENT"] | str

_COLLECTION = "/{tenant}/{instance}/tasks"
_ONE = _COLLECTION + "/{task_id}"


class NewTask(CallOptions, total=False):
    """The fields of a task that can be written; each is named in `Task`.

    Name, priority, status and assignee are required. A person is a mapping with an ``id``. Watchers, comments and
    template name are for `create` alone.
    """

    name: str
    priority: TaskPriority
    status: TaskStatus
    assignee: PersonRef | Mapping[str, Any]
    description: str | None
    due_date: datetime | None
    patient: PersonRef | Mapping[str, Any] | None
    watchers: Sequence[PersonRef | Mapping[str, Any]]
    comments: Sequence[TaskComment | Mapping[str, Any]]
    template_name: str


class TaskQuery(PageQuery, total=False):
    """The query of a search for tasks.

    Attributes:
        assignee_id: Assigned to this user.
        patient_id: Of this patient.
        watcher_id: Watched by this user.
        author_id: Written by this user.
        related_user_id: Assigned to or watched by this user.
        status: Only these.
        priority: Only these.
        due_date: Due at this moment, an aware datetime.
        due_before: Due before this moment.
        description: With this in the description.
        search: Free text.
    """

    assignee_id: Key
    patient_id: Key
    watcher_id: Key
    author_id: Key
    related_user_id: Key
    status: Sequence[TaskStatus]
    priority: Sequence[TaskPriority]
    due_date: datetime
    due_before: datetime
    description: str
    search: str


class Tasks(CreateMixin[Task], GetMixin[Task], UpdateMixin[Task]):
    """Tasks of the instance: ``welkin.tasks``, at ``/{tenant}/{instance}/tasks[/{task_id}]`` (documented).

    The documentation's samples send forms where it means JSON, and its newest version has other field names; no
    recording exists.
    """

    _record = Task
    _search_operation = Operation("tasks.search", "GET", _COLLECTION, answer=Shape.OBJECT)
    _create_operation = Operation("tasks.create", "POST", _COLLECTION, repeat=Repeat.UNSAFE)
    _get_operation = Operation("tasks.get", "GET", _ONE)
    _update_operation = Operation("tasks.update", "PATCH", _ONE)
    _batch_operation = Operation("tasks.batch_update_status", "PATCH", _COLLECTION, answer=Shape.ARRAY)
    _add_watcher_operation = Operation("tasks.add_watcher", "PATCH", _ONE + "/watchers", repeat=Repeat.UNSAFE)
    _remove_watcher_operation = Operation(
        "tasks.remove_watcher", "DELETE", _ONE + "/watchers/{watcher_id}", answer=Shape.ANY
    )
    _add_comment_operation = Operation("tasks.add_comment", "PATCH", _ONE + "/comments", repeat=Repeat.UNSAFE)
    _remove_comment_operation = Operation(
        "tasks.remove_comment", "DELETE", _ONE + "/comments/{comment_id}", answer=Shape.ANY
    )

    def search(self, **query: Unpack[TaskQuery]) -> Pager[Task]:
        """Search for tasks: ``GET /{tenant}/{instance}/tasks``.

        Args:
            query: See `TaskQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return pager_of(self._scope, Task, self._search_operation, META_INFO, query, wire_names(TaskQuery))

    @overload
    async def create(self, record: Task | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Task: ...
    @overload
    async def create(self, /, **fields: Unpack[NewTask]) -> Task: ...
    async def create(self, record: Task | Mapping[str, Any] | None = None, /, **fields: Any) -> Task:
        """Create a task: ``POST /{tenant}/{instance}/tasks`` (201).

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewTask` as keywords.

        Returns:
            The task as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; search before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)

    @overload
    async def update(self, id: Key, record: Task | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Task: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewTask]) -> Task: ...
    async def update(self, id: Key, record: Task | Mapping[str, Any] | None = None, /, **fields: Any) -> Task:
        """Change a task: ``PATCH /{tenant}/{instance}/tasks/{task_id}``.

        Args:
            id: The task's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewTask` as keywords. An explicit None is sent as null.

        Returns:
            The task as the server answered.

        Raises:
            NotFoundError: there is no such task.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)

    async def batch_update_status(
        self, ids: Sequence[Key], status: TaskStatus, /, **options: Unpack[CallOptions]
    ) -> tuple[Task, ...]:
        """Change the status of several tasks: ``PATCH /{tenant}/{instance}/tasks``.

        Args:
            ids: The tasks' ids.
            status: What it is to be.
            options: See `CallOptions`.

        Returns:
            The tasks as the server answered.

        Raises:
            RequestError: see `errors`.
        """
        body = {"taskIds": list(ids), "status": status}
        return await self._many(self._batch_operation, body=body, options=options)

    async def add_watcher(self, id: Key, user_id: Key, /, **options: Unpack[CallOptions]) -> Task:
        """Let a user watch a task: ``PATCH .../tasks/{task_id}/watchers``.

        Args:
            id: The task's id.
            user_id: The user's id.
            options: See `CallOptions`.

        Returns:
            The task as the server answered, perhaps without its comments.

        Raises:
            NotFoundError: there is no such task.
            OutcomeUnknownError: the user may have been added; read the task before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._add_watcher_operation, task_id=id, body={"id": user_id}, options=options)

    async def remove_watcher(self, id: Key, watcher_id: Key, /, **options: Unpack[CallOptions]) -> Task | None:
        """Let a user watch a task no more: ``DELETE .../tasks/{task_id}/watchers/{watcher_id}``.

        Args:
            id: The task's id.
            watcher_id: The user's id.
            options: See `CallOptions`.

        Returns:
            The task; None where an earlier attempt of this call did it and its answer was lost.

        Raises:
            NotFoundError: there is no such task or watcher.
            RequestError: see `errors`.
        """
        operation = self._remove_watcher_operation
        found = await self._some_as(Task, operation, task_id=id, watcher_id=watcher_id, options=options)
        return found[0] if found else None

    async def add_comment(self, id: Key, text: str, /, **options: Unpack[CallOptions]) -> Task:
        """Comment on a task: ``PATCH .../tasks/{task_id}/comments``.

        Args:
            id: The task's id.
            text: What it says.
            options: See `CallOptions`.

        Returns:
            The task as the server answered.

        Raises:
            NotFoundError: there is no such task.
            OutcomeUnknownError: the comment may have been added; read the task before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._add_comment_operation, task_id=id, body={"text": text}, options=options)

    async def remove_comment(self, id: Key, comment_id: Key, /, **options: Unpack[CallOptions]) -> Task | None:
        """Delete a comment: ``DELETE .../tasks/{task_id}/comments/{comment_id}``.

        The documentation disagrees with itself on whether a task or a list of one comes back; both are read.

        Args:
            id: The task's id.
            comment_id: The comment's id.
            options: See `CallOptions`.

        Returns:
            The task; None where an earlier attempt of this call did it and its answer was lost.

        Raises:
            NotFoundError: there is no such task or comment.
            RequestError: see `errors`.
        """
        operation = self._remove_comment_operation
        found = await self._some_as(Task, operation, task_id=id, comment_id=comment_id, options=options)
        return found[0] if found else None
