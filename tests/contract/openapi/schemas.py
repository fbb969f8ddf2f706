"""Schemas: the records and answers of the catalogue as JSON Schema."""

from __future__ import annotations

from typing import Any

from ..catalogue import Endpoint, models
from . import words

Schema = dict[str, Any]

_SCALARS: dict[str, Schema] = {
    "string": {"type": "string"},
    "string E.164": {"type": "string", "description": "A phone number in the form of E.164."},
    "enum": {"type": "string"},
    "uuid": {"type": "string", "format": "uuid"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "datetime": {"type": "string", "format": "date-time"},
    "midnight": {"type": "string", "format": "date-time", "description": "A date, as midnight UTC."},
    "datetime_offset": {
        "type": "string",
        "format": "date-time",
        "description": "With an offset, and read-only.",
    },
    "time": {"type": "string", "pattern": r"^\d{2}:\d{2}:\d{2}$"},
    "object": {"type": "object"},
    "array": {"type": "array", "items": {}},
    "record": {"type": "object"},
    "unknown": {},
    "any": {},
    "any JSON value": {},
}

_NOT_ALWAYS = {
    # A list with `fields` projects its records, so that nothing inside `jsonBody` is sure to be there.
    "CdtBody": "*",
    # A user within a full encounter comes without.
    "User": {"applicationAccess"},
    # The tokens of a hit stand alone (recorded); those of a page do not.
    "TokenMeta": {"pageSize", "found"},
}
"""Fields that every sample of a record has, and that may be missing all the same."""

_NULLABLE = {
    # One task is recorded, and it has them; that there are tasks without is plain, how they show is not.
    "Task": {"templateName", "patient", "description"},
    # A patient whose overview was never written has none; how that shows is not recorded.
    "CarePlan": {"patientOverview"},
    # Null clears a field of a CDT record, which an encounter is; and recorded ones all have a calendar event.
    "Encounter": {
        "jsonBody.title",
        "jsonBody.description",
        "jsonBody.calendarEventStartDatetime",
        "jsonBody.localCalendarEventStartDatetime",
        "jsonBody.localStartDatetime",
        "jsonBody.localEndDatetime",
    },
    # A recorded phase that leads nowhere has null in place of an array.
    "ProgramPhase": {"navigateTo"},
    # A definition that was never given any.
    "AssessmentFormation": {"conditionSettings"},
    "GoalTemplate": {"type"},
}
"""Fields that no sample has a null for, and that can hardly be anything else for some records."""


def reference(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """Return the same schema, null allowed."""
    if not schema:
        return schema
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def of_kind(kind: str, choices: list[str] | None = None) -> Schema:
    """Return the schema of a type of the catalogue.

    Args:
        kind: The type.
        choices: Values that were seen; others may come.
    """
    if kind.startswith("array of "):
        return {"type": "array", "items": of_kind(kind.removeprefix("array of "), choices)}
    if kind not in _SCALARS:
        return reference(kind)
    return {**_SCALARS[kind], "examples": choices} if choices else dict(_SCALARS[kind])


def _property(model: str, name: str, field: dict[str, Any]) -> Schema:
    schema = of_kind(field["type"], models()[model].get("enums", {}).get(name))
    if field["null"] is not False or name in _NULLABLE.get(model, ()):
        schema = nullable(schema)
    said = words.fields(model).get(name.removeprefix("jsonBody."))
    if said:
        schema = {**schema, "description": said}
    if field["null"] == "unknown" or name in _NULLABLE.get(model, ()):
        schema = {**schema, "x-unverified": True}
    return schema


def _always(model: str, name: str, field: dict[str, Any]) -> bool:
    missing = _NOT_ALWAYS.get(model, ())
    return missing != "*" and name not in missing and not field.get("absent") and field["null"] is False


def record(model: str) -> Schema:
    """Return the schema of a record: its fields as documented, and any others, since the API adds some over time."""
    properties: Schema = {}
    inside: Schema = {}
    required: list[str] = []
    for name, field in models()[model]["fields"].items():
        if name == "<envelope>":
            envelope = record(field["type"])
            properties |= envelope["properties"]
            required += envelope["required"]
            inside |= record("CdtBody")["properties"]
        elif name.endswith("<custom field>"):
            continue
        elif name.startswith("jsonBody."):
            inside[name.removeprefix("jsonBody.")] = _property(model, name, field)
        else:
            properties[name] = _property(model, name, field)
            if _always(model, name, field):
                required.append(name)
    if inside:
        properties["jsonBody"] = {"type": "object", "properties": inside}
    schema: Schema = {"type": "object", "properties": properties, "required": sorted(required)}
    cls = words.record_classes().get(model)
    if cls is not None and cls.__doc__:
        schema["description"] = words.paragraphs(cls.__doc__)
    return schema


def components() -> dict[str, Schema]:
    """Return the schema of every record that answers hold, by name."""
    return {name: {key: value for key, value in record(name).items() if value != []} for name in models()}


ERRORS: Schema = {"type": "array", "items": reference("ErrorItem"), "minItems": 1}
"""Body of an error: an array, of one object in every recording."""


def _spring(item: Schema) -> Schema:
    content = {"type": "object", "properties": {"content": {"type": "array", "items": item}}}
    return {"allOf": [reference("SpringPage"), content]}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def answer(endpoint: Endpoint) -> dict[str, Any] | None:
    """Return the content of an operation's successful answer, by media type; None for an empty body."""
    item = reference(endpoint.model) if endpoint.model else {"type": "object"}
    items = {"type": "array", "items": item}
    meta = _object(data=items, metaInfo=reference("MetaInfo"))
    match endpoint.answer:
        case "empty":
            return None
        case "file":
            return {"*/*": {"schema": {"description": "The bytes of the file, under its own media type."}}}
        case "spring":
            schema = _spring(item)
        case "nested_spring":
            schema = _object(name={"type": "string"}, data=_spring(item))
        case "meta_info":
            schema = meta
        case "unknown":
            described = "No source shows a page of this list: one of the styles of the others is expected."
            schema = {
                "anyOf": [meta, _object(name={"type": "string"}, data=_spring(item)), _spring(item)],
                "description": described,
                "x-unverified": True,
            }
        case "page_token":
            schema = _object(content=items, meta=reference("TokenMeta"))
        case "cursor":
            schema = _object(data=items, cursor=reference("ExportCursor"))
        case "rows":
            schema = _object(rows=items)
        case "array":
            schema = items
        case "object_or_array":
            schema = {"anyOf": [item, items], "x-unverified": True}
        case _:
            schema = item
    return {"application/json": {"schema": schema}}
