"""Counts of a deletion of absent records."""

from __future__ import annotations

from typing import Any

import attrs

from welkin_async.files.report.text import whole


@attrs.define(kw_only=True)
class AbsentCounts:
    """What became of the records that a plan names.

    Attributes:
        planned: Records that the plan names.
        deleted: Records that were deleted.
        changed: Records that were changed since the plan, and stay.
        failed: Records whose deletion was refused or not answered.
        unlisted: Patients who could not be listed, and whose records stay.
        withheld: Why nothing was deleted; None where that was not held back.
        under_way: Whether it was begun and has not come to its end.
    """

    planned: int = 0
    deleted: int = 0
    changed: int = 0
    failed: int = 0
    unlisted: int = 0
    withheld: str | None = None
    under_way: bool = False

    @property
    def kept(self) -> int:
        """Records of the plan that stay, or are gone: as the file names them again, or they were not come to."""
        return self.planned - self.deleted - self.changed - self.failed

    @property
    def ended(self) -> bool:
        """Whether all was done that was to be done."""
        return self.withheld is None and not self.failed and not self.unlisted and not self.under_way

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        return {**attrs.asdict(self), "kept": self.kept}

    def __str__(self) -> str:
        """Say it in one sentence."""
        if self.withheld is not None:
            return self.withheld
        parts = [f"of {whole(self.planned)} records that the plan names {whole(self.deleted)} were deleted"]
        parts += [f"{whole(self.changed)} were changed since and stay"] if self.changed else []
        parts += [f"{whole(self.failed)} could not be deleted"] if self.failed else []
        parts += [f"{whole(self.unlisted)} patients could not be listed"] if self.unlisted else []
        whole_look = not self.unlisted and not self.under_way
        why = "are named by the file, or gone" if whole_look else "were not come to, are named by the file, or gone"
        parts += [f"{whole(self.kept)} {why}"] if self.kept else []
        return ", ".join(parts)
