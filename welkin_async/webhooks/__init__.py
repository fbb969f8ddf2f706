"""Webhooks: what Welkin posts to an integrator: whether it is to be believed, and what it says.

Nothing here does I/O, so that it serves any web framework: `verify` takes the headers, `read_chat` and `read_event`
take the body. What became of deliveries is in ``welkin.audit.webhooks``. Signatures are left out: no source names their
header or their algorithm.
"""

from __future__ import annotations

from welkin_async.models.webhooks import ChatWebhook
from welkin_async.webhooks.errors import WebhookPayloadError, WebhookRefusedError
from welkin_async.webhooks.payloads import MAX_PAYLOAD, EventWebhook, read_chat, read_event
from welkin_async.webhooks.verification import KEY_HEADER, SECRET_HEADER, verify

__all__ = [
    "KEY_HEADER",
    "MAX_PAYLOAD",
    "SECRET_HEADER",
    "ChatWebhook",
    "EventWebhook",
    "WebhookPayloadError",
    "WebhookRefusedError",
    "read_chat",
    "read_event",
    "verify",
]
