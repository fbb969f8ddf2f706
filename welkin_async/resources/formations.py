"""Formations: how the instance defines its data types, assessments, documents, encounters, goals and programs.

What is in force is ``welkin.formations().…``, what is being prepared ``welkin.formations("draft").…``. Whichever is
read, writes go to the draft: the documentation says so, although some of its examples show ``current``. One source
spells the path ``formation``; recordings have ``formations``. Definitions are named by their name, not by their id.
"""

from __future__ import annotations

from typing import Unpack

from welkin_async.models.formations import (
    AssessmentFormation,
    CdtFormation,
    DictionaryFormation,
    DocumentType,
    EncounterTemplate,
    GoalTemplate,
    ProgramFormation,
)
from welkin_async.resources._base.arguments import Body
from welkin_async.resources._base.children import Child, Scoped
from welkin_async.resources._base.mixins import ArrayMixin, DeleteMixin, GetMixin, R, SingleMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key
from welkin_async.wire.request import Shape

_VERSION = "/{tenant}/{instance}/formations/{version}"
_DRAFT = "/{tenant}/{instance}/formations/draft"
_DISPOSITION = "formation_encounter_disposition"


class _Readable(ArrayMixin[R], GetMixin[R]):
    """Definitions that can be read.

    Args of a subclass:
        kind: The kind in the path, and with underscores in the catalogue.
        key: The path parameter that names one.
        answer: What a readable answer is: some kinds have an id, others a name alone.
    """

    def __init_subclass__(cls, kind: str | None = None, key: str = "", answer: Shape = Shape.RECORD) -> None:
        super().__init_subclass__()
        if kind is not None:
            collection = Path(f"formation_{kind.replace('-', '_')}", f"{_VERSION}/{kind}")
            cls._list_operation = collection.get("list", Shape.ARRAY)
            cls._get_operation = (collection / f"{{{key}}}").get("get", answer)


class _Writable(_Readable[R], DeleteMixin[R]):
    """Definitions whose draft can be written (documented, not recorded); arguments of a subclass as above."""

    def __init_subclass__(cls, kind: str | None = None, key: str = "", answer: Shape = Shape.RECORD) -> None:
        super().__init_subclass__(kind, key, answer)
        if kind is not None:
            collection = Path(f"formation_{kind.replace('-', '_')}", f"{_DRAFT}/{kind}")
            one = collection / f"{{{key}}}"
            cls._create_operation = collection.post("create", answer)
            cls._update_operation = one.put("update", answer)
            cls._delete_operation = one.delete("delete")

    async def create(self, definition: Body[R], /, **options: Unpack[CallOptions]) -> R:
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
        return await self._create(definition, options)

    async def update(self, name: Key, definition: Body[R], /, **options: Unpack[CallOptions]) -> R:
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
        return await self._update(name, definition, options)


class CdtFormations(_Readable[CdtFormation], kind="cdts", key="cdt_name"):
    """Definitions of custom data types: ``GET .../formations/{version}/cdts[/{cdt_name}]`` (recorded)."""


class PdtFormations(_Readable[CdtFormation], kind="pdts", key="pdt_name"):
    """Definitions of profile data types: ``GET .../formations/{version}/pdts[/{pdt_name}]``.

    Unconfirmed: the path is from the documentation of 2026 alone, which recordings contradict in other places; the
    release notes confirm that profiles exist.
    """


class AssessmentFormations(_Writable[AssessmentFormation], kind="assessments", key="assessment_name"):
    """Definitions of assessments: ``.../formations/{version}/assessments[/{assessment_name}]``.

    Reads are recorded, writes documented. An update cannot change the name.
    """

    _cdt_operation = Path("formation_assessments", f"{_VERSION}/assessments/cdt/{{cdt_name}}").get("get_cdt")

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


class DocumentTypes(_Writable[DocumentType], kind="document-types", key="document_type_name"):
    """Definitions of document types: ``.../formations/{version}/document-types[/{document_type_name}]``.

    Reads are recorded, writes documented.
    """


class EncounterTemplates(_Writable[EncounterTemplate], kind="encounters", key="template_name"):
    """Definitions of encounters: ``.../formations/{version}/encounters[/{template_name}]``.

    Reads are recorded, writes documented.
    """


class GoalTemplates(_Readable[GoalTemplate], kind="goal-templates", key="goal_template_name", answer=Shape.OBJECT):
    """Definitions of goals: ``GET .../formations/{version}/goal-templates[/{goal_template_name}]`` (recorded)."""


class ProgramFormations(_Writable[ProgramFormation], kind="programs", key="program_name", answer=Shape.OBJECT):
    """Definitions of programs: ``.../formations/{version}/programs[/{program_name}]``.

    Reads are recorded, writes documented.
    """


class DictionaryFormations(
    _Writable[DictionaryFormation], kind="dictionaries", key="dictionary_name", answer=Shape.OBJECT
):
    """Definitions of dictionaries: ``.../formations/{version}/dictionaries[/{dictionary_name}]`` (documented).

    The records of a dictionary are at ``welkin.dictionary(name)``.
    """


class EncounterDispositionFormation(SingleMixin[CdtFormation]):
    """The one definition of encounter dispositions: ``.../formations/{version}/encounter-disposition``.

    ``get`` is recorded: an object, no list.
    """

    _get_operation = Path(_DISPOSITION, f"{_VERSION}/encounter-disposition").get("get")
    _update_operation = Path(_DISPOSITION, f"{_DRAFT}/encounter-disposition").put("update")

    async def update(self, definition: Body[CdtFormation], /, **options: Unpack[CallOptions]) -> CdtFormation:
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


class Formations(Scoped):
    """One version of the instance's definitions: ``welkin.formations(version)``."""

    cdts: Child[CdtFormations] = Child(CdtFormations)
    """Custom data types."""

    pdts: Child[PdtFormations] = Child(PdtFormations)
    """Profile data types (unconfirmed)."""

    assessments: Child[AssessmentFormations] = Child(AssessmentFormations)
    """Assessments."""

    document_types: Child[DocumentTypes] = Child(DocumentTypes)
    """Types of documents."""

    encounters: Child[EncounterTemplates] = Child(EncounterTemplates)
    """Templates of encounters."""

    encounter_disposition: Child[EncounterDispositionFormation] = Child(EncounterDispositionFormation)
    """The disposition of encounters."""

    goal_templates: Child[GoalTemplates] = Child(GoalTemplates)
    """Templates of goals."""

    programs: Child[ProgramFormations] = Child(ProgramFormations)
    """Programs."""

    dictionaries: Child[DictionaryFormations] = Child(DictionaryFormations)
    """Dictionaries."""
