"""The care plan of a patient: overview, goals, their comments and tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.care_plans import CarePlan, Goal, GoalComment, GoalDetails, PatientOverview
from welkin_async.models.tasks import PersonRef, Task
from welkin_async.paging import META_INFO, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    Key,
    PageQuery,
    SingleMixin,
    pager_of,
    split_body,
    wire_names,
)

__all__ = ["CarePlans", "GoalChange", "GoalQuery", "NewGoalTask"]

_PLAN = "/{tenant}/{instance}/patients/{patient_id}/care-plan"
_OVERVIEW = _PLAN + "/overview"
_GOALS = _PLAN + "/goals"
_GOAL = _GOALS + "/{goal_id}"


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
    assignee: PersonRef | Mapping[str, Any]


class CarePlans(SingleMixin[CarePlan]):
    """The care plan of a patient: ``welkin.patient(id).care_plan``.

    ``get`` is ``GET .../patients/{patient_id}/care-plan`` (recorded).
    """

    _record = CarePlan
    _get_operation = Operation("care_plans.get", "GET", _PLAN)
    _create_overview_operation = Operation(
        "care_plans.create_overview", "POST", _OVERVIEW, repeat=Repeat.UNSAFE, answer=Shape.OBJECT
    )
    _update_overview_operation = Operation("care_plans.update_overview", "PUT", _OVERVIEW, answer=Shape.OBJECT)
    _list_goals_operation = Operation("care_plans.list_goals", "GET", _GOALS, answer=Shape.OBJECT)
    _create_goal_operation = Operation(
        "care_plans.create_goal", "POST", _GOALS, repeat=Repeat.UNSAFE, answer=Shape.OBJECT
    )
    _get_goal_operation = Operation("care_plans.get_goal", "GET", _GOAL, answer=Shape.OBJECT)
    _update_goal_operation = Operation("care_plans.update_goal", "PATCH", _GOAL, answer=Shape.OBJECT)
    _list_comments_operation = Operation(
        "care_plans.list_goal_comments", "GET", _GOAL + "/comments", answer=Shape.ARRAY
    )
    _add_comment_operation = Operation(
        "care_plans.add_goal_comment", "POST", _GOAL + "/comments", repeat=Repeat.UNSAFE, answer=Shape.OBJECT
    )
    _list_tasks_operation = Operation("care_plans.list_goal_tasks", "GET", _GOAL + "/tasks", answer=Shape.ARRAY)
    _add_task_operation = Operation(
        "care_plans.add_goal_task", "POST", _GOAL + "/tasks", repeat=Repeat.UNSAFE, answer=Shape.ANY
    )

    async def create_overview(self, overview: str, /, **options: Unpack[CallOptions]) -> PatientOverview:
        """Write the first overview: ``POST .../care-plan/overview`` (recorded, 200).

        Args:
            overview: The text.
            options: See `CallOptions`.

        Returns:
            The overview as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; read the care plan before repeating.
            RequestError: see `errors`.
        """
        body = {"overview": overview}
        return await self._one_as(PatientOverview, self._create_overview_operation, body=body, options=options)

    async def update_overview(self, overview: str | None, /, **options: Unpack[CallOptions]) -> PatientOverview:
        """Change the overview: ``PUT .../care-plan/overview`` (recorded).

        Args:
            overview: The text.
            options: See `CallOptions`.

        Returns:
            The overview as the server answered.

        Raises:
            RequestError: see `errors`.
        """
        body = {"overview": overview}
        return await self._one_as(PatientOverview, self._update_overview_operation, body=body, options=options)

    def list_goals(self, **query: Unpack[GoalQuery]) -> Pager[Goal]:
        """List the goals: ``GET .../care-plan/goals`` (documented).

        Args:
            query: See `GoalQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return pager_of(self._scope, Goal, self._list_goals_operation, META_INFO, query, wire_names(GoalQuery))

    async def create_goal(self, goal_template_name: str, /, **options: Unpack[CallOptions]) -> Goal:
        """Add a goal: ``POST .../care-plan/goals`` (documented, 201).

        Args:
            goal_template_name: The template's name; it comes back as ``template_name``.
            options: See `CallOptions`.

        Returns:
            The goal as the server answered.

        Raises:
            OutcomeUnknownError: it may have been added; list the goals before repeating.
            RequestError: see `errors`.
        """
        body = {"goalTemplateName": goal_template_name}
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
    async def update_goal(
        self, id: Key, record: Goal | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> Goal: ...
    @overload
    async def update_goal(self, id: Key, /, **fields: Unpack[GoalChange]) -> Goal: ...
    async def update_goal(self, id: Key, record: Goal | Mapping[str, Any] | None = None, /, **fields: Any) -> Goal:
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
        body, options = split_body(Goal, record, fields)
        return await self._one_as(Goal, self._update_goal_operation, goal_id=id, body=body, options=options)

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

    async def add_goal_comment(self, id: Key, text: str, /, **options: Unpack[CallOptions]) -> GoalComment:
        """Comment on a goal: ``POST .../care-plan/goals/{goal_id}/comments`` (documented, 201).

        Args:
            id: The goal's id.
            text: What it says.
            options: See `CallOptions`.

        Returns:
            The comment as the server answered.

        Raises:
            OutcomeUnknownError: it may have been added; list the comments before repeating.
            RequestError: see `errors`.
        """
        body = {"text": text}
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
        self, id: Key, record: Task | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> tuple[Task, ...]: ...
    @overload
    async def add_goal_task(self, id: Key, /, **fields: Unpack[NewGoalTask]) -> tuple[Task, ...]: ...
    async def add_goal_task(
        self, id: Key, record: Task | Mapping[str, Any] | None = None, /, **fields: Any
    ) -> tuple[Task, ...]:
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
