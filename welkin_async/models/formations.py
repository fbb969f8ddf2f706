"""Formations: how an instance defines its data types, assessments, documents, encounters, programs and more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from welkin_async.wire.records import Record, record, wire


@record
class CdtField(Record):
    """A field of a custom data type.

    Values seen, none of them closed sets:

    - type (recorded): checkbox, date, datetime, email, integer, phone, select, text, textarea.
    - displayType (recorded): CHECKBOX, SELECT.
    - valueType (recorded): INTEGER, STRING.

    Attributes:
        formula: Of unknown type; only null was seen.
        dictionary: Object {name, field} or null.
        profile_data_type: Of unknown type; only null was seen.
        meta: Object {required, multiple?, options?[{label, value, refCdtName}], minValue?, maxValue?, label?}; option
            value is a string or an integer; minValue and maxValue are strings holding numbers.
    """

    name: str | None = wire("name")
    type: str | None = wire("type")
    formula: Any = wire("formula")
    dictionary: Mapping[str, Any] | None = wire("dictionary")
    profile_data_type: Any = wire("profileDataType")
    editable: bool | None = wire("editable")
    searchable: bool | None = wire("searchable")
    bulk_edit: bool | None = wire("bulkEdit")
    phi: bool | None = wire("phi")
    disable: bool | None = wire("disable")
    injected_source: bool | None = wire("injectedSource")
    display_type: str | None = wire("displayType")
    value_type: str | None = wire("valueType")
    meta: Mapping[str, Any] | None = wire("meta")


@record
class CdtFormation(Record):
    """The definition of a custom data type.

    Values seen, none of them closed sets:

    - type (recorded, the 2021 documentation): MULTI_RECORD.
    - relation: COMMON, DOCUMENT_TYPE, ENCOUNTER_DISPOSITION, ASSESSMENT, PATIENT_INFO (audit recording).

    Attributes:
        title: Null in every recording.
        label: String for assessment CDTs in the 2021 documentation.
        contains_phi: ``_containsPHI``.
    """

    id: str = wire("id", required=True)
    name: str | None = wire("name")
    title: str | None = wire("title")
    label: str | None = wire("label")
    version: int | None = wire("version")
    internal: bool | None = wire("internal")
    readable: bool | None = wire("readable")
    updatable: bool | None = wire("updatable")
    type: str | None = wire("type")
    relation: str | None = wire("relation")
    fields: tuple[CdtField, ...] | None = wire("fields")
    contains_phi: bool | None = wire("_containsPHI")


@record
class DocumentType(CdtFormation):
    """The definition of a document type, which has the shape of a CDT's."""


@record
class AssessmentFormation(Record):
    """The definition of an assessment.

    Values seen, none of them closed sets:

    - viewType: question, readOnly.
    - formula: SUM, AVG.
    - displayType (recorded): SECTIONS.
    - prePopulatedValue.type (recorded): DEFAULT_VALUE, PREVIOUS_ASSESSMENT.
    - conditionSettings element type/action/operation (recorded): READ_ONLY, SHOW, AND.

    Attributes:
        sections: Array of {title, name, order, fields[{label, name, refCdtName, refCdtFieldName, order, viewType,
            meta{type, required}, prePopulatedValue{type, defaultValue?}, attachments[]}]}.
        scoring: Object {formula, groups[{name, title, formula, fields[{refCdtName, refCdtFieldName, type,
            scores[{score, answer}]}]}]}.
        programs: Array of {program, phases[]}.
        template: Of unknown type; only null was seen.
        condition_settings: Object {elements[{type, action, operation, name, conditions[{type, refCdtName,
            refCdtFieldName, value}]}], events[]} or null.
        contains_phi: ``_containsPHI``.
    """

    id: str = wire("id", required=True)
    title: str | None = wire("title")
    name: str | None = wire("name")
    version: int | None = wire("version")
    sections: tuple[Mapping[str, Any], ...] | None = wire("sections")
    scoring: Mapping[str, Any] | None = wire("scoring")
    programs: tuple[Mapping[str, Any], ...] | None = wire("programs")
    template: Any = wire("template")
    condition_settings: Mapping[str, Any] | None = wire("conditionSettings")
    display_type: str | None = wire("displayType")
    auto_completed: bool | None = wire("autoCompleted")
    contains_phi: bool | None = wire("_containsPHI")


@record
class EncounterTemplate(Record):
    """The definition of an encounter.

    Attributes:
        type: Free text of the tenant.
        default_duration: Minutes (assumed).
    """

    id: str = wire("id", required=True)
    name: str | None = wire("name")
    title: str | None = wire("title")
    encounter_description: str | None = wire("encounterDescription")
    encounter_instruction: str | None = wire("encounterInstruction")
    encounter_color: str | None = wire("encounterColor")
    type: str | None = wire("type")
    delivery_method: str | None = wire("deliveryMethod")
    default_duration: int | None = wire("defaultDuration")
    assessment_names: tuple[str, ...] | None = wire("assessmentNames")


@record
class GoalTemplate(Record):
    """The definition of a goal.

    Values seen, none of them closed sets:

    - subjectConfig.type (recorded): POINT_OF_CONTACT, ROLE.

    Attributes:
        task_templates: Array of {name, subjectConfig{type, roleName?}}.
    """

    name: str | None = wire("name")
    goal_name: str | None = wire("goalName")
    type: str | None = wire("type")
    priority: str | None = wire("priority")
    task_templates: tuple[Mapping[str, Any], ...] | None = wire("taskTemplates")


@record
class ProgramPhase(Record):
    """A phase of a program.

    Values seen, none of them closed sets:

    - type (recorded): START, FINISH.

    Attributes:
        navigate_to: Array of {name} or null.
    """

    name: str | None = wire("name")
    title: str | None = wire("title")
    type: str | None = wire("type")
    description: str | None = wire("description")
    auto_finish_program: bool | None = wire("autoFinishProgram")
    navigate_to: tuple[Mapping[str, Any], ...] | None = wire("navigateTo")


@record
class ProgramFormation(Record):
    """The definition of a program.

    nodes is editor layout, may be null, keep as opaque.
    """

    name: str | None = wire("name")
    title: str | None = wire("title")
    description: str | None = wire("description")
    phases: tuple[ProgramPhase, ...] | None = wire("phases")
    nodes: tuple[Mapping[str, Any], ...] | None = wire("nodes")


@record
class DictionaryFormation(Record):
    """The definition of a dictionary.

    Values seen, none of them closed sets:

    - built-in dictionaries: timezone (internal, immutable), cpt, icd-10.

    Attributes:
        fields: Array of {name, type}.
    """

    name: str | None = wire("name")
    title: str | None = wire("title")
    internal: bool | None = wire("internal")
    fields: tuple[Mapping[str, Any], ...] | None = wire("fields")
