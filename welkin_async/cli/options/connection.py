"""Connection options: from options, variables and a profile to a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from welkin_async.cli.options import panels
from welkin_async.cli.options.profiles import Profile, profile_names, profiles_file, read_profile
from welkin_async.cli.options.secret_sources import secret_of_command, secret_of_file, secret_of_keyring
from welkin_async.cli.wording import CommandError
from welkin_async.errors import ConfigurationError
from welkin_async.http.instrumentation import Attempt
from welkin_async.session import Welkin

_DEFAULT_TIMEOUT = 30.0  # seconds
_NEEDED = ("tenant", "instance", "api_client")


class Environment(StrEnum):
    """The API's hosts."""

    LIVE = "live"
    SANDBOX = "sandbox"


@attrs.frozen
class Setting:
    """A setting that was found.

    Attributes:
        value: Its value.
        source: Where from: the option, the variable, the profile, or ``default``.
    """

    value: Any
    source: str


@attrs.frozen(kw_only=True)
class Connection:
    """Connection options: where to connect and how. What is not given comes from variables, then from the profile.

    Attributes:
        profile: The profile's name.
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

    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The profile whose settings are taken where no option and no variable has them; WELKIN_PROFILE.",
            rich_help_panel=panels.CONNECTION,
            autocompletion=profile_names,
        ),
    ] = None
    tenant: Annotated[
        str | None, typer.Option(help="The tenant's name; WELKIN_TENANT.", rich_help_panel=panels.CONNECTION)
    ] = None
    instance: Annotated[
        str | None, typer.Option(help="The instance within it; WELKIN_INSTANCE.", rich_help_panel=panels.CONNECTION)
    ] = None
    api_client: Annotated[
        str | None, typer.Option(help="The api client's name; WELKIN_API_CLIENT.", rich_help_panel=panels.CONNECTION)
    ] = None
    secret_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the secret; WELKIN_SECRET_KEY where it is not given.", rich_help_panel=panels.CONNECTION
        ),
    ] = None
    environment: Annotated[
        Environment | None,
        typer.Option(
            help="Which of the API's hosts; WELKIN_ENVIRONMENT.", show_default="live", rich_help_panel=panels.CONNECTION
        ),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option(help="Scheme and host instead; WELKIN_BASE_URL.", rich_help_panel=panels.CONNECTION),
    ] = None
    shared: Annotated[
        str | None,
        typer.Option(
            help="The store by which processes share token and pace: sqlite:///path, postgresql://... or redis://...; "
            "WELKIN_SHARED.",
            rich_help_panel=panels.CONNECTION,
        ),
    ] = attrs.field(default=None, repr=False)
    rate: Annotated[
        float | None, typer.Option(help="Requests per second at most.", rich_help_panel=panels.CONNECTION)
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Seconds the server may take to answer.",
            show_default=f"{_DEFAULT_TIMEOUT:g}",
            rich_help_panel=panels.CONNECTION,
        ),
    ] = None

    def resolve(self) -> ResolvedConnection:
        """Find every setting: options go before variables, and variables before the profile.

        Raises:
            CommandError: the profile cannot be used.
        """
        chosen = self._first("profile", None)
        profile = None if chosen is None else read_profile(chosen.value)
        found = {}
        for name in (*_NEEDED, "shared", "rate", "timeout"):
            setting = self._first(name, profile)
            if setting is not None:
                found[name] = setting
        found.setdefault("timeout", Setting(_DEFAULT_TIMEOUT, "default"))
        name, host = self._host(profile)
        return ResolvedConnection(
            profile=profile,
            profile_source=None if chosen is None else chosen.source,
            settings={**found, name: host},
            secret_file=self.secret_file,
        )

    def session(self, on_attempt: Callable[[Attempt], None] | None = None) -> Welkin:
        """Return a session that is not open yet.

        Args:
            on_attempt: Called after each request on the wire.

        Raises:
            CommandError: an option is missing or does not fit, or the secret cannot be read.
        """
        return self.resolve().session(on_attempt)

    def _levels(self, name: str, profile: Profile | None) -> list[Setting | None]:
        """Return what option, variable and profile say of a setting."""
        given = getattr(self, name)
        value = given.value if isinstance(given, Environment) else given
        variable = f"WELKIN_{name.upper()}"
        # Rate and timeout have no variable, as in `Welkin.from_env`.
        held = os.environ.get(variable) if name not in ("rate", "timeout") else None
        kept = None if profile is None else profile.settings.get(name)
        return [
            None if value is None else Setting(value, f"--{name.replace('_', '-')}"),
            Setting(held, variable) if held else None,
            None if kept is None or profile is None else Setting(kept, f"profile {profile.name}"),
        ]

    def _first(self, name: str, profile: Profile | None) -> Setting | None:
        return next((each for each in self._levels(name, profile) if each is not None), None)

    def _host(self, profile: Profile | None) -> tuple[str, Setting]:
        """Return where to connect: what names the host first, whichever of its two settings that is."""
        levels = zip(self._levels("base_url", profile), self._levels("environment", profile), strict=True)
        for base_url, environment in levels:
            if base_url is not None:
                return "base_url", base_url
            if environment is not None:
                return "environment", environment
        return "environment", Setting(Environment.LIVE.value, "default")


@attrs.frozen(kw_only=True)
class ResolvedConnection:
    """A connection with every setting that was found, and where each is from.

    Attributes:
        profile: The profile; None where none was chosen.
        profile_source: What chose it.
        settings: What was found, by name; the secret is not among them.
        secret_file: The file that the option names; None where it is not given.
    """

    profile: Profile | None
    profile_source: str | None
    settings: Mapping[str, Setting] = attrs.field(repr=False)
    secret_file: Path | None = None

    @property
    def shared(self) -> str | None:
        """The store by which processes share token and pace; None for none."""
        shared: str | None = self.value("shared")
        return shared

    def value(self, name: str) -> Any:
        """Return a setting's value, or None where it was not found.

        Args:
            name: The setting's name.
        """
        setting = self.settings.get(name)
        return None if setting is None else setting.value

    @property
    def missing(self) -> list[str]:
        """What was not found and is needed, and how to give it: a line for each."""
        lines = []
        for name in _NEEDED:
            if name not in self.settings:
                option = name.replace("_", "-")
                lines.append(f"{name} is missing: give --{option}, or set WELKIN_{name.upper()}")
        if self.secret_source is None:
            lines.append("the secret is missing: set WELKIN_SECRET_KEY, or give --secret-file")
        return lines

    @property
    def secret_source(self) -> str | None:
        """Where the secret is from; None where nothing names a place."""
        if self.secret_file is not None:
            return "--secret-file"
        if os.environ.get("WELKIN_SECRET_KEY"):
            return "WELKIN_SECRET_KEY"
        profile = self.profile
        if profile is not None:
            for name in ("secret_command", "secret_file", "secret_keyring"):
                if getattr(profile, name):
                    return f"profile {profile.name}, {name}"
        return None

    def secret(self) -> str | None:
        """Read the secret; None where the environment has it, from which the session takes it. May block.

        Raises:
            CommandError: it cannot be read.
        """
        if self.secret_file is not None:
            return secret_of_file(self.secret_file)
        profile = self.profile
        if os.environ.get("WELKIN_SECRET_KEY") or profile is None:
            return None
        if profile.secret_command is not None:
            return secret_of_command(profile.secret_command)
        if profile.secret_file is not None:
            return secret_of_file(profile.secret_file)
        return secret_of_keyring(profile.name) if profile.secret_keyring else None

    def session(self, on_attempt: Callable[[Attempt], None] | None = None) -> Welkin:
        """Return a session that is not open yet.

        Args:
            on_attempt: Called after each request on the wire.

        Raises:
            CommandError: a setting is missing or does not fit, or the secret cannot be read.
        """
        for line in self.missing:
            hint = "" if self.profile is not None or not profiles_file().exists() else ", or name a --profile"
            raise CommandError(f"{line}{hint}")
        secret_key = self.secret()
        try:
            return Welkin(
                tenant=self.value("tenant"),
                instance=self.value("instance"),
                api_client=self.value("api_client"),
                secret_key=secret_key,
                environment=self.value("environment"),
                base_url=self.value("base_url"),
                rate=self.value("rate"),
                timeout=self.value("timeout"),
                engine=None if os.environ.get("WELKIN_ENGINE") else "auto",
                on_attempt=on_attempt,
                shared=self.shared,
            )
        except (ConfigurationError, ValueError) as error:
            message = str(error)
        raise CommandError(message)
