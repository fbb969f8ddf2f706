"""Run origin: when a run began, against which instance, by which version and by which command."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

import attrs

from welkin_async._version import __version__
from welkin_async.http.settings import Settings


@attrs.frozen(kw_only=True)
class RunOrigin:
    """Run origin: what a report that is found later has to say of the run it is about.

    Attributes:
        began: When the run began, in UTC.
        tenant: The tenant's name.
        instance: The instance within it.
        version: The version of this package.
        command: The command line, without names of files and values of rows; empty where there was none.
    """

    began: datetime
    tenant: str
    instance: str
    version: str = __version__
    command: str = ""

    @classmethod
    def of(cls, settings: Settings, command: str = "") -> Self:
        """Return the origin of a run that begins now.

        Args:
            settings: Those of the session that it uses.
            command: The command line as it may be shown; empty for none.
        """
        return cls(began=datetime.now(UTC), tenant=settings.tenant, instance=settings.instance, command=command)

    def lines(self) -> list[tuple[str, str, str]]:
        """Return the rows of a table: labels, and remarks with no numbers."""
        began = f"{self.began:%Y-%m-%d %H:%M:%S} UTC"
        lines = [("began", "", began), ("tenant", "", self.tenant), ("instance", "", self.instance)]
        lines.append(("version", "", f"welkin-async {self.version}"))
        return [*lines, ("command", "", self.command)] if self.command else lines

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        began = self.began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {**attrs.asdict(self), "began": began, "command": self.command or None}

    def __str__(self) -> str:
        """Say it in one line, without the command."""
        return f"{self.tenant}/{self.instance}, {self.began:%Y-%m-%d %H:%M:%S} UTC, welkin-async {self.version}"
