"""Connection options: from a command's options to a session."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import attrs
import typer

from welkin_async.cli.progress import say
from welkin_async.cli.wording import CommandError
from welkin_async.errors import ConfigurationError
from welkin_async.http.instrumentation import Attempt
from welkin_async.session import Welkin

_LONGEST_SECRET = 65_536  # characters; a file that is larger is another file


class Environment(StrEnum):
    """The API's hosts."""

    LIVE = "live"
    SANDBOX = "sandbox"


@attrs.frozen(kw_only=True)
class Connection:
    """Connection options: where to connect and how; what is None comes from the environment.

    Attributes:
        rate: Requests per second it allows itself; None for no bound.
        timeout: Seconds the server may take to answer.
        tenant: The tenant's name.
        instance: The instance within it.
        api_client: The api client's name.
        environment: The host.
        base_url: Scheme and host instead.
        shared: The store by which processes share token and pace; None for none.
        secret_file: The file that holds the secret; the variable ``WELKIN_SECRET_KEY`` where it is not given.
    """

    rate: Annotated[float | None, typer.Option(help="Requests per second at most.")] = None
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds the server may take to answer.")] = 30.0
    tenant: Annotated[str | None, typer.Option(envvar="WELKIN_TENANT")] = None
    instance: Annotated[str | None, typer.Option(envvar="WELKIN_INSTANCE")] = None
    api_client: Annotated[str | None, typer.Option(envvar="WELKIN_API_CLIENT")] = None
    environment: Annotated[Environment | None, typer.Option(envvar="WELKIN_ENVIRONMENT")] = None
    base_url: Annotated[str | None, typer.Option(envvar="WELKIN_BASE_URL")] = None
    shared: Annotated[
        str | None,
        typer.Option(
            envvar="WELKIN_SHARED",
            help="The store by which processes share token and pace: sqlite:///path, postgresql://... or redis://...",
        ),
    ] = attrs.field(default=None, repr=False)
    secret_file: Annotated[
        Path | None, typer.Option(help="A file with the secret; WELKIN_SECRET_KEY where it is not given.")
    ] = None

    def session(self, on_attempt: Callable[[Attempt], None] | None = None) -> Welkin:
        """Return a session that is not open yet.

        Args:
            on_attempt: Called after each request on the wire.

        Raises:
            CommandError: an option is missing or does not fit.
        """
        for name in ("tenant", "instance", "api_client"):
            if not getattr(self, name) and not os.environ.get(f"WELKIN_{name.upper()}"):
                option = name.replace("_", "-")
                raise CommandError(f"{name} is missing: give --{option}, or set WELKIN_{name.upper()}")
        secret_key = self._secret()
        if secret_key is None and not os.environ.get("WELKIN_SECRET_KEY"):
            raise CommandError("the secret is missing: set WELKIN_SECRET_KEY, or give --secret-file")
        try:
            return Welkin(
                tenant=self.tenant,
                instance=self.instance,
                api_client=self.api_client,
                secret_key=secret_key,
                environment=None if self.environment is None else self.environment.value,
                base_url=self.base_url,
                rate=self.rate,
                timeout=self.timeout,
                engine=None if os.environ.get("WELKIN_ENGINE") else "auto",
                on_attempt=on_attempt,
                shared=self.shared,
            )
        except (ConfigurationError, ValueError) as error:
            message = str(error)
        raise CommandError(message)

    def _secret(self) -> str | None:
        if self.secret_file is None:
            return None
        try:
            with self.secret_file.open(encoding="utf-8") as file:
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                    say("the secret file can be read by everybody on this machine: chmod 600 it")
                secret = file.read(_LONGEST_SECRET).strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
        else:
            if secret:
                return secret
            reason = "it is empty"
        raise CommandError(f"the secret file cannot be used: {reason}")
