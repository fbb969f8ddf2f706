"""Reports of the instance."""

from __future__ import annotations

from typing import Unpack

from welkin_async.resources._base.mixins import Resource
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions
from welkin_async.wire.records import Record
from welkin_async.wire.request import Shape

_PHASES = Path("reports", "/{tenant}/{instance}/reports/patient-program-phase-distribution")


class Reports(Resource[Record]):
    """Reports of the instance: ``welkin.reports``."""

    _phases_operation = _PHASES.get("patient_program_phase_distribution", Shape.ARRAY)

    async def patient_program_phase_distribution(self, **options: Unpack[CallOptions]) -> tuple[Record, ...]:
        """Count patients by program and phase: ``GET .../reports/patient-program-phase-distribution``.

        Unconfirmed: seen in one other client alone.

        Args:
            options: See `CallOptions`.

        Returns:
            The rows. Their fields are not documented: all of them are in ``extra``.

        Raises:
            RequestError: see `errors`.
        """
        return await self._many(self._phases_operation, options=options)
