"""Care plans: the overview, and goals with comments and tasks."""

from __future__ import annotations

from typing import Any

import attrs

from .designs import Designs
from .errors import ApiError, not_found, validation_error
from .pages import meta_page, sorted_by
from .records import PatientTable, picked, require, signed, touch
from .routing import Routes
from .site import Site
from .tasks import PRIORITIES, Tasks
from .wire import Answer, Call, Record, ok

__all__ = ["CarePlans"]

_STATUSES = ("ACTIVE", "REMOVED", "COMPLETED")


@attrs.define
class CarePlans:
    """Care plans and their section of the API.

    Attributes:
        site: Clock, ids and author.
        goals: Goals per patient.
        designs: Templates of goals.
        tasks: Where the tasks of goals are.
        plans: Care plans by patient id, each made when it is first asked for.
        comments: Comments by goal id.
    """

    site: Site
    goals: PatientTable
    designs: Designs
    tasks: Tasks
    plans: dict[str, Record] = attrs.field(factory=dict, repr=False)
    comments: dict[str, list[Record]] = attrs.field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        self.goals.on_drop.append(lambda goal: self._forget(self.comments, goal["id"]))
        self.goals.patients.on_delete.append(lambda patient_id: self._forget(self.plans, patient_id))

    @staticmethod
    def _forget(held: dict[str, Any], key: str) -> None:
        held.pop(key, None)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/care-plan"
        goals, goal = base + "/goals", base + "/goals/{goal_id}"
        routes.add("care_plans.get", "GET", base, self.get)
        routes.add("care_plans.create_overview", "POST", base + "/overview", self.write_overview)
        routes.add("care_plans.update_overview", "PUT", base + "/overview", self.write_overview)
        routes.add("care_plans.list_goals", "GET", goals, self.list_goals)
        routes.add("care_plans.create_goal", "POST", goals, self.create_goal)
        routes.add("care_plans.get_goal", "GET", goal, self.get_goal)
        routes.add("care_plans.update_goal", "PATCH", goal, self.update_goal)
        routes.add("care_plans.list_goal_comments", "GET", goal + "/comments", self.list_comments)
        routes.add("care_plans.add_goal_comment", "POST", goal + "/comments", self.add_comment)
        routes.add("care_plans.list_goal_tasks", "GET", goal + "/tasks", self.list_tasks)
        routes.add("care_plans.add_goal_task", "POST", goal + "/tasks", self.add_task)

    def _plan(self, patient_id: str) -> Record:
        patient = self.goals.patients.find(patient_id)["id"]
        if patient not in self.plans:
            # That every patient has a plan, and its overview is null at first, is assumed.
            self.plans[patient] = {**signed(self.site), "patientId": patient, "patientOverview": None}
        return self.plans[patient]

    def get(self, call: Call, patient_id: str) -> Answer:
        """The care plan (recorded)."""
        return ok(self._plan(patient_id))

    def write_overview(self, call: Call, patient_id: str) -> Answer:
        """Write the overview, by POST or PUT alike: 200 with the overview (recorded)."""
        plan, sent = self._plan(patient_id), picked(call.object(), {"overview": str}, "CARE_PLAN")
        require(sent, ("overview",), "CARE_PLAN")
        if plan["patientOverview"] is None:
            plan["patientOverview"] = {key: value for key, value in signed(self.site).items() if key != "id"}
        plan["patientOverview"]["overview"] = sent["overview"]
        touch(self.site, plan["patientOverview"])
        touch(self.site, plan)
        return ok(plan["patientOverview"])

    def list_goals(self, call: Call, patient_id: str) -> Answer:
        """A page of the goals, by `status` (documented)."""
        wanted = call.query.get("status")
        found = [each for each in self.goals.of(patient_id).values() if wanted in (None, "", each["status"])]
        return ok(meta_page(sorted_by(found, call.query, found[0] if found else ()), call.query))

    def create_goal(self, call: Call, patient_id: str) -> Answer:
        """Make a goal, and its tasks, from a template: 201 (documented).

        Raises:
            ApiError: 400, no template is named; 404, unknown patient or template.
        """
        self.goals.of(patient_id)
        sent = picked(call.object(), {"goalTemplateName": str}, "GOAL")
        require(sent, ("goalTemplateName",), "GOAL")
        template = self.designs.find("goal-templates", sent["goalTemplateName"])
        goal = {
            **signed(self.site),
            "name": template["goalName"],
            "type": template["type"],
            "priority": template["priority"],
            "status": "ACTIVE",
            "templateName": template["name"],
        }
        self.goals.add(patient_id, goal)
        self.comments[goal["id"]] = []
        for each in template["taskTemplates"]:
            self._task(goal, patient_id, {"name": each["name"], "assignee": {"id": self.site.client_id}})
        return ok(goal, 201)

    def _task(self, goal: Record, patient_id: str, sent: Record) -> Record:
        defaults = {"status": "TODO", "priority": goal["priority"], "patient": {"id": patient_id}}
        return self.tasks.add(defaults | sent, goalId=goal["id"])

    def _tasks(self, goal: Record) -> list[Record]:
        return [each for each in self.tasks.records.values() if each.get("goalId") == goal["id"]]

    def get_goal(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """A goal with its tasks and comments (documented)."""
        goal = self.goals.find(patient_id, goal_id)
        return ok({"details": goal, "tasks": self._tasks(goal), "comments": self.comments[goal["id"]]})

    def update_goal(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """Change name, priority or status (documented)."""
        goal = self.goals.find(patient_id, goal_id)
        sent = picked(call.object(), dict.fromkeys(("name", "priority", "status"), str), "GOAL")
        for name, known in (("priority", PRIORITIES), ("status", _STATUSES)):
            if name in sent and sent[name] not in known:
                raise validation_error(f"{name} is one of {', '.join(known)}", "GOAL", field=name)
        goal.update(sent)
        touch(self.site, goal)
        return ok(goal)

    def list_comments(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """A bare array (documented)."""
        return ok(self.comments[self.goals.find(patient_id, goal_id)["id"]])

    def add_comment(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """Add a comment: 201 (documented)."""
        goal, sent = self.goals.find(patient_id, goal_id), picked(call.object(), {"text": str}, "GOAL")
        require(sent, ("text",), "GOAL")
        comment = {**signed(self.site), "text": sent["text"]}
        self.comments[goal["id"]].append(comment)
        return ok(comment, 201)

    def list_tasks(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """A bare array of tasks (documented; its sample shows comments)."""
        return ok(self._tasks(self.goals.find(patient_id, goal_id)))

    def add_task(self, call: Call, patient_id: str, goal_id: str) -> Answer:
        """Add a task: 201 with the task (the sources disagree on status and shape: chosen here)."""
        return ok(self._task(self.goals.find(patient_id, goal_id), patient_id, call.object()), 201)


def missing(patient_id: str, goal_id: str) -> ApiError:
    """404 of a goal (its code is unknown: chosen here)."""
    return not_found("GOAL_NOT_FOUND", "GOAL", "Goal not found", id=goal_id, patientId=patient_id)
