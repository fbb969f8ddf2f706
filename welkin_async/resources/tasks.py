"""Tasks of the instance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.tasks import PersonRef, Task, TaskComment
from welkin_async.pagination.pager import META_INFO, Pager
from welkin_async.resources._base.arguments import UNSET, Body, OneText, given, one_text
from welkin_async.resources._base.mixins import GetMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, PageQuery
from welkin_async.wire.request import Repeat, Shape

TaskStatus = Literal["TODO", "IN_PROGRESS", "COMPLETED", "CANCELED"] | str
TaskPriority = Literal["LOW", "MEDIUM", "HIGH", "URGENT"] | str

_COLLECTION = Path("tasks", "/{tenant}/{instance}/tasks")
_ONE = _COLLECTION / "{task_id}"


class NewTask(CallOptions, total=False):
    """The fields of a task that can be written; each is named in `Task`.

    Name, priority, status and assignee are required. A person is a mapping with an ``id``. Watchers, comments and
    template name are for `create` alone.
    """

    name: str
    priority: TaskPriority
    status: TaskStatus
    assignee: Body[PersonRef]
    description: str | None
    due_date: datetime | None
    patient: Body[PersonRef] | None
    watchers: Sequence[Body[PersonRef]]
    comments: Sequence[Body[TaskComment]]
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


class Tasks(GetMixin[Task]):
    """Tasks of the instance: ``welkin.tasks``, at ``/{tenant}/{instance}/tasks[/{task_id}]`` (documented).

    The documentation's samples send forms where it means JSON, and its newest version has other field names; no
    recording exists.
    """

    _search = _COLLECTION.pages("search", META_INFO, TaskQuery)
    _create_operation = _COLLECTION.post("create")
    _get_operation = _ONE.get("get")
    _update_operation = _ONE.patch("update")
    _batch_operation = _COLLECTION.patch("batch_update_status", Shape.ARRAY)
    _add_watcher_operation = (_ONE / "watchers").patch("add_watcher", repeat=Repeat.UNSAFE)
    _remove_watcher_operation = (_ONE / "watchers/{watcher_id}").delete("remove_watcher", Shape.ANY)
    _add_comment_operation = (_ONE / "comments").patch("add_comment", repeat=Repeat.UNSAFE)
    _remove_comment_operation = (_ONE / "comments/{comment_id}").delete("remove_comment", Shape.ANY)

    def search(  # keywords of TaskQuery
        self,
        *,
        assignee_id: Key = UNSET,
        patient_id: Key = UNSET,
        watcher_id: Key = UNSET,
        author_id: Key = UNSET,
        related_user_id: Key = UNSET,
        status: Sequence[TaskStatus] = UNSET,
        priority: Sequence[TaskPriority] = UNSET,
        due_date: datetime = UNSET,
        due_before: datetime = UNSET,
        description: str = UNSET,
        search: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Task]:
        """Search for tasks: ``GET /{tenant}/{instance}/tasks``.

        The keywords are those of `TaskQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(TaskQuery, locals())
        return self._pager(Task, self._search, keywords)

    @overload
    async def create(self, record: Body[Task], /, **options: Unpack[CallOptions]) -> Task: ...
    @overload
    async def create(self, /, **fields: Unpack[NewTask]) -> Task: ...
    async def create(self, record: Body[Task] | None = None, /, **fields: Any) -> Task:
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
    async def update(self, id: Key, record: Body[Task], /, **options: Unpack[CallOptions]) -> Task: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewTask]) -> Task: ...
    async def update(self, id: Key, record: Body[Task] | None = None, /, **fields: Any) -> Task:
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

    async def add_comment(self, id: Key, text: OneText, /, **options: Unpack[CallOptions]) -> Task:
        """Comment on a task: ``PATCH .../tasks/{task_id}/comments``.

        Args:
            id: The task's id.
            text: What it says; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The task as the server answered.

        Raises:
            NotFoundError: there is no such task.
            OutcomeUnknownError: the comment may have been added; read the task before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._add_comment_operation, task_id=id, body=one_text("text", text), options=options)

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
