"""The care plan of a patient: overview, goals, their comments and tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.care_plans import CarePlan, Goal, GoalComment, GoalDetails, PatientOverview
from welkin_async.models.tasks import PersonRef, Task
from welkin_async.pagination.pager import META_INFO, Pager
from welkin_async.resources._base.arguments import UNSET, Body, OneText, given, one_text, split_body
from welkin_async.resources._base.mixins import SingleMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, PageQuery
from welkin_async.wire.request import Shape

_PLAN = Path("care_plans", "/{tenant}/{instance}/patients/{patient_id}/care-plan")
_OVERVIEW = _PLAN / "overview"
_GOALS = _PLAN / "goals"
_GOAL = _GOALS / "{goal_id}"


class GoalQuery(PageQuery, total=False):
    """The query of a list of goals.

    Attributes:
        status: Only these: ``ACTIVE``, ``REMOVED``, ``COMPLETED``.
    """

    status: Sequence[Literal["ACTIVE", "REMOVED", "COMPLETED"] | str]


class GoalChange(CallOptions, total=False):
    """What can be changed of a goal; each is named in `Goal`."""

    name: str
    priority: str
    status: str


class NewGoalTask(CallOptions, total=False):
    """The fields of a goal's task that can be written; each is named in `Task`."""

    name: str
    description: str | None
    due_date: datetime | None
    status: str
    priority: str
    assignee: Body[PersonRef]


