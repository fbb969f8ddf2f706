"""Profiles: named connections in a TOML file of the user's, in which no secret may stand."""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import typer

from welkin_async.cli.wording import CommandError
from welkin_async.errors import printable

_TEXTS = ("tenant", "instance", "api_client", "environment", "base_url", "shared")
_NUMBERS = ("rate", "timeout")
_SECRETS = ("secret_command", "secret_file", "secret_keyring")
_KEYS = (*_TEXTS, *_NUMBERS, *_SECRETS)
_TELLING = ("secret", "password", "passwd", "passphrase", "token", "credential")
_INSTEAD = "name secret_command, secret_file or secret_keyring in its place"


@attrs.frozen(kw_only=True)
class Profile:
    """Profile: what a command takes where neither an option nor a variable says otherwise.

    Attributes:
        name: Its name.
        settings: The connection's settings that it has, by name.
        secret_command: The command whose output is the secret, as its words; None for none.
        secret_file: The file that holds it; None for none.
        secret_keyring: Whether the keyring of the user's account holds it, under the profile's name.
    """

    name: str
    settings: Mapping[str, str | float] = attrs.field(factory=dict)
    secret_command: tuple[str, ...] | None = None
    secret_file: Path | None = None
    secret_keyring: bool = False


def profiles_file() -> Path:
    """Return where the profiles are: in the folder that the system has for settings of programs."""
    return Path(typer.get_app_dir("welkin-async")) / "profiles.toml"


def read_profile(name: str) -> Profile:
    """Read a profile.

    Args:
        name: Its name.

    Raises:
        CommandError: the file is not there, others may write to it, it holds a secret, or the profile is not in it or
            not of its form.
    """
    path = profiles_file()
    content = _content(path)
    if name not in content:
        known = ", ".join(sorted(content)) or "none"
        raise CommandError(printable(f"there is no profile {name} in {path}; there are: {known}"))
    return _profile(name, content[name])


def profile_names() -> list[str]:
    """Return the names of all profiles, for completion: none where the file cannot be read."""
    try:
        return sorted(_content(profiles_file()))
    except CommandError:
        return []


def _content(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the profiles of a file that may be believed.

    Raises:
        CommandError: it cannot be read, or may not be used.
    """
    try:
        with path.open("rb") as file:
            # Who can write to the file decides what `secret_command` runs, and where the secret is sent.
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                raise CommandError(f"{path} may be written to by everybody on this machine: chmod o-w it")
            content = tomllib.load(file)
    except FileNotFoundError:
        raise CommandError(f"there are no profiles: {path} is not there") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeError):
        # Not the parser's words: they may quote the line.
        raise CommandError(f"{path} is not TOML") from None
    for place in _secrets(content, ()):
        raise CommandError(printable(f"{path} holds a secret ({place}): take it out, and {_INSTEAD}"))
    if not all(isinstance(each, dict) for each in content.values()):
        raise CommandError(f"{path}: each profile is a table, such as [staging]")
    return content


def _secrets(content: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    """Yield where secrets stand, in whichever profile."""
    for key, value in content.items():
        here = (*place, key)
        plain = key.lower().replace("-", "_")
        if isinstance(value, dict):
            yield from _secrets(value, here)
        elif (
            (plain not in _SECRETS and any(word in plain for word in _TELLING))
            or (plain == "secret_keyring" and not isinstance(value, bool))
            or (isinstance(value, str) and "://" in value and _has_password(value))
        ):
            yield ".".join(here)


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False


def _profile(name: str, table: Mapping[str, Any]) -> Profile:
    """Read a profile's table.

    Raises:
        CommandError: a key is unknown, or a value is of another type.
    """
    where = printable(f"profile {name}")
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        raise CommandError(printable(f"{where} has no setting {', '.join(unknown)}; there are {', '.join(_KEYS)}"))
    if len([key for key in _SECRETS if table.get(key)]) > 1:
        raise CommandError(f"{where} names more than one place of its secret: {_INSTEAD}, one of them")
    for key in (*_TEXTS, "secret_file"):
        if not isinstance(table.get(key, ""), str):
            raise CommandError(f"{where}: {key} is text")
    for key in _NUMBERS:
        number = table.get(key, 1)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise CommandError(f"{where}: {key} is a number")
    file = table.get("secret_file")
    return Profile(
        name=name,
        settings={key: table[key] for key in (*_TEXTS, *_NUMBERS) if key in table},
        secret_command=_words(where, table["secret_command"]) if "secret_command" in table else None,
        secret_file=Path(file).expanduser() if file else None,
        secret_keyring=table.get("secret_keyring", False),
    )


def _words(where: str, command: object) -> tuple[str, ...]:
    if isinstance(command, str):
        try:
            command = shlex.split(command)
        except ValueError:
            command = None
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        return tuple(command)
    raise CommandError(f"{where}: secret_command is a command, as text or as a list of its words")
