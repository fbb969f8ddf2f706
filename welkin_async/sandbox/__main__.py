"""`python -m welkin_async.sandbox`: the sandbox as a process of its own.

Secrets are no arguments, which every user of a machine can read: `SANDBOX_SECRET_KEY` is the client's secret,
`SANDBOX_CONTROL_KEY` the key of the control routes. Prints one JSON line with `base_url`, `tenant`, `instance`,
`api_client`, `secret_key` and `control_key`, then serves until it is told
to stop: by SIGINT or SIGTERM, or, with `--exit-with-parent`, by the end of its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence

from welkin_async.sandbox.server import Sandbox


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m welkin_async.sandbox", description="A local Welkin V8 server.")
    add = parser.add_argument
    add("--tenant", default="gh", help="first path segment (%(default)s)")
    add("--instance", default="sb-demo", help="second path segment (%(default)s)")
    add("--api-client", default="SANDBOX", help="name of the API client (%(default)s)")
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port to listen on, 0 for a free one (%(default)s)")
    add("--token-life", type=float, default=3600.0, help="seconds a token is accepted (%(default)s)")
    add("--token-limit", type=int, default=100, help="token requests per window before the block (%(default)s)")
    add("--token-window", type=float, default=300.0, help="seconds of that window (%(default)s)")
    add("--token-block", type=float, default=300.0, help="seconds of the block (%(default)s)")
    add("--rate", type=float, default=None, help="requests per second before 429 (no limit)")
    add("--burst", type=float, default=None, help="size of a token bucket (a fixed window of one second)")
    add("--retry-after", choices=("seconds", "date", "none"), default="seconds", help="on a 429 (%(default)s)")
    add("--latency", type=float, default=0.0, help="seconds every request waits (%(default)s)")
    add("--visibility-delay", type=float, default=0.0, help="seconds until lists show a new CDT record (%(default)s)")
    add("--list-lag", type=float, default=0.0, help="seconds longer that only totals count it (%(default)s)")
    add("--delay-growth", type=float, default=0.0, help="seconds by which both grow per second (%(default)s)")
    add("--skew", type=float, default=0.0, help="seconds by which one backend's clock is ahead (%(default)s)")
    add("--skew-every", type=int, default=1, help="that backend does each n-th work (%(default)s)")
    add("--seed", type=int, default=0, help="start of the generators (%(default)s)")
    add("--allow-delete", action="store_true", help="let patients and users be deleted")
    add("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # os.read, not sys.stdin: a thread blocked in a buffered read holds its lock when the interpreter ends.
    while os.read(0, 4096):
        pass
    # The loop may have been stopped by a signal in the meantime.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stop.set)


async def _run(options: argparse.Namespace) -> None:
    settings = vars(options)
    exit_with_parent = settings.pop("exit_with_parent")
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        # Event loops on Windows have no signal handlers; there asyncio.run ends on SIGINT by itself.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, stop.set)
    for secret in ("secret_key", "control_key"):
        if (value := os.environ.get(f"SANDBOX_{secret.upper()}")) is not None:
            settings[secret] = value
    async with Sandbox(**settings) as server:
        if exit_with_parent:
            threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
        names = ("base_url", "tenant", "instance", "api_client", "secret_key", "control_key")
        sys.stdout.write(json.dumps({name: getattr(server, name) for name in names}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is told to stop.

    Args:
        arguments: Command line without the program's name; None reads the process' own.

    Returns:
        Exit code.
    """
    options = _parser().parse_args(arguments)
    # Millions of records are kept for good: looking through them again and again for garbage costs more than serving.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
