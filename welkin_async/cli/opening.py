"""What an import and a dry run begin with: the file, its digest, the CDT's definition, and how rows are made ready."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import attrs

from welkin_async.bulk.create import CreateCdt
from welkin_async.bulk.echo import Echo
from welkin_async.bulk.keys import CdtKeys
from welkin_async.bulk.schema import Schema
from welkin_async.cli.forms import Held
from welkin_async.cli.mapping import FieldMapping
from welkin_async.cli.options import ImportOptions
from welkin_async.cli.preparation import Preparing
from welkin_async.cli.row_keys import RowKeys
from welkin_async.cli.sources import Source, digest_of, open_source
from welkin_async.cli.text import CommandError
from welkin_async.errors import NotFoundError
from welkin_async.models.formations import CdtFormation
from welkin_async.session import Welkin

__all__ = ["Opened", "belongs", "open_file", "prepare", "record_keys"]

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


async def open_file(options: ImportOptions) -> Opened:
    """Open the file and take its digest, in a thread.

    Args:
        options: What is imported.

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


async def prepare(welkin: Welkin, options: ImportOptions, opened: Opened) -> Preparing:
    """Read the CDT's definition, and see how the file's columns fit it.

    Args:
        welkin: An open session.
        options: What is imported.
        opened: The file.

    Raises:
        CommandError: a column does not fit the CDT; nothing was sent.
        WelkinError: the definition could not be read.
    """
    source = opened.source
    formation = None if options.check == "off" else await _formation(welkin, options.cdt)
    mapping = FieldMapping(
        source.columns,
        fixed=source.fixed,
        patient_column=options.patient_column,
        maps=options.maps,
        formation=formation,
        zone=options.zone,
        lenient=options.check == "warn",
        omitted=() if options.key_column is None else (options.key_column,),
    )
    target = CreateCdt(welkin.scope, options.cdt, check="off", key_field=None).target
    keys = RowKeys(options.key_field, target, opened.digest, options.key_column, source.columns, source.fixed)
    schema = Schema.of(formation) if formation is not None and options.check == "strict" else None
    return Preparing(mapping, keys, schema)


async def _formation(welkin: Welkin, cdt: str) -> CdtFormation:
    try:
        return await welkin.formations().cdts.get(cdt)
    except NotFoundError:
        raise CommandError(f"the instance has no CDT {cdt}, or none the api client may see") from None


def record_keys(welkin: Welkin, options: ImportOptions) -> CdtKeys | None:
    """Return what finds records by their keys; None where there are none.

    Args:
        welkin: A session.
        options: What is imported.
    """
    if options.key_field is None:
        return None
    patient = attrs.evolve(welkin.scope, defaults=attrs.evolve(welkin.scope.defaults, max_wait=None))
    return CdtKeys(patient, options.cdt, options.key_field, Echo)


def belongs(options: ImportOptions, preparing: Preparing, path: Path, held: Held) -> None:
    """See to it that a file of rows is of this import: its first row must have the key that it would have here.

    Args:
        options: What is imported.
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
