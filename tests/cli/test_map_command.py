"""Mapping files, the options of a mapping, and the command that proposes one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from welkin_async.files import FileError, MappingProposal, read_mapping
from welkin_async.files.mapping.proposal import propose
from welkin_async.files.options import Field

from .conftest import Command, Local
from .test_mapping import formation

GIVEN = ("--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN")
MAPPING = """
null = ["NA"]
ignore = ["internal"]
timezone = "Europe/Vienna"

[columns]
Name = "medication_name"
Since = "medication_start_date:datetime(%d.%m.%Y %H:%M)"
Refills = "medication_refills"
"As needed" = "medication_as_needed:boolean(ja/nein)"

[set]
medication_notes = "import 7"
"""
ROWS = "mrn;Name;Since;Refills;As needed;internal\nM-1;Advil;31.05.2024 14:30;NA;ja;1\nM-1;Zyrtec;NA;1;nein;2\n"


def test_a_mapping_file_is_what_the_options_are(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    (folder / "mapping.toml").write_text(MAPPING)
    (folder / "rows.csv").write_text(ROWS)
    result = command("import", "rows.csv", *GIVEN, "--mapping", "mapping.toml", "--map", "Refills=dispenses")
    assert result.exit_code == 0, result.output
    notes = {"medication_notes": "import 7"}
    expected = [
        {"medication_name": "Advil", "medication_start_date": "2024-05-31T12:30:00.000Z", "medication_as_needed": True},
        {"medication_name": "Zyrtec", "dispenses": 1, "medication_as_needed": False},
    ]
    found = sorted(local.records(), key=lambda each: str(each["medication_name"]))
    assert [{**each, **notes} for each in expected] == found
    (folder / "plain.csv").write_text("mrn,medication_name,internal\nM-1,Motrin,1\nM-1,NULL,2\n")
    options = ("--ignore", "internal", "--null", "NULL", "--set", "medication_refills=2")
    result = command("import", "plain.csv", *GIVEN, *options)
    assert result.exit_code == 1, result.output
    assert "no field has a value" in result.output
    assert local.records()[2:] == [{"medication_name": "Motrin", "medication_refills": 2}]


@pytest.mark.parametrize("option", ["--set=x", "--set==x", "--set=medication_refills=many", "--ignore=absent"])
def test_an_option_of_another_form_sends_nothing(command: Command, local: Local, folder: Path, option: str) -> None:
    local.patient(mrn="M-1")
    (folder / "rows.csv").write_text("mrn,medication_name\nM-1,Motrin\n")
    result = command("import", "rows.csv", *GIVEN, option)
    assert result.exit_code == 2, result.output
    assert "constants=" not in result.output
    assert local.records() == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("columns = 1", "columns is a table"),
        ("[columns]\na = 1", "columns is a table"),
        ("[columns]\na = 'f:decimal'", "the type is one of"),
        ("[set]\na = []", "set is a table"),
        ("null = 'NA'", "null is a list"),
        ("timezone = 'Nowhere'", "timezone is an IANA name"),
        ("mapping = 1", "there is no mapping in a mapping file"),
        ("a = ", "is not TOML"),
    ],
)
def test_a_mapping_file_of_another_form_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    with pytest.raises(FileError, match=problem):
        read_mapping(path)
    with pytest.raises(FileError, match="cannot be read"):
        read_mapping(tmp_path / "absent.toml")


def test_a_proposal_is_by_names_alone(tmp_path: Path) -> None:
    defined = formation(first_name="text", measuredAt="datetime", comment="text")
    found = propose(["Patient ID", "FIRST NAME", "measured at", "coment", "internal", ""], defined)
    assert found == MappingProposal(
        columns={"FIRST NAME": "first_name", "measured at": "measuredAt", "coment": "comment"},
        guessed=("coment",),
        unmatched=("internal",),
        patient="Patient ID",
    )
    path = tmp_path / "mapping.toml"
    path.write_text(found.to_toml())
    assert read_mapping(path) == {"mapping": {column: Field(field) for column, field in found.columns.items()}}
    assert propose(["tags", "created_at"], defined).unmatched == ("created_at",)


def test_the_command_that_is_proposed_imports_the_file(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    (folder / "rows.csv").write_text("MRN,Medication Name,medication-refils,internal\nM-1,Advil,2,x\n")
    result = command("map", "rows.csv", "--cdt", "medication", "--json")
    assert result.exit_code == 0, result.output
    proposed = json.loads(result.stdout)
    assert proposed["guessed"] == ["medication-refils"]
    assert proposed["unmatched"] == ["internal"]
    shown = command("map", "rows.csv", "--cdt", "medication", "--toml", "mapping.toml").stdout
    assert "medication-refils  -> medication_refills  (similar: look at it)" in shown
    program, *arguments = shlex.split(proposed["command"].replace("\\\n", ""))
    assert (program, command(*arguments).exit_code) == ("welkin-async", 0)
    assert local.records() == [{"medication_name": "Advil", "medication_refills": 2}]
    by_file = shlex.split(shown[shown.index("welkin-async") :].replace("\\\n", ""))[1:]
    assert by_file[-2:] == ["--mapping", "mapping.toml"]
    assert command(*by_file).exit_code == 0
    assert command("map", "rows.csv", "--cdt", "medication", "--toml", "mapping.toml").exit_code == 2
    (folder / "other.csv").write_text("zzz,qqq\n1,2\n")
    assert command("map", "other.csv", "--cdt", "medication").exit_code == 1
