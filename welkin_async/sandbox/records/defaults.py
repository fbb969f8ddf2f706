"""Defaults: the formations a sandbox starts with.

Of CDTs these are `medication`, wide enough for Synthea's medications.csv, and `vitals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from welkin_async.sandbox.records.fields import field


def _question(name: str, label: str, order: int) -> dict[str, Any]:
    return {
        "label": label,
        "name": name,
        "refCdtName": "phq",
        "refCdtFieldName": name,
        "order": order,
        "viewType": "question",
        "meta": {"type": "select", "required": True},
        "prePopulatedValue": {"type": "DEFAULT_VALUE", "defaultValue": None},
        "attachments": [],
    }


def _phase(name: str, kind: str, *following: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": name.title(),
        "type": kind,
        "description": "",
        "autoFinishProgram": kind == "FINISH",
        "navigateTo": [{"name": each} for each in following] or None,
    }


_PHASES = [_phase("enrolled", "START", "active"), _phase("active", "START", "done"), _phase("done", "FINISH")]

DISPOSITION: Sequence[Mapping[str, Any]] = (
    field("notes", "textarea", phi=True),
    field("cpt", "text"),
    field("icd-10", "text"),
)
"""Custom fields of the encounter disposition."""

DEFAULT_FORMATIONS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "assessments": [
        {
            "name": "phq-2",
            "title": "PHQ-2",
            "sections": [
                {
                    "title": "Mood",
                    "name": "mood",
                    "order": 0,
                    "fields": [
                        _question("interest", "Little interest or pleasure in doing things", 0),
                        _question("feeling-down", "Feeling down, depressed or hopeless", 1),
                    ],
                }
            ],
            "scoring": {"formula": "SUM", "groups": []},
            "programs": [{"program": "wellness", "phases": ["active"]}],
        }
    ],
    "document-types": [
        # The first three are built in (documented).
        {"name": "doc-type-assessment", "title": "Assessment"},
        {"name": "doc-type-docusign", "title": "DocuSign"},
        {"name": "doc-type-others", "title": "Others", "fields": [field("notes", "textarea", phi=True)]},
        {"name": "lab-report", "title": "Lab report", "fields": [field("notes", "textarea", phi=True)]},
    ],
    "encounters": [
        {
            "name": "intake",
            "title": "Intake visit",
            "encounterDescription": "First visit",
            "encounterInstruction": "Ask for the history",
            "type": "visit",
            "deliveryMethod": "VIDEO",
            "assessmentNames": ["phq-2"],
        }
    ],
    "goal-templates": [
        {
            "name": "walk-daily",
            "goalName": "Walk every day",
            "type": "activity",
            "priority": "HIGH",
            "taskTemplates": [{"name": "Buy shoes", "subjectConfig": {"type": "POINT_OF_CONTACT"}}],
        }
    ],
    "programs": [
        {"name": "wellness", "title": "Wellness", "description": "For everybody", "phases": _PHASES},
        {"name": "diabetes", "title": "Diabetes", "description": "", "phases": _PHASES},
    ],
    "dictionaries": [
        # Built in (documented).
        {"name": "timezone", "title": "Time zones", "internal": True, "fields": [{"name": "name", "type": "text"}]},
        *(
            {
                "name": name,
                "title": name.upper(),
                "fields": [{"name": "code", "type": "text"}, {"name": "description", "type": "text"}],
            }
            for name in ("cpt", "icd-10")
        ),
    ],
    "pdts": [{"name": "insurance", "title": "Insurance", "fields": {"payer": "text", "member-id": "text"}}],
}
"""Definitions by kind, completed by `VersionedFormations`."""


# Amounts are text: no recorded formation has a type for decimal numbers.
DEFAULT_CDTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "medication": [
        field("medication_name", "text", label="Medication", phi=True),
        field("medication_status", "select", label="Status", options=("active", "inactive"), bulk_edit=True),
        field("medication_dose", "text", label="Dose"),
        field("medication_start_date", "datetime", label="Start date"),
        field("medication_notes", "textarea", label="Notes", phi=True, searchable=False),
        field("medication_refills", "integer", label="Refills"),
        field("medication_as_needed", "checkbox", label="As needed"),
        field("start", "datetime"),
        field("stop", "datetime"),
        field("payer", "text"),
        field("encounter", "text"),
        field("code", "text"),
        field("description", "text", phi=True),
        field("base_cost", "text"),
        field("payer_coverage", "text"),
        field("dispenses", "integer"),
        field("totalcost", "text"),
        field("reasoncode", "text"),
        field("reasondescription", "text", phi=True),
        field("icd-10", "text", label="ICD-10"),
    ],
    "vitals": [
        field("measured_at", "datetime", label="Measured at"),
        field("measured_on", "date", label="Day"),
        field("systolic", "integer", label="Systolic mmHg"),
        field("diastolic", "integer", label="Diastolic mmHg"),
        field("heart-rate", "integer", label="Beats per minute"),
        field("position", "select", label="Position", options=("sitting", "standing", "supine"), bulk_edit=True),
        field("device_phone", "phone", label="Device line"),
        field("reviewer_email", "email", label="Reviewer"),
        field("comment", "textarea", label="Comment", phi=True, searchable=False),
    ],
}
"""Fields of each default CDT, in the shape that formations show."""
