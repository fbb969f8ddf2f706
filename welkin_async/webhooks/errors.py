"""Errors of webhooks: a delivery that is not to be believed, and one that cannot be read."""

from __future__ import annotations

from welkin_async.errors import WelkinError

__all__ = ["WebhookPayloadError", "WebhookRefusedError"]


class WebhookRefusedError(WelkinError):
    """A delivery does not have the key and the secret that were agreed on; answer it with 401 and do nothing else."""


class WebhookPayloadError(WelkinError):
    """The body of a delivery is no JSON object, or is too large; the text quotes none of it. Answer it with 400."""
