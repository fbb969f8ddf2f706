"""Site: what every section of the sandbox shares, the names of tenant and client, the clock and the source of ids."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import attrs


def format_timestamp(moment: datetime) -> str:
    """A moment as the API writes datetimes, `YYYY-MM-DDTHH:MM:SS.mmmZ` (recorded).

    Args:
        moment: Aware, of any zone.
    """
    # Cut to milliseconds, not rounded, as `Clock.stamp` does.
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def variables_of(server: object) -> dict[str, str]:
    """Return the environment variables by which a session finds a server.

    Args:
        server: Has what they hold as attributes: `base_url`, `tenant`, `instance`, `api_client` and `secret_key`.
    """
    names = ("base_url", "tenant", "instance", "api_client", "secret_key")
    return {f"WELKIN_{name.upper()}": str(getattr(server, name)) for name in names}


@attrs.define
class Clock:
    """Clock: wall and monotonic time, which a test can move forward.

    Tokens, blocks, the rate limit and time stamps read this clock; latency, stalls and late work wait in real time, and
    the Date header tells the machine's.

    Attributes:
        offset: Seconds the clock runs ahead of the machine's.
        skew: Seconds by which `stamp` is ahead of this clock, as the clock of one backend of several may be.
    """

    offset: float = 0.0
    skew: float = 0.0
    _second: int = -1
    _prefix: str = ""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back, moved by `offset`."""
        return time.monotonic() + self.offset

    def time(self) -> float:
        """Seconds since the epoch, moved by `offset`."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        Args:
            seconds: How far; not negative.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("the sandbox clock only moves forward")
        self.offset += seconds

    def stamp_before(self, seconds: float) -> str:
        """A moment in the past, in the form of `stamp`.

        Args:
            seconds: How long ago.
        """
        return format_timestamp(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time() - seconds))

    def stamp(self) -> str:
        """Now, as the backend at work sees it, in the form of the API: `YYYY-MM-DDTHH:MM:SS.mmmZ` (recorded)."""
        now = self.time() + self.skew
        second = int(now)
        if second != self._second:
            # Formatting a date costs more than the rest of a create's bookkeeping, so once a second is enough.
            self._second = second
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
            self._prefix = moment.strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._prefix}{int((now - second) * 1000):03d}Z"


@attrs.define
class Site:
    """Site: one tenant and instance with one API client.

    Attributes:
        tenant: First path segment.
        instance: Second path segment of instance-scoped routes.
        api_client: Name of the API client that may ask for tokens.
        secret_key: Its secret.
        allow_delete: Whether patients and users may be deleted by an API client.
        seed: Start of the generator of ids; equal seeds give equal ids.
        clock: Where every section reads the time.
        client_id: Id of the API client, author of every record.
    """

    tenant: str
    instance: str
    api_client: str
    secret_key: str = attrs.field(repr=False)
    allow_delete: bool = False
    seed: int = 0
    clock: Clock = attrs.field(factory=Clock)
    client_id: str = attrs.field(init=False)
    _random: random.Random = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Let the generator of ids begin anew; the API client's own is the same again."""
        self._random = random.Random(self.seed)
        self.client_id = self.new_id()

    @property
    def author(self) -> str:
        """How the API client signs records: `API_CLIENT:<client name>` (recorded)."""
        return f"API_CLIENT:{self.api_client}"

    def new_id(self) -> str:
        """A UUID of version 4 in its usual text form, taken from the seeded generator."""
        bits = self._random.getrandbits(128) & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
