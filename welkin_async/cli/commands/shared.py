"""``welkin-async shared``: the store by which processes share token, pace and chunks."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from welkin_async.cli.runtime import finish
from welkin_async.shared import coordination

shared = typer.Typer(
    name="shared", help="Set up the store by which processes share token, pace and chunks.", no_args_is_help=True
)


@shared.callback()
def store() -> None:
    """Set up the store by which processes share token, pace and chunks."""


@shared.command("init")
def init_store(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            envvar="WELKIN_SHARED",
            help="sqlite:///path, postgresql://user@host/database or redis://host:port.",
        ),
    ],
) -> None:
    """Make what the store needs; done again it changes nothing.

    Exit code: 0 the store is set up, 2 it cannot be.
    """

    async def main(_: object) -> int:
        made = coordination(url)
        try:
            await made.init()
        finally:
            await made.aclose()
        sys.stdout.write("the shared store is set up\n")
        return 0

    finish(main)
