"""Field options: how rows name their patients, and which columns become which fields."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import attrs
import typer

from welkin_async.cli.options import panels
from welkin_async.cli.wording import CommandError
from welkin_async.files.errors import FileError
from welkin_async.files.mapping.mapping_file import parse_zone, read_mapping
from welkin_async.files.mapping.patient_map import read_patient_map
from welkin_async.files.options import ColumnMap, Field, PatientColumn, parse_field, parse_stripped
from welkin_async.resources.patients import PatientKeyType


class PatientType(StrEnum):
    """What a patient is named by."""

    ID = "ID"
    EGUID = "EGUID"
    EID = "EID"
    MRN = "MRN"


class Check(StrEnum):
    """What is done about rows that do not fit the definition."""

    STRICT = "strict"
    WARN = "warn"
    OFF = "off"


@attrs.frozen(kw_only=True)
class PatientFlags:
    """How rows name their patients."""

    patient_column: Annotated[
        str,
        typer.Option(
            metavar="COLUMN[:strip(PREFIX)]",
            help="The column that names the patient, or a path such as subject.reference; strip(Patient/) takes away "
            "what stands before each.",
            rich_help_panel=panels.PATIENTS,
        ),
    ]
    patient_type: Annotated[
        PatientType, typer.Option(help="What that column holds.", rich_help_panel=panels.PATIENTS)
    ] = PatientType.ID
    check_patients: Annotated[
        bool,
        typer.Option("--check-patients", help="Look patients up in a dry run, too.", rich_help_panel=panels.PATIENTS),
    ] = False

    patient_map: Annotated[
        Path | None,
        typer.Option(
            help="A file with the key of each patient that rows have a reference to: reference, then key.",
            rich_help_panel=panels.PATIENTS,
        ),
    ] = None
    patient_map_reference: Annotated[
        str | None,
        typer.Option(
            help="The column or path of the reference in it.",
            show_default="its first column",
            rich_help_panel=panels.PATIENTS,
        ),
    ] = None
    patient_map_key: Annotated[
        str | None,
        typer.Option(
            help="The column or path of the key in it.",
            show_default="its second column",
            rich_help_panel=panels.PATIENTS,
        ),
    ] = None

    @cached_property
    def column(self) -> PatientColumn:
        """The column, with the patient map read, once for however many files.

        Raises:
            CommandError: options do not go together.
            FileError: the patient map cannot be read.
        """
        column, strip = parse_stripped(self.patient_column)
        kind: PatientKeyType = self.patient_type.value
        if self.patient_map is None:
            if self.patient_map_reference is not None or self.patient_map_key is not None:
                raise CommandError("--patient-map-reference and --patient-map-key go with --patient-map")
            return PatientColumn(column, kind, strip)
        reference, key = self.patient_map_reference, self.patient_map_key
        found = read_patient_map(self.patient_map, reference=reference, key=key, strip=strip)
        return PatientColumn(column, kind, strip, found)


@attrs.frozen(kw_only=True)
class FieldFlags:
    """Which columns become which fields."""

    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=field[:type[(format)]]",
            help="Send this column as this field; text, integer, number, boolean, date or datetime, such as "
            "date(%d/%m/%Y), boolean(ja/nein) or number(1.234,56). May be repeated; columns not named are then not "
            "sent. Of a JSON or Parquet file also a path, or a JMESPath expression.",
            rich_help_panel=panels.FIELDS,
        ),
    ] = None
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file with these options: columns, set, null, ignore, timezone.", rich_help_panel=panels.FIELDS
        ),
    ] = None
    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="field=value", help="Send this field with each row. May be repeated.", rich_help_panel=panels.FIELDS
        ),
    ] = None
    null: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="A word that stands for an empty cell, such as NULL. May be repeated.",
            rich_help_panel=panels.FIELDS,
        ),
    ] = None
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Leave out this column where every column is sent. May be repeated.",
            rich_help_panel=panels.FIELDS,
        ),
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option(
            help="The zone of datetimes without an offset, which are refused otherwise.", rich_help_panel=panels.FIELDS
        ),
    ] = None
    check: Annotated[
        Check,
        typer.Option(
            help="Rows that the definition does not allow: refuse, send and warn, or don't look.",
            rich_help_panel=panels.FIELDS,
        ),
    ] = Check.STRICT

    @property
    def options(self) -> dict[str, Any]:
        """What they come to as settings; the command's own go before those of the mapping file.

        Raises:
            CommandError: an option has another form.
            FileError: the mapping file has.
        """
        written: dict[str, Any] = {} if self.mapping is None else {**read_mapping(self.mapping)}
        columns: dict[str, Field] = dict(map(parse_map, self.map or ()))
        constants = dict(map(_constant, self.set or ()))
        zone = written.get("zone") if self.timezone is None else _zone(self.timezone)
        mapping = {**written.get("mapping", {}), **columns}
        return {
            "mapping": tuple(ColumnMap(column, field) for column, field in mapping.items()),
            "constants": {**written.get("constants", {}), **constants},
            "nulls": (*written.get("nulls", ()), *(self.null or ())),
            "ignore": (*written.get("ignore", ()), *(self.ignore or ())),
            "zone": zone,
            "check": self.check.value,
        }


def _constant(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals or not field or not value.strip():
        raise CommandError("--set takes field=value")
    return field, value


def _zone(name: str) -> ZoneInfo:
    try:
        return parse_zone(name)
    except FileError:
        raise CommandError("--timezone takes an IANA name, such as America/New_York") from None


def parse_map(text: str) -> ColumnMap:
    """Read a ``--map`` option.

    Args:
        text: ``COLUMN=field`` or ``COLUMN=field:type``.

    Raises:
        CommandError: it has another form.
        FileError: the field has.
    """
    column, equals, field = text.rpartition("=")
    if not equals or not column or not field:
        raise CommandError("--map takes COLUMN=field or COLUMN=field:type")
    return ColumnMap(column, parse_field(column, field))
