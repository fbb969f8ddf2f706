"""Verification: whether a delivery has the key and the secret that were set for the webhook."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from welkin_async.errors import ConfigurationError
from welkin_async.webhooks.errors import WebhookRefusedError

KEY_HEADER = "X-WEBHOOK-API-KEY"
"""The header that has the key (documented for chat webhooks)."""

SECRET_HEADER = "X-WEBHOOK-API-SECRET"  # noqa: S105 - a header's name
"""The header that has the secret (documented for chat webhooks)."""


def verify(headers: Mapping[str, str], *, key: str, secret: str) -> None:
    """Check that a delivery has the agreed key and secret, in a time that tells nothing about either.

    Both are compared in any case, by their digests, so that neither which of them is wrong, nor how much of it is
    right, nor its length can be had from how long it takes.

    Args:
        headers: The delivery's headers, in whichever case; those of aiohttp, Starlette and a plain mapping fit.
        key: The key that was set for the webhook.
        secret: Its secret.

    Raises:
        WebhookRefusedError: a header is missing, is there more than once, or has another value; the text says neither
            which nor what.
        ConfigurationError: the key or the secret to compare with is empty, which would let everybody in.
    """
    if not key or not secret:
        raise ConfigurationError("key and secret of a webhook are not empty")
    right_key = hmac.compare_digest(_digest(_only(headers, KEY_HEADER)), _digest(key))
    right_secret = hmac.compare_digest(_digest(_only(headers, SECRET_HEADER)), _digest(secret))
    if not (right_key & right_secret):
        raise WebhookRefusedError("the delivery does not have the key and the secret of this webhook")


def _only(headers: Mapping[str, str], name: str) -> str:
    """Return the one value of a header; empty, which no secret is, where there is none or more than one."""
    found = [value for header, value in headers.items() if header.lower() == name.lower()]
    return found[0] if len(found) == 1 else ""


def _digest(text: str) -> bytes:
    # Servers hand on bytes that are no text as lone surrogates.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
