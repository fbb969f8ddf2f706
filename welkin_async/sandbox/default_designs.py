"""The formations a sandbox starts with, besides its CDTs: one or more of each kind, those built in among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .fields import field

__all__ = ["DEFAULT_DESIGNS", "DISPOSITION"]


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

DEFAULT_DESIGNS: Mapping[str, Sequence[Mapping[str, Any]]] = {
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
"""Definitions by kind, completed by `designs.Designs`."""
