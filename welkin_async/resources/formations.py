"""Formations: how the instance defines its data types, assessments, documents, encounters, goals and programs.

What is in force is ``welkin.formations().…``, what is being prepared ``welkin.formations("draft").…``. Whichever is
read, writes go to the draft: the documentation says so, although some of its examples show ``current``. One source
spells the path ``formation``; recordings have ``formations``. Definitions are named by their name, not by their id.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Unpack

from welkin_async.models.formations import (
    AssessmentFormation,
    CdtFormation,
    DictionaryFormation,
    DocumentType,
    EncounterTemplate,
    GoalTemplate,
    ProgramFormation,
)
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import ArrayMixin, CallOptions, DeleteMixin, GetMixin, Key, R, Scope, SingleMixin

__all__ = [
    "AssessmentFormations",
    "CdtFormations",
    "DictionaryFormations",
    "DocumentTypes",
    "EncounterDispositionFormation",
    "EncounterTemplates",
    "Formations",
    "GoalTemplates",
    "PdtFormations",
    "ProgramFormations",
]

_VERSION = "/{tenant}/{instance}/formations/{version}/"
_DRAFT = "/{tenant}/{instance}/formations/draft/"


def _read(section: str, kind: str, name: str, shape: Shape = Shape.RECORD) -> dict[str, Operation]:
    """Declare the two reads of a kind of definition.

    Args:
        section: The kind in the API's catalogue.
        kind: The kind in the path.
        name: The path parameter that names one.
        shape: What a readable answer is: some kinds have an id, others a name alone.
    """
    return {
        "list": Operation(f"{section}.list", "GET", _VERSION + kind, answer=Shape.ARRAY),
        "get": Operation(f"{section}.get", "GET", f"{_VERSION}{kind}/{{{name}}}", answer=shape),
    }


def _written(section: str, kind: str, name: str, shape: Shape = Shape.RECORD) -> dict[str, Operation]:
    """Declare the reads and writes of a kind of definition; arguments as for `_read`."""
    one = f"{_DRAFT}{kind}/{{{name}}}"
    return {
        **_read(section, kind, name, shape),
        "create": Operation(f"{section}.create", "POST", _DRAFT + kind, repeat=Repeat.UNSAFE, answer=shape),
        "update": Operation(f"{section}.update", "PUT", one, answer=shape),
        "delete": Operation(f"{section}.delete", "DELETE", one, answer=Shape.NOTHING),
    }


class _Readable(ArrayMixin[R], GetMixin[R]):
    """Definitions that can be read; the operations are in ``_operations``."""

    _operations: ClassVar[Mapping[str, Operation]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        operations: Mapping[str, Operation] = cls.__dict__.get("_operations", {})
        if operations:
            cls._get_operation, cls._list_operation = operations["get"], operations["list"]


class _Writable(_Readable[R], DeleteMixin[R]):
    """Definitions whose draft can be written (documented, not recorded)."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "_operations" in cls.__dict__:
            cls._delete_operation = cls._operations["delete"]

    async def create(self, definition: R | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> R:
        """Create a definition in the draft: ``POST`` on the draft's collection.

        Args:
            definition: A record, or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The definition as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; read it by its name before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._one(self._operations["create"], body=definition, options=options)

    async def update(self, name: Key, definition: R | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> R:
        """Replace a definition in the draft: ``PUT`` on the draft, with the definition's name.

        Args:
            name: The definition's name.
            definition: All of it, as a record or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The definition as the server answered.

        Raises:
            NotFoundError: there is no such definition in the draft.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        operation = self._operations["update"]
        return await self._one(operation, body=definition, options=options, **{operation.parameters[-1]: name})


class CdtFormations(_Readable[CdtFormation]):
    """Definitions of custom data types: ``GET .../formations/{version}/cdts[/{cdt_name}]`` (recorded)."""

    _record = CdtFormation
    _operations = _read("formation_cdts", "cdts", "cdt_name")


class PdtFormations(_Readable[CdtFormation]):
    """Definitions of profile data types: ``GET .../formations/{version}/pdts[/{pdt_name}]``.

    Unconfirmed: the path is from the documentation of 2026 alone, which recordings contradict in other places; the
    release notes confirm that profiles exist.
    """

    _record = CdtFormation
    _operations = _read("formation_pdts", "pdts", "pdt_name")


class AssessmentFormations(_Writable[AssessmentFormation]):
    """Definitions of assessments: ``.../formations/{version}/assessments[/{assessment_name}]``.

    Reads are recorded, writes documented. An update cannot change the name.
    """

    _record = AssessmentFormation
    _operations = _written("formation_assessments", "assessments", "assessment_name")
    _cdt_operation = Operation("formation_assessments.get_cdt", "GET", _VERSION + "assessments/cdt/{cdt_name}")

    async def get_cdt(self, cdt_name: Key, /, **options: Unpack[CallOptions]) -> CdtFormation:
        """Read an assessment's data type: ``GET .../{version}/assessments/cdt/{cdt_name}`` (documented).

        Args:
            cdt_name: ``_<assessment>`` for the answers, ``_<assessment>_scoring`` for the scores.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such assessment.
            RequestError: see `errors`.
        """
        return await self._one_as(CdtFormation, self._cdt_operation, cdt_name=cdt_name, options=options)


class DocumentTypes(_Writable[DocumentType]):
    """Definitions of document types: ``.../formations/{version}/document-types[/{document_type_name}]``.

    Reads are recorded, writes documented.
    """

    _record = DocumentType
    _operations = _written("formation_document_types", "document-types", "document_type_name")


class EncounterTemplates(_Writable[EncounterTemplate]):
    """Definitions of encounters: ``.../formations/{version}/encounters[/{template_name}]``.

    Reads are recorded, writes documented.
    """

    _record = EncounterTemplate
    _operations = _written("formation_encounters", "encounters", "template_name")


class GoalTemplates(_Readable[GoalTemplate]):
    """Definitions of goals: ``GET .../formations/{version}/goal-templates[/{goal_template_name}]`` (recorded)."""

    _record = GoalTemplate
    _operations = _read("formation_goal_templates", "goal-templates", "goal_template_name", Shape.OBJECT)


class ProgramFormations(_Writable[ProgramFormation]):
    """Definitions of programs: ``.../formations/{version}/programs[/{program_name}]``.

    Reads are recorded, writes documented.
    """

    _record = ProgramFormation
    _operations = _written("formation_programs", "programs", "program_name", Shape.OBJECT)


class DictionaryFormations(_Writable[DictionaryFormation]):
    """Definitions of dictionaries: ``.../formations/{version}/dictionaries[/{dictionary_name}]`` (documented).

    The records of a dictionary are at ``welkin.dictionary(name)``.
    """

    _record = DictionaryFormation
    _operations = _written("formation_dictionaries", "dictionaries", "dictionary_name", Shape.OBJECT)


class EncounterDispositionFormation(SingleMixin[CdtFormation]):
    """The one definition of encounter dispositions: ``.../formations/{version}/encounter-disposition``.

    ``get`` is recorded: an object, no list.
    """

    _record = CdtFormation
    _get_operation = Operation("formation_encounter_disposition.get", "GET", _VERSION + "encounter-disposition")
    _update_operation = Operation("formation_encounter_disposition.update", "PUT", _DRAFT + "encounter-disposition")

    async def update(
        self, definition: CdtFormation | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> CdtFormation:
        """Replace the draft of the definition: ``PUT .../formations/draft/encounter-disposition`` (documented).

        Args:
            definition: Name and custom fields, as a record or a mapping; the server adds the system fields.
            options: See `CallOptions`.

        Returns:
            The definition as the server answered.

        Raises:
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._one(self._update_operation, body=definition, options=options)


class Formations:
    """One version of the instance's definitions: ``welkin.formations(version)``.

    Args:
        scope: Where it is.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    @cached_property
    def cdts(self) -> CdtFormations:
        """Custom data types."""
        return CdtFormations(self._scope)

    @cached_property
    def pdts(self) -> PdtFormations:
        """Profile data types (unconfirmed)."""
        return PdtFormations(self._scope)

    @cached_property
    def assessments(self) -> AssessmentFormations:
        """Assessments."""
        return AssessmentFormations(self._scope)

    @cached_property
    def document_types(self) -> DocumentTypes:
        """Types of documents."""
        return DocumentTypes(self._scope)

    @cached_property
    def encounters(self) -> EncounterTemplates:
        """Templates of encounters."""
        return EncounterTemplates(self._scope)

    @cached_property
    def encounter_disposition(self) -> EncounterDispositionFormation:
        """The disposition of encounters."""
        return EncounterDispositionFormation(self._scope)

    @cached_property
    def goal_templates(self) -> GoalTemplates:
        """Templates of goals."""
        return GoalTemplates(self._scope)

    @cached_property
    def programs(self) -> ProgramFormations:
        """Programs."""
        return ProgramFormations(self._scope)

    @cached_property
    def dictionaries(self) -> DictionaryFormations:
        """Dictionaries."""
        return DictionaryFormations(self._scope)
