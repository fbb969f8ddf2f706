from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command, Local, write_csv

HEADER = ("pid", "medication_name", "medication_refills", "medication_status")
OPTIONS = ("--cdt", "medication", "--patient-column", "pid", "--dry-run")


def test_the_whole_file_is_checked_and_nothing_is_sent(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    good = (patient, "a", 1, "active")
    path = write_csv(folder / "in.csv", HEADER, [good] * 700)
    result = command("import", path, *OPTIONS)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "nothing was sent" in result.stdout
    rows = [good] * 600 + [("", "Quackenbush", 1, "active"), (patient, "b", "x", "active"), (patient, "c", 1, "asleep")]
    path = write_csv(folder / "in.csv", HEADER, rows)
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 1
    assert "line 602: the patient is missing" in result.stdout
    assert "line 603: column medication_refills: expected an integer of at most 64 bits; got text" in result.stdout
    assert "line 604: column medication_status: expected one of active, inactive; got text" in result.stdout
    assert "Quackenbush" not in result.output
    summary = json.loads(command("import", path, *OPTIONS, "--json").stdout)
    assert (summary["rows"], summary["good"], summary["bad"]) == (603, 600, 3)
    assert [each["line"] for each in summary["lines"]] == [602, 603, 604]
    assert local.server.stats.operations["cdts.create"] == local.server.stats.operations["patients.get"] == 0
    assert [each.name for each in folder.iterdir()] == ["in.csv"]
    assert command("import", path, *OPTIONS, "--cdt", "nothing").exit_code == 2


def test_patients_are_looked_up_when_asked(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient(externalId="e1")
    nobody = "00000000-0000-4000-8000-000000000009"
    path = write_csv(folder / "in.csv", HEADER[:2], [(patient, "a"), (nobody, "b"), (patient, "c")])
    assert command("import", path, *OPTIONS).exit_code == 0
    result = command("import", path, *OPTIONS, "--check-patients")
    assert result.exit_code == 1
    assert "line 3: no patient has this ID" in result.stdout
    assert 2 <= local.server.stats.operations["patients.get"] <= 3  # that one is not there is confirmed
    path = write_csv(folder / "in.csv", HEADER[:2], [("e1", "a")])
    assert command("import", path, *OPTIONS, "--check-patients", "--patient-type", "EID").exit_code == 0
    assert command("import", path, *OPTIONS[:-1], "--check-patients").exit_code == 2


def test_the_column_is_named_that_a_field_comes_from(command: Command, local: Local, folder: Path) -> None:
    fields = [
        {"name": "level", "type": "integer", "editable": True, "meta": {"maxValue": "9"}},
        {"name": "note", "type": "text", "editable": True, "meta": {"required": True}},
    ]
    local.define("scale", fields)
    path = write_csv(folder / "in.csv", ("pid", "LEVEL", "note"), [(local.patient(), 10, "")])
    options = ("--cdt", "scale", "--patient-column", "pid", "--dry-run")
    result = command("import", path, *options, "--map", "LEVEL=level", "--map", "note=note")
    assert (
        "line 2: column LEVEL, field level: expected an integer, at most 9; got an integer; column note"
        in result.stdout
    )
    result = command("import", path, *options, "--map", "LEVEL=level")
    assert "got an integer; field note: expected a value, the field is required (text); got nothing" in result.stdout
    result = command("import", path, *options, "--map", "LEVEL=level:date")
    assert "line 2: column LEVEL: expected a date, YYYY-MM-DD; got an integer of 2 digits; field note" in result.stdout


def test_many_bad_rows_are_summed_up(command: Command, local: Local, folder: Path) -> None:
    path = write_csv(folder / "in.csv", HEADER[:2], [("", "a")] * 300)
    result = command("import", path, *OPTIONS)
    assert result.stdout.count("\nline ") == 50
    assert "300  the patient is missing" in result.stdout
