"""Sealing of tokens: what a store holds of a token is encrypted, or nothing (extra ``cryptography``)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from welkin_async.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

VARIABLE = "WELKIN_SHARED_KEY"


class TokenSeal:
    """Token seal: encrypts tokens with keys from the environment.

    ``WELKIN_SHARED_KEY`` holds a Fernet key, or several with commas between them: the first encrypts, all decrypt, so
    that a key can be changed while processes run. `new_key` makes one.

    Args:
        variables: The environment; ``os.environ`` by default.

    Attributes:
        usable: Whether there is a key; without one no token is stored.

    Raises:
        ConfigurationError: the ``cryptography`` extra is not installed, or a key is none.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        found = (os.environ if variables is None else variables).get(VARIABLE, "")
        keys = [key.strip() for key in found.split(",") if key.strip()]
        self.usable = bool(keys)
        self._cipher: MultiFernet | None = _cipher(keys) if keys else None

    def __repr__(self) -> str:
        """Show the class alone."""
        return "<TokenSeal>"

    def seal(self, text: str) -> str | None:
        """Return a text encrypted; None where there is no key.

        Args:
            text: What is to be kept secret.
        """
        return None if self._cipher is None else self._cipher.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str | None:
        """Return what was sealed; None where it was with a key that is not known here.

        Args:
            sealed: What `seal` returned, here or in another process.
        """
        if self._cipher is None:
            return None
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher.decrypt(sealed.encode()).decode()
        except (InvalidToken, UnicodeError):
            return None


def _cipher(keys: list[str]) -> MultiFernet:
    if not find_spec("cryptography"):
        raise ConfigurationError(f"{VARIABLE} needs the `cryptography` extra: pip install 'welkin-async[cryptography]'")
    from cryptography.fernet import Fernet, MultiFernet

    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ConfigurationError(f"{VARIABLE} is a Fernet key: 32 bytes in URL-safe base64") from None


def new_key() -> str:
    """Return a new key for ``WELKIN_SHARED_KEY``.

    Raises:
        ConfigurationError: the ``cryptography`` extra is not installed.
    """
    if not find_spec("cryptography"):
        raise ConfigurationError("a key needs the `cryptography` extra: pip install 'welkin-async[cryptography]'")
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()
