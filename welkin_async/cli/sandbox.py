"""``welkin-async sandbox``: the local server until Ctrl-C."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any

from welkin_async.cli.loop import Interrupt
from welkin_async.cli.progress import say
from welkin_async.cli.text import CommandError
from welkin_async.sandbox import Sandbox

__all__ = ["run_sandbox"]


async def run_sandbox(options: Mapping[str, Any], interrupt: Interrupt) -> int:
    """Serve, and print how to connect.

    Args:
        options: Keywords of `Sandbox`.
        interrupt: Ctrl-C.

    Returns:
        The exit code, 0.

    Raises:
        CommandError: an option does not fit, or the port is taken.
    """
    interrupt.orderly = True
    try:
        server = Sandbox(**options)
        await server.start()
    except ValueError as error:
        raise CommandError(f"sandbox: {error}") from None
    except OSError as error:
        raise CommandError(f"port {options['port']} of {options['host']}: {error.strerror}") from None
    try:
        sys.stdout.write(_exports(server))
        sys.stdout.flush()
        say(f"serving at {server.base_url}; everything is in memory and ends with it; Ctrl-C to stop")
        await interrupt.stop.wait()
    finally:
        await server.close()
    return 0


def _exports(server: Sandbox) -> str:
    names = ("base_url", "tenant", "instance", "api_client", "secret_key")
    return "".join(f"export WELKIN_{name.upper()}={shlex.quote(getattr(server, name))}\n" for name in names)
