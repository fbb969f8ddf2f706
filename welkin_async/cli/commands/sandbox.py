"""``welkin-async sandbox``: the local server until Ctrl-C."""

from __future__ import annotations

import gc
import shlex
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from welkin_async.cli.options.groups import expanded
from welkin_async.cli.progress import say
from welkin_async.cli.runtime import Interrupt, finish
from welkin_async.cli.wording import CommandError

if TYPE_CHECKING:
    from welkin_async.sandbox import Sandbox


class RetryAfter(StrEnum):
    """Forms of the header on a 429."""

    SECONDS = "seconds"
    DATE = "date"
    NONE = "none"


@attrs.frozen(kw_only=True)
class ServerFlags:
    """How the server behaves, by keywords of `Sandbox`."""

    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on, 0 for a free one.")] = 8080
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1"
    tenant: Annotated[str, typer.Option(help="The tenant's name.")] = "gh"
    instance: Annotated[str, typer.Option(help="The instance's name.")] = "sb-demo"
    api_client: Annotated[str, typer.Option(help="The api client's name.")] = "SANDBOX"
    token_life: Annotated[float, typer.Option(help="Seconds a token is accepted.")] = 3600.0
    rate: Annotated[float | None, typer.Option(help="Requests per second before 429.")] = None
    burst: Annotated[float | None, typer.Option(help="The size of a token bucket, instead of a window.")] = None
    retry_after: Annotated[RetryAfter, typer.Option(help="The header of a 429.")] = RetryAfter.SECONDS
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds every request waits.")] = 0.0
    seed: Annotated[int, typer.Option(help="The start of its ids.")] = 0
    allow_delete: Annotated[bool, typer.Option("--allow-delete", help="Let patients and users be deleted.")] = False


@expanded
def serve_sandbox(
    *,
    cdt: Annotated[
        list[Path] | None,
        typer.Option(
            help="A JSON file with formations whose custom data types it has, beside its own; may be repeated.",
            dir_okay=False,
        ),
    ] = None,
    flags: ServerFlags,
) -> None:
    """Run a local Welkin V8 server until Ctrl-C, and print the variables that point to it."""
    finish(lambda interrupt: _serve(flags, cdt or (), interrupt))


async def _serve(flags: ServerFlags, files: Iterable[Path], interrupt: Interrupt) -> int:
    """Serve, and print how to connect.

    Raises:
        CommandError: an option does not fit, or the port is taken.
    """
    from welkin_async.sandbox import DEFAULT_CDTS, Sandbox, read_formations  # not for the other commands

    # Its records are kept for good; looking through them again and again for garbage costs more than serving.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    interrupt.orderly = True
    cdts: dict[str, Any] = dict(DEFAULT_CDTS)
    for path in files:
        try:
            cdts |= read_formations(path)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise CommandError(f"sandbox: {error}") from None
    try:
        server = Sandbox(**attrs.asdict(flags), cdts=cdts)
        await server.start()
    except ValueError as error:
        raise CommandError(f"sandbox: {error}") from None
    except OSError as error:
        raise CommandError(f"port {flags.port} of {flags.host}: {error.strerror}") from None
    try:
        sys.stdout.write(_exports(server))
        sys.stdout.flush()
        say(f"serving at {server.base_url}; everything is in memory and ends with it; Ctrl-C to stop")
        if server.control_key is not None:
            say("other machines reach it; its control routes ask for SANDBOX_CONTROL_KEY in the header X-Sandbox-Key")
        await interrupt.stop.wait()
    finally:
        await server.close()
    return 0


def _exports(server: Sandbox) -> str:
    variables = server.environ()
    if server.control_key is not None:
        variables["SANDBOX_CONTROL_KEY"] = server.control_key
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
