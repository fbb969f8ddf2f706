"""A patient's programs and the phases of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack, overload

from welkin_async.models.patients import PatientProgram
from welkin_async.pagination.pager import META_INFO, Pager
from welkin_async.resources._base.arguments import UNSET, OneText, given, one_text
from welkin_async.resources._base.mixins import Resource
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, SortedQuery
from welkin_async.wire.request import Answer, Repeat, Shape

_COLLECTION = Path("patient_programs", "/{tenant}/{instance}/patients/{patient_id}/programs")
_BY_NAME = _COLLECTION / "{program_name}"


class ProgramChange(CallOptions, total=False):
    """What can be changed of a patient's program.

    Attributes:
        assigned: ``assigned``; whether the patient is in it.
        status: ``status``; such as IN_PROGRESS.
        phase_name: ``phaseName``; the phase to go to.
    """

    assigned: bool
    status: str
    phase_name: str


class ProgramQuery(SortedQuery, total=False):
    """The query of a list of a patient's programs.

    Attributes:
        assigned_programs: Whether programs the patient is not in are left out.
    """

    assigned_programs: bool


class Programs(Resource[PatientProgram]):
    """A patient's programs: ``welkin.patient(id).programs``."""

    _body_fields = ProgramChange
    _listing = _COLLECTION.pages("list", META_INFO, ProgramQuery)
    _current_operation = (_COLLECTION / "current/{program_name}").get("get_current", Shape.OBJECT)
    _history_operation = (_COLLECTION / "history/{patient_program_id}").get("get_history", Shape.OBJECT)
    _get_operation = _BY_NAME.get("get", Shape.OBJECT)
    _update_operation = _BY_NAME.patch("update", Shape.OBJECT)
    _phase_operation = (_BY_NAME / "phases").patch("change_phase", Shape.OBJECT, repeat=Repeat.UNSAFE)
    _unassign_operation = (_COLLECTION / "{patient_program_id}").delete("unassign")

    def list(  # keywords of ProgramQuery
        self,
        *,
        assigned_programs: bool = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[PatientProgram]:
        """List the patient's programs: ``GET .../patients/{patient_id}/programs`` (recorded).

        Without ``assigned_programs=True`` every program of the instance is listed, those the patient is not in with
        null ids.

        The keywords are those of `ProgramQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(ProgramQuery, locals())
        return self._list(keywords)

    async def get_current(self, program_name: Key, /, **options: Unpack[CallOptions]) -> PatientProgram:
        """Read a program the patient is in: ``GET .../programs/current/{program_name}`` (recorded).

        Args:
            program_name: The program's name.
            options: See `CallOptions`.

        Raises:
            NotFoundError: the patient is not in it, or has finished it (PATIENT_PROGRAM_NOT_FOUND).
            RequestError: see `errors`.
        """
        return await self._one(self._current_operation, program_name=program_name, options=options)

    async def get_history(self, id: Key, /, **options: Unpack[CallOptions]) -> PatientProgram:
        """Read a program the patient is or was in: ``GET .../programs/history/{patient_program_id}`` (recorded).

        Args:
            id: The id of the patient's program, whatever its status.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is none with that id (PATIENT_PROGRAM_NOT_FOUND).
            RequestError: see `errors`.
        """
        return await self._one(self._history_operation, patient_program_id=id, options=options)

    async def get(self, program_name: Key, /, **options: Unpack[CallOptions]) -> PatientProgram:
        """Read a program in the form of 2021: ``GET .../programs/{program_name}``.

        The sources disagree: recordings of 2023 use what `get_current` and `get_history` do. Prefer those.

        Args:
            program_name: The program's name.
            options: See `CallOptions`.

        Raises:
            NotFoundError: the patient is not in it, or the server does not know this form any more.
            RequestError: see `errors`.
        """
        return await self._one(self._get_operation, program_name=program_name, options=options)

    @overload
    async def update(
        self, program_name: Key, record: Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> PatientProgram: ...
    @overload
    async def update(self, program_name: Key, /, **fields: Unpack[ProgramChange]) -> PatientProgram: ...
    async def update(
        self, program_name: Key, record: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> PatientProgram:
        """Assign a program, or change status or phase: ``PATCH .../programs/{program_name}`` (recorded, 200).

        Args:
            program_name: The program's name.
            record: A mapping with the documented names; or
            fields: the fields of `ProgramChange` as keywords.

        Returns:
            The patient's program as the server answered.

        Raises:
            NotFoundError: there is no such program.
            RequestError: see `errors`.
        """
        return await self._update(program_name, record, fields)

    async def change_phase(
        self, program_name: Key, phase_name: OneText, /, **options: Unpack[CallOptions]
    ) -> PatientProgram:
        """Go to a phase in the form of 2021: ``PATCH .../programs/{program_name}/phases`` (documented).

        `update` with ``phase_name`` is the newer, recorded way, and the one that can be repeated.

        Args:
            program_name: The program's name.
            phase_name: The phase's name; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The patient's program as the server answered.

        Raises:
            OutcomeUnknownError: the phase may have been changed; read the program before repeating.
            RequestError: see `errors`.
        """
        body = one_text("phaseName", phase_name)
        return await self._one(self._phase_operation, program_name=program_name, body=body, options=options)

    async def unassign(self, id: Key, /, **options: Unpack[CallOptions]) -> Answer:
        """Take the patient out: ``DELETE .../programs/{patient_program_id}`` (recorded with the id).

        Args:
            id: The id of the patient's program; the documentation puts the program's name here.
            options: See `CallOptions`.

        Returns:
            The answer; its status is 404 where an earlier attempt of this call did it and its answer was lost.

        Raises:
            NotFoundError: there is none with that id.
            RequestError: see `errors`.
        """
        return await self._scope.send(self._unassign_operation, patient_program_id=id, options=options)
