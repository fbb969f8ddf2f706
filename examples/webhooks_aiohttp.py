"""Receives Welkin's webhooks with aiohttp: verified, put into a bounded queue, and worked through one by one.

Set ``WEBHOOK_KEY`` and ``WEBHOOK_SECRET`` to what was set for the webhook in Welkin, and run it behind TLS::

    python examples/webhooks_aiohttp.py
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator

from aiohttp import web

from welkin_async.webhooks import (
    MAX_PAYLOAD,
    EventWebhook,
    WebhookPayloadError,
    WebhookRefusedError,
    read_event,
    verify,
)

QUEUE = web.AppKey("queue", asyncio.Queue[EventWebhook])
log = logging.getLogger("webhooks")


async def receive(request: web.Request) -> web.Response:
    """Take a delivery up, and answer before anything is done: Welkin is said to send again what it has no 2xx for."""
    try:
        verify(request.headers, key=os.environ["WEBHOOK_KEY"], secret=os.environ["WEBHOOK_SECRET"])
        event = read_event(await request.read())
    except WebhookRefusedError:
        return web.Response(status=401)
    except WebhookPayloadError:
        return web.Response(status=400)
    try:
        request.app[QUEUE].put_nowait(event)
    except asyncio.QueueFull:
        return web.Response(status=503)
    return web.Response(status=204)


async def handle(event: EventWebhook) -> None:
    """Do what is to be done; the same event may come twice. What is logged names no patient."""
    log.info("%s of %s", event.event_subtype, event.source_name)


async def working(app: web.Application) -> AsyncIterator[None]:
    """Work the queue through while the service runs, and what is left of it when it stops."""
    queue = app[QUEUE] = asyncio.Queue(maxsize=1000)

    async def work() -> None:
        while True:
            event = await queue.get()
            try:
                await handle(event)
            except Exception as error:
                log.error("an event was not handled: %s", type(error).__name__)
            finally:
                queue.task_done()

    task = asyncio.create_task(work())
    yield
    await queue.join()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def application() -> web.Application:
    """Return the service."""
    app = web.Application(client_max_size=MAX_PAYLOAD)
    app.cleanup_ctx.append(working)
    app.router.add_post("/welkin", receive)
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    web.run_app(application(), host="127.0.0.1", port=8080)