class CarePlans(SingleMixin[CarePlan]):
    """The care plan of a patient: ``welkin.patient(id).care_plan``.

    ``get`` is ``GET .../patients/{patient_id}/care-plan`` (recorded).
    """

    _get_operation = _PLAN.get("get")
    _create_overview_operation = _OVERVIEW.post("create_overview", Shape.OBJECT)
    _update_overview_operation = _OVERVIEW.put("update_overview", Shape.OBJECT)
    _goals = _GOALS.pages("list_goals", META_INFO, GoalQuery)
    _create_goal_operation = _GOALS.post("create_goal", Shape.OBJECT)
    _get_goal_operation = _GOAL.get("get_goal", Shape.OBJECT)
    _update_goal_operation = _GOAL.patch("update_goal", Shape.OBJECT)
    _list_comments_operation = (_GOAL / "comments").get("list_goal_comments", Shape.ARRAY)
    _add_comment_operation = (_GOAL / "comments").post("add_goal_comment", Shape.OBJECT)
    _list_tasks_operation = (_GOAL / "tasks").get("list_goal_tasks", Shape.ARRAY)
    _add_task_operation = (_GOAL / "tasks").post("add_goal_task", Shape.ANY)

    async def create_overview(self, overview: OneText, /, **options: Unpack[CallOptions]) -> PatientOverview:
        """Write the first overview: ``POST .../care-plan/overview`` (recorded, 200).

        Args:
            overview: The text; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The overview as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; read the care plan before repeating.
            RequestError: see `errors`.
        """
        body = one_text("overview", overview)
        return await self._one_as(PatientOverview, self._create_overview_operation, body=body, options=options)

    async def update_overview(self, overview: OneText | None, /, **options: Unpack[CallOptions]) -> PatientOverview:
        """Change the overview: ``PUT .../care-plan/overview`` (recorded).

        Args:
            overview: The text; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The overview as the server answered.

        Raises:
            RequestError: see `errors`.
        """
        body = one_text("overview", overview)
        return await self._one_as(PatientOverview, self._update_overview_operation, body=body, options=options)

    def list_goals(  # keywords of GoalQuery
        self,
        *,
        status: Sequence[Literal["ACTIVE", "REMOVED", "COMPLETED"] | str] = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Goal]:
        """List the goals: ``GET .../care-plan/goals`` (documented).

        The keywords are those of `GoalQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(GoalQuery, locals())
        return self._pager(Goal, self._goals, keywords)

    async def create_goal(self, goal_template_name: OneText, /, **options: Unpack[CallOptions]) -> Goal:
        """Add a goal: ``POST .../care-plan/goals`` (documented, 201).

        Args:
            goal_template_name: The template's name, which comes back as ``template_name``; or a mapping with the
                documented names.
            options: See `CallOptions`.

        Returns:
            The goal as the server answered.

        Raises:
            OutcomeUnknownError: it may have been added; list the goals before repeating.
            RequestError: see `errors`.
        """
        body = one_text("goalTemplateName", goal_template_name)
        return await self._one_as(Goal, self._create_goal_operation, body=body, options=options)

    async def get_goal(self, id: Key, /, **options: Unpack[CallOptions]) -> GoalDetails:
        """Read a goal with its comments and tasks: ``GET .../care-plan/goals/{goal_id}`` (documented).

        Args:
            id: The goal's id.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such goal.
            RequestError: see `errors`.
        """
        return await self._one_as(GoalDetails, self._get_goal_operation, goal_id=id, options=options)

    @overload
    async def update_goal(self, id: Key, record: Body[Goal], /, **options: Unpack[CallOptions]) -> Goal: ...
    @overload
    async def update_goal(self, id: Key, /, **fields: Unpack[GoalChange]) -> Goal: ...
    async def update_goal(self, id: Key, record: Body[Goal] | None = None, /, **fields: Any) -> Goal:
        """Change a goal: ``PATCH .../care-plan/goals/{goal_id}`` (documented).

        Args:
            id: The goal's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `GoalChange` as keywords.

        Returns:
            The goal as the server answered.

        Raises:
            NotFoundError: there is no such goal.
            RequestError: see `errors`.
        """
        return await self._given(Goal, self._update_goal_operation, record, fields, goal_id=id)

    async def list_goal_comments(self, id: Key, /, **options: Unpack[CallOptions]) -> tuple[GoalComment, ...]:
        """List the comments on a goal: ``GET .../care-plan/goals/{goal_id}/comments`` (documented; not paged).

        Args:
            id: The goal's id.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such goal.
            RequestError: see `errors`.
        """
        return await self._many_as(GoalComment, self._list_comments_operation, goal_id=id, options=options)

    async def add_goal_comment(self, id: Key, text: OneText, /, **options: Unpack[CallOptions]) -> GoalComment:
        """Comment on a goal: ``POST .../care-plan/goals/{goal_id}/comments`` (documented, 201).

        Args:
            id: The goal's id.
            text: What it says; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The comment as the server answered.

        Raises:
            OutcomeUnknownError: it may have been added; list the comments before repeating.
            RequestError: see `errors`.
        """
        body = one_text("text", text)
        return await self._one_as(GoalComment, self._add_comment_operation, goal_id=id, body=body, options=options)

    async def list_goal_tasks(self, id: Key, /, **options: Unpack[CallOptions]) -> tuple[Task, ...]:
        """List the tasks of a goal: ``GET .../care-plan/goals/{goal_id}/tasks`` (documented; not paged).

        The documentation's sample shows comments here, a slip.

        Args:
            id: The goal's id.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such goal.
            RequestError: see `errors`.
        """
        return await self._many_as(Task, self._list_tasks_operation, goal_id=id, options=options)

    @overload
    async def add_goal_task(
        self, id: Key, record: Body[Task], /, **options: Unpack[CallOptions]
    ) -> tuple[Task, ...]: ...
    @overload
    async def add_goal_task(self, id: Key, /, **fields: Unpack[NewGoalTask]) -> tuple[Task, ...]: ...
    async def add_goal_task(self, id: Key, record: Body[Task] | None = None, /, **fields: Any) -> tuple[Task, ...]:
        """Add a task to a goal: ``POST .../care-plan/goals/{goal_id}/tasks``.

        The documentation disagrees with itself: GET in the request line, POST in the code; an object or a list.

        Args:
            id: The goal's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewGoalTask` as keywords.

        Returns:
            What the server answered: the new task alone, or a list.

        Raises:
            OutcomeUnknownError: it may have been added; list the tasks before repeating.
            RequestError: see `errors`.
        """
        body, options = split_body(Task, record, fields)
        return await self._some_as(Task, self._add_task_operation, goal_id=id, body=body, options=options)
