"""Reports."""

from __future__ import annotations

from typing import Unpack

from welkin_async.record import Record
from welkin_async.request import Operation, Shape
from welkin_async.resources._base import CallOptions, Resource

__all__ = ["Reports"]


class Reports(Resource[Record]):
    """Reports of the instance: ``welkin.reports``."""

    _record = Record
    _phases_operation = Operation(
        "reports.patient_program_phase_distribution",
        "GET",
        "/{tenant}/{instance}/reports/patient-program-phase-distribution",
        answer=Shape.ARRAY,
    )

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
