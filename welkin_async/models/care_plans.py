"""Care plans: the overview, goals, their comments and tasks."""

from __future__ import annotations

from welkin_async.models.metadata import Authored
from welkin_async.models.tasks import Task
from welkin_async.wire.records import Record, record, wire


@record
class PatientOverview(Authored):
    """The overview of a care plan."""

    overview: str | None = wire("overview")


@record
class CarePlan(Authored):
    """The care plan of a patient.

    Attributes:
        patient_overview: May be null before the first overview (assumed).
    """

    id: str = wire("id", required=True)
    patient_id: str | None = wire("patientId")
    patient_overview: PatientOverview | None = wire("patientOverview")


@record
class Goal(Authored):
    """A goal of a care plan.

    Values seen, none of them closed sets:

    - priority (as Task): LOW, MEDIUM, HIGH, URGENT.
    - status: ACTIVE, REMOVED, COMPLETED.
    """

    id: str | None = wire("id")
    name: str | None = wire("name")
    type: str | None = wire("type")
    priority: str | None = wire("priority")
    status: str | None = wire("status")
    template_name: str | None = wire("templateName")


@record
class GoalComment(Authored):
    """A comment on a goal."""

    id: str | None = wire("id")
    text: str | None = wire("text")


@record
class GoalDetails(Record):
    """A goal with its comments and tasks."""

    details: Goal | None = wire("details")
    tasks: tuple[Task, ...] | None = wire("tasks")
    comments: tuple[GoalComment, ...] | None = wire("comments")
