"""Secret sources: a file, a command's output or the keyring, from which the api client's secret is read."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from welkin_async.cli.progress import say
from welkin_async.cli.wording import CommandError

KEYRING_SERVICE = "welkin-async"
_LONGEST_SECRET = 65_536  # characters; a file that is larger is another file
_LONGEST_COMMAND = 120.0  # seconds: a password manager may ask its user first
_ELSEWHERE = "set WELKIN_SECRET_KEY, or name secret_command or secret_file in the profile"


def secret_of_file(path: Path) -> str:
    """Read the secret from a file.

    Args:
        path: The file; what stands around the secret as white space is taken away.

    Raises:
        CommandError: it cannot be read, or is empty.
    """
    try:
        with path.open(encoding="utf-8") as file:
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


def secret_of_command(command: Sequence[str]) -> str:
    """Run a command, without a shell, and read the secret from its output.

    It has the terminal, so that a password manager can ask its user; what it says on stderr is seen.

    Args:
        command: Its words.

    Raises:
        CommandError: it cannot be run, fails, takes longer than two minutes or writes nothing.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the user's own profile names it
            list(command), stdout=subprocess.PIPE, timeout=_LONGEST_COMMAND, check=False
        )
        secret = done.stdout[:_LONGEST_SECRET].decode().strip()
    except subprocess.TimeoutExpired:
        reason = f"it took longer than {_LONGEST_COMMAND:.0f} s"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UnicodeError:
        reason = "its output is not text"
    else:
        if done.returncode:
            reason = f"it ended with {done.returncode}"
        elif secret:
            return secret
        else:
            reason = "its output is empty"
    raise CommandError(f"the profile's secret_command cannot be used: {reason}")


def secret_of_keyring(profile: str) -> str:
    """Read the secret of a profile from the keyring of the user's account.

    Args:
        profile: The profile's name, under which ``keyring set welkin-async NAME`` has put it there.

    Raises:
        CommandError: the extra is missing, there is no keyring, it cannot be read, or has no such secret.
    """
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        raise CommandError(
            f"the profile's secret is in the keyring, which needs an extra: pip install 'welkin-async[keyring]'; "
            f"or {_ELSEWHERE}"
        ) from None
    try:
        secret = keyring.get_password(KEYRING_SERVICE, profile)
    except NoKeyringError:
        reason = "this machine has none that can be used"
    except KeyringError as error:
        reason = f"it is locked, or does not answer ({type(error).__name__})"
    else:
        if secret:
            return secret
        raise CommandError(f"the keyring has no secret of profile {profile}: keyring set {KEYRING_SERVICE} {profile}")
    raise CommandError(f"the keyring cannot be used: {reason}; {_ELSEWHERE}")
