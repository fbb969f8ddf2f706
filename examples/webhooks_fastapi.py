"""Receives Welkin's webhooks with FastAPI: verified, answered, and then worked on.

Set ``WEBHOOK_KEY`` and ``WEBHOOK_SECRET`` to what was set for the webhook in Welkin, and run it behind TLS::

    uvicorn --app-dir examples webhooks_fastapi:app
"""

import logging
import os

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request

from welkin_async.webhooks import (
    MAX_PAYLOAD,
    ChatWebhook,
    WebhookPayloadError,
    WebhookRefusedError,
    read_chat,
    verify,
)

app = FastAPI()
log = logging.getLogger("webhooks")


async def bounded_body(request: Request) -> bytes:
    """Read a body, but no more of it than a payload may have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_PAYLOAD:
            raise HTTPException(413)
    return bytes(body)


@app.post("/welkin", status_code=204)
async def receive(request: Request, background: BackgroundTasks) -> None:
    """Take a delivery up, and work on it once it is answered."""
    try:
        verify(request.headers, key=os.environ["WEBHOOK_KEY"], secret=os.environ["WEBHOOK_SECRET"])
        message = read_chat(await bounded_body(request))
    except WebhookRefusedError:
        raise HTTPException(401) from None
    except WebhookPayloadError:
        raise HTTPException(400) from None
    background.add_task(handle, message)


async def handle(message: ChatWebhook) -> None:
    """Do what is to be done; the same message may come twice. What is logged names no patient."""
    log.info("a user wrote to a patient of %s", message.instance_name)
