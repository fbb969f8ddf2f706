"""Care plans: the overview, goals, their comments and tasks."""

from __future__ import annotations

from datetime import datetime

from welkin_async.models.tasks import Task
from welkin_async.record import Record, record, wire

__all__ = ["CarePlan", "Goal", "GoalComment", "GoalDetails", "PatientOverview"]


@record
class PatientOverview(Record):
    """The overview of a care plan.

    Attributes:
        created_by_name: ``createdByName``.
        created_at: ``createdAt``.
        updated_by_name: ``updatedByName``.
        updated_at: ``updatedAt``.
        overview: ``overview``.
    """

    created_by_name: str | None = wire("createdByName")
    created_at: datetime | None = wire("createdAt")
    updated_by_name: str | None = wire("updatedByName")
    updated_at: datetime | None = wire("updatedAt")
    overview: str | None = wire("overview")


@record
class CarePlan(Record):
    """The care plan of a patient.

    Attributes:
        id: ``id``.
        created_by_name: ``createdByName``.
        created_at: ``createdAt``.
        updated_by_name: ``updatedByName``.
        updated_at: ``updatedAt``.
        patient_id: ``patientId``.
        patient_overview: ``patientOverview``; may be null before the first overview (assumed).
    """

    id: str = wire("id", required=True)
    created_by_name: str | None = wire("createdByName")
    created_at: datetime | None = wire("createdAt")
    updated_by_name: str | None = wire("updatedByName")
    updated_at: datetime | None = wire("updatedAt")
    patient_id: str | None = wire("patientId")
    patient_overview: PatientOverview | None = wire("patientOverview")


@record
class Goal(Record):
    """A goal of a care plan.

    Values seen, none of them closed sets:

    - priority (as Task): LOW, MEDIUM, HIGH, URGENT.
    - status: ACTIVE, REMOVED, COMPLETED.

    Attributes:
        id: ``id``.
        created_by_name: ``createdByName``.
        created_at: ``createdAt``.
        updated_by_name: ``updatedByName``.
        updated_at: ``updatedAt``.
        name: ``name``.
        type: ``type``.
        priority: ``priority``.
        status: ``status``.
        template_name: ``templateName``.
    """

    id: str | None = wire("id")
    created_by_name: str | None = wire("createdByName")
    created_at: datetime | None = wire("createdAt")
    updated_by_name: str | None = wire("updatedByName")
    updated_at: datetime | None = wire("updatedAt")
    name: str | None = wire("name")
    type: str | None = wire("type")
    priority: str | None = wire("priority")
    status: str | None = wire("status")
    template_name: str | None = wire("templateName")


@record
class GoalComment(Record):
    """A comment on a goal.

    Attributes:
        id: ``id``.
        created_by_name: ``createdByName``.
        created_at: ``createdAt``.
        updated_by_name: ``updatedByName``.
        updated_at: ``updatedAt``.
        text: ``text``.
    """

    id: str | None = wire("id")
    created_by_name: str | None = wire("createdByName")
    created_at: datetime | None = wire("createdAt")
    updated_by_name: str | None = wire("updatedByName")
    updated_at: datetime | None = wire("updatedAt")
    text: str | None = wire("text")


@record
class GoalDetails(Record):
    """A goal with its comments and tasks.

    Attributes:
        details: ``details``.
        tasks: ``tasks``.
        comments: ``comments``.
    """

    details: Goal | None = wire("details")
    tasks: tuple[Task, ...] | None = wire("tasks")
    comments: tuple[GoalComment, ...] | None = wire("comments")
