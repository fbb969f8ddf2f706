"""Words of the document: summaries and descriptions, taken from the docstrings of what the SDK offers."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from welkin_async import Welkin
from welkin_async.resources._base.paths import Listing
from welkin_async.resources._base.scope import PageQuery, SortedQuery
from welkin_async.wire.records import Record

from ..calls import CALLS
from ..catalogue import endpoints, python_name

SECTIONS: dict[str, tuple[str, str]] = {
    "auth": ("Authentication", "Tokens: one is asked for with the API client's secret and lasts an hour."),
    "patients": ("Patients", "Patients of the instance, by id or by another of their keys."),
    "cdts": ("CDT records", "Records of custom data types: the customer's own data, per patient."),
    "formation_cdts": ("Formations: CDTs", "Definitions of the custom data types; they are read-only."),
    "formation_assessments": ("Formations: assessments", "Definitions of assessments."),
    "formation_document_types": ("Formations: document types", "Definitions of document types."),
    "formation_encounter_disposition": ("Formations: disposition", "The one definition of encounter dispositions."),
    "formation_encounters": ("Formations: encounters", "Templates of encounters."),
    "formation_goal_templates": ("Formations: goals", "Templates of goals; they are read-only."),
    "formation_programs": ("Formations: programs", "Definitions of programs."),
    "formation_dictionaries": ("Formations: dictionaries", "Definitions of dictionaries."),
    "formation_pdts": ("Formations: profiles", "Definitions of profiles (PDTs); known from newer documents alone."),
    "users": ("Users", "Users of the tenant, and what each has access to."),
    "calendar_events": ("Calendar: events", "Events: appointments, encounters, leave."),
    "schedules": ("Calendar: schedules", "What users have to do, and when they work."),
    "work_hours": ("Calendar: work hours", "Working hours of users."),
    "care_plans": ("Care plans", "The care plan of a patient: overview, goals, their comments and tasks."),
    "chat": ("Chat", "Chat between a patient and the care team, in pages by token."),
    "audit": ("Audits", "Audits of data, of security and of webhooks."),
    "documents": ("Documents", "Documents of patients: summaries, their files, and a record of the type's own fields."),
    "dictionaries": ("Dictionaries", "Tables of code values, kept per instance."),
    "emails": ("Emails", "Emails of patients, and of senders who were not recognized."),
    "sms": ("Text messages", "Text messages of patients, and of senders who were not recognized."),
    "encounters": ("Encounters", "Encounters of patients, their comments, assessments and disposition."),
    "assessment_records": ("Assessment records", "Assessments put to patients, with their answers."),
    "patient_programs": ("Patient programs", "Programs that patients are or were in."),
    "tasks": ("Tasks", "Tasks of the care team."),
    "exports": ("Exports", "All records of a kind, in pages by cursor."),
    "contacts": ("Contacts", "Contacts of patients; known from newer documents alone."),
    "pdts": ("Profiles", "Records of profiles (PDTs) of patients; known from newer documents alone."),
    "reports": ("Reports", "Reports; known from other clients alone."),
}
"""Title and description of each section, in the order of the catalogue."""

_GENERIC = re.compile(
    r"(Read one record|Read it|Delete one record|Create a record|Change a record|Change it|List them all|"
    r"Create or change (?:it|them)|Create a definition|Replace a definition)\b"
)
_NOUNS = {
    "auth": "a token", "cdts": "a CDT record", "formation_cdts": "a CDT's definition",
    "formation_assessments": "an assessment's definition", "formation_document_types": "a document type's definition",
    "formation_encounter_disposition": "the disposition's definition", "formation_encounters": "an encounter template",
    "formation_goal_templates": "a goal template", "formation_programs": "a program's definition",
    "formation_dictionaries": "a dictionary's definition", "formation_pdts": "a profile's definition",
    "care_plans": "a care plan", "documents": "a document", "emails": "an email", "sms": "a text message",
    "encounters": "an encounter", "assessment_records": "an assessment record", "tasks": "a task",
    "contacts": "a contact", "pdts": "a profile record",
    "comment": "a comment", "comments": "comments", "assessment": "the link to an assessment",
    "assessments": "links to assessments", "disposition": "the disposition", "type_record": "the type's record",
    "app_access": "access to applications", "permissions": "roles and policies", "territories": "territories",
    "unrecognized": "a message of an unrecognized sender",
    "record": "a record of a dictionary",
}  # fmt: skip
_PLURALS = {
    "formation_cdts": "the CDTs' definitions", "formation_assessments": "the assessments' definitions",
    "formation_document_types": "the document types' definitions", "formation_encounters": "the encounter templates",
    "formation_goal_templates": "the goal templates", "formation_programs": "the programs' definitions",
    "formation_dictionaries": "the dictionaries' definitions", "formation_pdts": "the profiles' definitions",
}  # fmt: skip
_VERBS = {"get": "Read", "delete": "Delete", "create": "Create", "update": "Change", "list": "List", "put": "Write"}


@cache
def method(operation: str) -> Any:
    """Return the SDK's method for an operation, bound to a session that is not open; None for the token call."""
    if operation == "auth.create_token":
        return None
    function = ast.parse(CALLS[operation], mode="eval").body
    assert isinstance(function, ast.Call)
    welkin = Welkin(tenant="tenant", instance="instance", api_client="client", secret_key="secret")
    names = dict.fromkeys(endpoints()[operation].parameters, "draft") | {"version": "draft", "welkin": welkin}
    return eval(compile(ast.Expression(function.func), operation, "eval"), names)


