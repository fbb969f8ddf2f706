"""The CDTs a sandbox starts with: `medication`, wide enough for Synthea's medications.csv, and `vitals`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .fields import field

__all__ = ["DEFAULT_CDTS"]

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
