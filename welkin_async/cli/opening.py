"""What a command begins with that works through a file: the file, its digest, and a CDT's definition."""

from __future__ import annotations

import contextlib
from pathlib import Path

import anyio.to_thread
import attrs

from welkin_async.cli.forms import Held
from welkin_async.cli.options import FileOptions
from welkin_async.cli.preparation import Preparing
from welkin_async.cli.sources import Source, digest_of, open_source
from welkin_async.cli.text import CommandError
from welkin_async.errors import NotFoundError, PermissionDeniedError
from welkin_async.models.formations import CdtFormation
from welkin_async.session import Welkin

__all__ = ["Opened", "belongs", "check_cdt", "formation_of", "open_file"]

_BATCH = 512  # rows


@attrs.frozen
class Opened:
    """The file.

    Attributes:
        source: Open at its beginning.
        digest: SHA-256 of its bytes.
    """

    source: Source
    digest: str


async def open_file(options: FileOptions) -> Opened:
    """Open the file and take its digest, in a thread.

    Args:
        options: What is worked through.

    Raises:
        CommandError: it cannot be read.
    """

    def work() -> Opened:
        source = open_source(options.file, encoding=options.encoding, delimiter=options.delimiter)
        try:
            return Opened(source, digest_of(options.file))
        except BaseException:
            source.close()
            raise

    return await anyio.to_thread.run_sync(work)


async def formation_of(welkin: Welkin, cdt: str) -> CdtFormation:
    """Read a CDT's definition.

    Args:
        welkin: An open session.
        cdt: The CDT's name.

    Raises:
        CommandError: there is no such CDT.
        WelkinError: the definition could not be read.
    """
    try:
        return await welkin.formations().cdts.get(cdt)
    except NotFoundError:
        raise CommandError(f"the instance has no CDT {cdt}, or none the api client may see") from None


async def check_cdt(welkin: Welkin, cdt: str) -> None:
    """See to it that there is such a CDT, as far as the api client may know: it may read records, but no definitions.

    Args:
        welkin: An open session.
        cdt: The CDT's name.

    Raises:
        CommandError: there is none.
        WelkinError: the definition could not be read.
    """
    with contextlib.suppress(PermissionDeniedError):
        await formation_of(welkin, cdt)


def belongs(options: FileOptions, preparing: Preparing, path: Path, held: Held) -> None:
    """See to it that a file of rows is of this file: its first row must have the key that it would have here.

    Args:
        options: What is worked through.
        preparing: Gives rows their keys.
        path: The file of rows.
        held: A row of it.

    Raises:
        CommandError: it is of another import.
    """
    source = open_source(options.file, encoding=options.encoding, delimiter=options.delimiter)
    position = 0
    try:
        while rows := source.read(_BATCH):
            for row in rows:
                row.position = position
                position += 1
                if row.line == held.line and (preparing.prepare(row).key or "") == held.key:
                    return
    finally:
        source.close()
    raise CommandError(f"{path} holds rows of another import: move it, or name another")