def summary(operation: str) -> str:
    """Return an operation's summary: the first line of its method's docstring, or of what it is about."""
    found = method(operation)
    text = (inspect.getdoc(found) or "") if found else "Ask for a token"
    line = re.split(r": ``|[.;](?:\s|$)", text.splitlines()[0])[0]
    section, _, name = operation.partition(".")
    verb, _, about = name.partition("_")
    if not _GENERIC.match(line):
        return f"{line}, of unrecognized senders" if about == "unrecognized" else line
    noun = _NOUNS.get(about) or (_PLURALS.get(section) if verb == "list" else None) or _NOUNS[section]
    return f"{_VERBS[verb]} {noun}"


def attributes(text: str | None) -> dict[str, str]:
    """Return what a docstring says of each argument or attribute, by name, on one line."""
    found: dict[str, str] = {}
    for part in re.findall(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", inspect.cleandoc(text or "") + "\n", re.M):
        name = ""
        for line in part.splitlines():
            match = re.match(r" {4}(\w+): (.*)", line)
            if match:
                name = match[1]
                found[name] = match[2]
            elif name and line.strip():
                found[name] += f" {line.strip()}"
    return found


def paragraphs(text: str | None) -> str:
    """Return what a docstring says before its lists: its first paragraphs."""
    parts = []
    for part in inspect.cleandoc(text or "").split("\n\n"):
        if re.match(r"(?:Args|Attributes|Returns|Raises|Values seen)\b", part):
            break
        parts.append(" ".join(part.split()))
    return plain("\n\n".join(parts))


def plain(text: str) -> str:
    """Return a docstring's text as Markdown: single grave accents around what stands in two."""
    return text.replace("``", "`")


@cache
def _modules(package: str) -> tuple[Any, ...]:
    found = importlib.import_module(package)
    return tuple(importlib.import_module(each.name) for each in pkgutil.iter_modules(found.__path__, f"{package}."))


@cache
def record_classes() -> dict[str, type[Record]]:
    """Return the SDK's class of each record, by its name."""
    return {
        cls.__name__: cls
        for module in _modules("welkin_async.models")
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Record) and cls is not Record
    }


def _resources() -> Iterator[tuple[Any, type]]:
    for module in _modules("welkin_async.resources"):
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == module.__name__:
                yield module, cls


@cache
def _queries() -> dict[str, dict[str, str]]:
    """Return what is said of the query parameters of each list, by operation, then by Python name."""
    found: dict[str, dict[str, str]] = {}
    for module, cls in _resources():
        for value in vars(cls).values():
            if not isinstance(value, Listing):
                continue
            said: dict[str, str] = {}
            names = value.query.__required_keys__ | value.query.__optional_keys__  # type: ignore[attr-defined]
            near = [each for each in vars(module).values() if hasattr(each, "__required_keys__")]
            for typed in (PageQuery, SortedQuery, *near, value.query):
                said |= {name: text for name, text in attributes(typed.__doc__).items() if name in names}
            found[value.operation.name] = said
    return found


def parameter(operation: str, name: str) -> str | None:
    """Return what is said of a query parameter, where anything is.

    Args:
        operation: The operation.
        name: The parameter's documented name.
    """
    said = {**attributes(inspect.getdoc(method(operation))), **_queries().get(operation, {})}
    text = said.get(python_name(name)) or said.get(f"{python_name(name)}_")
    return plain(text) if text else None


@cache
def fields(record: str) -> dict[str, str]:
    """Return what is said of the fields of a record, by documented name."""
    cls = record_classes().get(record)
    said = (
        {name: text for base in reversed(cls.__mro__) for name, text in attributes(base.__doc__).items()} if cls else {}
    )
    wire = {
        field.name: field.metadata["wire"] for field in getattr(cls, "__attrs_attrs__", ()) if "wire" in field.metadata
    }
    return {wire[name]: plain(text) for name, text in said.items() if name in wire}
