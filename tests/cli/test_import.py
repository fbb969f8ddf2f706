from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from welkin_async.cli.app import app
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.sandbox import Fault, FaultKind

from .conftest import SECRET, Command, Local, read_csv, read_ndjson, write_csv, write_ndjson

KEPT = PatientLookup.__init__.__kwdefaults__ or {}
GUID = "00000000-0000-4000-8000-00000000000%d"
HEADER = ("medication_name", "pid", "medication_refills", "medication_start_date", "medication_as_needed")
OPTIONS = ("--cdt", "medication", "--patient-column", "pid")


def numbers(output: str) -> dict[str, str]:
    return {match[1]: match[2] for match in re.finditer(r"^(\w[\w ]*?)  +([\d,.]+)", output, re.MULTILINE)}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_every_column_by_the_formation(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    rows = [
        ("Tylenol", patient, "3", "2024-05-31T14:30:00+02:00", "yes"),
        ("Advil", patient, "", "", ""),
    ]
    result = command("import", write_csv(folder / "in.csv", HEADER, rows), *OPTIONS)
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(local.records(), key=len, reverse=True) == [
        {
            "medication_name": "Tylenol",
            "medication_refills": 3,
            "medication_start_date": "2024-05-31T12:30:00.000Z",
            "medication_as_needed": True,
        },
        {"medication_name": "Advil"},
    ]
    keys = local.record_keys()
    assert len(set(keys)) == 2
    assert all(UUID(key).version == 5 for key in keys)
    found = numbers(result.stdout)
    assert (found["rows"], found["created"], found["rejected"], found["unknown"]) == ("2", "2", "0", "0")
    assert files(folder) == ["in.csv", "in.csv.medication.journal"]
    assert local.server.stats.operations["formation_cdts.get"] <= 2  # the command's, and the bulk engine's own


def test_maps_types_timezone_and_no_check(command: Command, local: Local, folder: Path) -> None:
    local.define("note", {"text": "text", "count": "integer", "at": "datetime"})
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("a", "b", "c", "who"), [("1", "2", "2024-07-01 08:00", patient)], "\t")
    options = ("--cdt", "note", "--patient-column", "who", "--delimiter", "tab", "--check", "off")
    maps = ("--map", "a=text", "--map", "b=count:integer", "--map", "c=at:datetime")
    result = command("import", path, *options, *maps)
    assert result.exit_code == 1
    assert "--timezone" in (folder / "in.rejects.csv").read_text(encoding="utf-8")
    result = command("import", path, *options, *maps, "--timezone", "Europe/Vienna")
    assert result.exit_code == 0, result.output  # nothing was sent until then
    result = command("import", path, *options, *maps, "--timezone", "Europe/Rome")
    assert result.exit_code == 2  # what was sent until then may have been something else
    assert "options that decide" in result.stderr
    assert local.records("note") == [{"text": "1", "count": 2, "at": "2024-07-01T06:00:00.000Z"}]
    assert local.server.stats.operations["formation_cdts.get"] <= 2  # for each run a read to see that there is a server


def test_patients_are_looked_up_once_each(command: Command, local: Local, folder: Path) -> None:
    for number in range(3):
        local.patient(externalGuid=GUID % number, externalId=f"e{number}", mrn=f"m{number}")
    keys = {"EGUID": [GUID % 0, GUID % 1, GUID % 7], "EID": ["e0", "e1", "nobody"], "MRN": ["m0", "m1", "."]}
    for kind, three in keys.items():
        count = 600 if kind == "EGUID" else 30  # the first is more than one batch
        path = write_csv(folder / f"{kind}.csv", HEADER[:2], [(f"n{row}", three[row % 3]) for row in range(count)])
        before = local.server.stats.operations["patients.get"]
        result = command("import", path, *OPTIONS, "--patient-type", kind)
        assert result.exit_code == 1
        assert numbers(result.stdout)["created"] == str(count * 2 // 3)
        assert numbers(result.stdout)["rejected"] == str(count // 3)
        assert local.server.stats.operations["patients.get"] - before <= 4  # one, that is not there, is confirmed
        reasons = {row["_reason"] for row in read_csv(folder / f"{kind}.rejects.csv")}
        assert reasons <= {f"no patient has this {kind}", f"expected a patient's {kind}"}
    assert len(local.records()) == 440


MIXED = "medication_name,pid,medication_refills\n"


def test_each_kind_of_bad_row_goes_to_the_reject_file(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient(externalGuid=GUID % 1, firstName="Zebulon", lastName="Quackenbush")
    key = GUID % 1
    good = [f"drug{number},{key},{number}\n" for number in range(300)]
    bad = [
        "nobody,,1\n",
        f"unknown,{GUID % 9},1\n",
        f"word,{key},many\n",
        f"short,{key}\n",
        f"long,{key},1,Zebulon\n",
    ]
    content = (MIXED + "".join(good[:150] + bad + good[150:])).encode() + b"caf\xe9," + key.encode() + b",5\n"
    path = folder / "in.csv"
    path.write_bytes(content.replace(b"drug7,", b'"drug7,'))
    result = command("import", path, *OPTIONS, "--patient-type", "EGUID")
    assert (result.exit_code, local.records()) == (2, [])
    assert "not well-formed CSV: check the quotes of line 9." in result.stderr
    path.write_bytes(content)
    result = command("import", path, *OPTIONS, "--patient-type", "EGUID")
    assert result.exit_code == 1
    assert "Zebulon" not in result.output
    assert key not in result.output
    assert patient not in result.output
    assert len(local.records()) == 300
    rejects = folder / "in.rejects.csv"
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    text = rejects.read_bytes()
    assert text.startswith(b"medication_name,pid,medication_refills,_line,_status,_reason,_key,_origin,_request_id\n")
    assert b"caf\xe9," in text  # byte for byte
    rows = read_csv(rejects)
    assert [row["_line"] for row in rows] == ["152", "153", "154", "155", "156", "307"]
    assert {row["_status"] for row in rows} == {"rejected"}
    for row, part in zip(rows, ("patient", "no patient", "integer", "short", "more than", "text"), strict=True):
        assert part in row["_reason"]
        assert "many" not in row["_reason"]
    assert [*rows[4].values()][-1] == ["Zebulon"]  # type: ignore[comparison-overlap]
    assert not (folder / "in.review.csv").exists()
    assert len({row["_key"] for row in rows}) == 6
    assert {row["_origin"] for row in rows} == {hashlib.sha256(content).hexdigest()}

    fixed = rejects.with_name("mended.csv")
    lines = text.decode("utf-8", "replace").splitlines()
    mended = [lines[0]]
    for number in range(6):
        row = rows[number]
        mended.append(f"mended{number},{key},{number},{row['_line']},rejected,x,{row['_key']},{row['_origin']},")
    fixed.write_text("\n".join(mended) + "\n", encoding="utf-8")
    result = command("import", fixed, *OPTIONS, "--patient-type", "EGUID")
    assert result.exit_code == 0, result.output
    names = [record["medication_name"] for record in local.records()]
    assert sorted(names) == sorted([f"drug{n}" for n in range(300)] + [f"mended{n}" for n in range(6)])
    assert {row["_key"] for row in rows} < set(local.record_keys())
    assert len(set(local.record_keys())) == 306


def test_ndjson_with_bad_lines(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    good = {"pid": patient, "medication_name": "Tylenol", "medication_refills": 2, "medication_notes": None}
    path = folder / "in.ndjson"
    lines = [
        json.dumps(good).encode(),
        b'{"pid": "x", nonsense',
        json.dumps({**good, "misspelt": 1}).encode(),
        json.dumps({**good, "medication_refills": "many"}).encode(),
        b'{"pid": "\xff"}',
        json.dumps({**good, "medication_as_needed": True}).encode(),
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 1
    assert len(local.records()) == 2
    rows = read_ndjson(folder / "in.rejects.ndjson")
    rows.sort(key=lambda row: row["_line"])
    assert [row["_line"] for row in rows] == [2, 3, 4, 5]
    assert rows[0]["_raw"] == '{"pid": "x", nonsense'
    assert list(rows[1]) == [*good, "misspelt", "_line", "_status", "_reason", "_key", "_origin", "_request_id"]
    del rows[1]["misspelt"]
    rows[2]["medication_refills"] = "7"
    result = command("import", write_ndjson(folder / "mended.ndjson", rows[1:3]), *OPTIONS)
    assert (result.exit_code, len(local.records())) == (0, 4)


def test_one_bad_row_in_a_hundred_leaves_the_others_alone(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    good: dict[str, object] = {"pid": patient, "medication_name": "Tylenol", "medication_status": "active"}
    moment = "medication_start_date"
    bad: list[tuple[dict[str, object], str]] = [
        ({**good, "misspelt": "Quackenbush"}, "column misspelt: the CDT has no field misspelt"),
        ({**good, "pid": ""}, "the patient is missing"),
        ({**good, "pid": GUID % 5}, "404"),
        ({**good, "medication_refills": "many"}, "column medication_refills: expected an integer"),
        ({**good, "medication_status": "asleep"}, "column medication_status: expected one of active, inactive"),
        ({**good, moment: "2024-05-31 14:30"}, f"column {moment}: expected a datetime with an offset"),
        (
            {**good, moment: 20240531},
            f"column {moment}: expected a datetime, such as 2024-05-31T14:30:00Z; got an integer",
        ),
        ({"pid": patient}, "no field has a value"),
    ]
    rows: list[object] = [{**good, "medication_notes": f"row {number}"} for number in range(800)]
    for number, (row, _) in enumerate(bad):
        rows[number * 100] = row  # the first of all has the unknown field
    result = command("import", write_ndjson(folder / "in.ndjson", rows), *OPTIONS)
    assert result.exit_code == 1
    assert "Quackenbush" not in result.output
    rejects = {row["_line"]: row["_reason"] for row in read_ndjson(folder / "in.rejects.ndjson")}
    assert sorted(rejects) == [number * 100 + 1 for number in range(8)]
    for number, (_, part) in enumerate(bad):
        assert part in rejects[number * 100 + 1]
    notes = [row["medication_notes"] for row in local.records()]
    assert sorted(notes) == sorted(f"row {number}" for number in range(800) if number % 100)
    misspelt = write_ndjson(folder / "all.ndjson", [{**good, "misspelt": 1}] * 20)
    result = command("import", misspelt, *OPTIONS)  # where every row has it, it is no matter of a row
    assert (result.exit_code, len(local.records())) == (2, 792)
    assert "column misspelt" in result.stderr


def test_two_spellings_of_a_guid_are_one_key(command: Command, local: Local, folder: Path) -> None:
    patient, key = local.patient(), "0000000A-0000-4000-8000-00000000000B"
    rows = [(patient, "a", key), (patient, "b", key.lower()), (patient, "c", f" {{{key}}} "), (patient, "d", "other")]
    path = write_csv(folder / "in.csv", ("pid", "medication_name", "guid"), rows)
    options = (*OPTIONS, "--key-field", "external_guid", "--key-column", "guid")
    dry = command("import", path, *options, "--dry-run")
    assert dry.stdout.count("another row before it has the same key") == 2
    result = command("import", path, *options, "--no-journal")
    assert result.exit_code == 1
    found = read_csv(folder / "in.rejects.csv")
    repeated = [row["_line"] for row in found if row["_reason"] == "another row before it has the same key"]
    assert repeated == ["3", "4"]
    assert "a" in [row["medication_name"] for row in local.records()]
    assert not {"b", "c"} & {row["medication_name"] for row in local.records()}


def test_what_the_server_refuses(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    rows = [("a", patient, "active"), ("b", patient, "asleep"), ("c", GUID % 5, "active")]
    path = write_csv(folder / "in.csv", ("medication_name", "pid", "medication_status"), rows)
    result = command("import", path, *OPTIONS, "--rejects", folder / "other.csv", "--check", "off")
    assert result.exit_code == 1
    found = read_csv(folder / "other.csv")
    assert [row["medication_name"] for row in sorted(found, key=lambda row: row["_line"])] == ["b", "c"]
    assert any("400" in row["_reason"] for row in found)
    assert any("404 (" in row["_reason"] for row in found)
    assert "asleep" not in result.output
    assert "other.csv" in result.stdout


def test_without_keys_unknown_outcomes_are_kept_apart_and_not_imported_again_blindly(
    command: Command, local: Local, folder: Path
) -> None:
    patient = local.patient()
    path = write_csv(folder / "in.csv", HEADER[:2], [(f"n{number}", patient) for number in range(20)])
    local.do(lambda: local.server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", times=2, after=4)))
    options = (*OPTIONS, "--key-field", "none", "--no-journal")
    result = command("import", path, *options)
    assert result.exit_code == 1
    assert not local.do(local.server.faults.unmet)
    assert len(local.records()) == 20
    review = folder / "in.review.csv"
    assert stat.S_IMODE(review.stat().st_mode) == 0o600
    assert files(folder) == ["in.csv", "in.review.csv"]
    assert "look into" in result.stdout
    rows = read_csv(review)
    assert [row["_status"] for row in rows] == ["unknown", "unknown"]

    again = command("import", review, *options)
    assert (again.exit_code, len(local.records())) == (1, 20)
    assert len(read_csv(folder / "in.review.review.csv")) == 2
    ndjson = write_ndjson(folder / "in.ndjson", [{**rows[0], "_line": 3}, {**rows[1], "_status": ""}])
    assert command("import", ndjson, *options).exit_code == 1
    assert len(local.records()) == 21


def test_files_of_another_import_are_never_overwritten(command: Command, local: Local, folder: Path) -> None:
    path = write_csv(folder / "in.csv", HEADER[:2], [("n", local.patient())])
    for name in ("in.rejects.csv", "in.review.csv", "all.ndjson"):
        (folder / name).write_text("rows of an earlier import")
        result = command("import", path, *OPTIONS, "--results", "all.ndjson")
        assert result.exit_code == 2
        assert f"{name} exists" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        (folder / name).unlink()
    assert command("import", path, *OPTIONS, "--rejects", folder / "no" / "r.csv").exit_code == 2
    assert command("import", path, *OPTIONS, "--rejects", path).exit_code == 2
    assert local.records() == []
    assert files(folder) == ["in.csv"]


def test_usage_errors_are_one_line_and_exit_2(command: Command, local: Local, folder: Path) -> None:
    local.define("typed", [{"name": "day", "type": "date"}])
    path = write_csv(folder / "in.csv", ("pid", "misspelt"), [("k", "x")])
    cases = [
        (OPTIONS, "column misspelt: the CDT has no field misspelt"),
        (("--cdt", "nothing", "--patient-column", "pid"), "no CDT nothing"),
        (("--cdt", "typed", "--patient-column", "who"), "column who"),
        ((*OPTIONS, "--map", "pid"), "--map"),
        ((*OPTIONS, "--timezone", "Mars/Olympus"), "--timezone"),
        ((*OPTIONS, "--encoding", "nonsense"), "encoding"),
        ((*OPTIONS, "--rate", "0"), "rate"),
        ((*OPTIONS, "--base-url", "http://example.org"), "https"),
        ((*OPTIONS, "--secret-file", "absent"), "secret file"),
    ]
    for options, part in cases:
        result = command("import", path, *options)
        assert result.exit_code == 2, result.output
        assert part in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("welkin-async: ")
    assert command("import", folder / "absent.csv", *OPTIONS).exit_code == 2
    assert command("import", path, "--cdt", "medication").exit_code == 2
    assert command("import", path, *OPTIONS, "--secret-key", SECRET[:-1]).exit_code == 2
    assert local.server.stats.performed["cdts.create"] == 0


@pytest.mark.parametrize("name", ["TENANT", "INSTANCE", "API_CLIENT", "SECRET_KEY"])
def test_a_missing_setting_is_named(local: Local, folder: Path, name: str) -> None:
    path = write_csv(folder / "in.csv", HEADER[:2], [("n", "k")])
    env = {key: value for key, value in local.env.items() if key != f"WELKIN_{name}"}
    result = CliRunner().invoke(app, ["import", str(path), *OPTIONS], env=env)
    assert result.exit_code == 2
    assert f"WELKIN_{name}" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_secret_from_a_file(command: Command, local: Local, folder: Path) -> None:
    path = write_csv(folder / "in.csv", HEADER[:2], [("n", local.patient())])
    (folder / "secret").write_text(SECRET + "\n")
    options = ("--tenant", local.server.tenant, "--secret-file", folder / "secret")
    assert command("import", path, *OPTIONS, *options, WELKIN_SECRET_KEY="wrong").exit_code == 0
    (folder / "secret").write_text("\n")
    assert command("import", path, *OPTIONS, *options).exit_code == 2


def test_refused_credentials_exit_2(command: Command, local: Local, folder: Path) -> None:
    path = write_csv(folder / "in.csv", HEADER[:2], [("n", local.patient())])
    for check in ("strict", "off"):
        result = command("import", path, *OPTIONS, "--check", check, WELKIN_SECRET_KEY="wrong")
        assert result.exit_code == 2
        assert "Check the api client" in result.stderr
        assert "Traceback" not in result.output
    assert local.records() == []
    assert not (folder / "in.rejects.csv").exists()
    assert command("import", path, *OPTIONS, "--check", "off").exit_code == 0  # the row is new to the next run
    assert len(local.records()) == 1


def test_rate_and_concurrency(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    path = write_csv(folder / "in.csv", HEADER[:2], [(f"n{line}", patient) for line in range(2, 12)])
    result = command("import", path, *OPTIONS, "--rate", "1000", "--concurrency", "2")
    assert result.exit_code == 0
    assert len(local.records()) == 10
    assert local.server.stats.peak <= 3  # and the proof's look-up


def test_an_empty_file(command: Command, folder: Path) -> None:
    result = command("import", write_csv(folder / "in.csv", HEADER[:2], []), *OPTIONS)
    assert (result.exit_code, numbers(result.stdout)["rows"]) == (0, "0")
    assert command("import", write_ndjson(folder / "in.ndjson", []), *OPTIONS).exit_code == 0


def test_a_look_up_that_fails_is_a_failed_row(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.http.transport.backoff", lambda failures: 0.0)
    monkeypatch.setattr(PatientLookup.__init__, "__kwdefaults__", {**KEPT, "patience": 0.0})
    local.patient(mrn="m")
    path = write_csv(folder / "in.csv", HEADER[:2], [("n", "m")])
    fault = Fault(FaultKind.STATUS, operation="patients.get", times=10, status=500)
    local.do(lambda: local.server.faults.add(fault))
    result = command("import", path, *OPTIONS, "--patient-type", "MRN")
    assert result.exit_code == 1
    assert not local.do(local.server.faults.unmet)
    (row,) = read_csv(folder / "in.rejects.csv")
    assert row["_line"] == "2"
    assert (row["_status"], row["_reason"]) == (
        "failed",
        "the patient's look-up: the server answered 500 (INTERNAL_SERVER_ERROR)",
    )


def test_a_reject_file_that_cannot_be_written_ends_the_import(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = local.patient()
    rows = [("n", patient), ("bad", ""), *[("n", patient)] * 5000]
    path = write_csv(folder / "in.csv", HEADER[:2], rows)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("welkin_async.files.outputs.reject_file.RejectFile.write", full)
    result = command("import", path, *OPTIONS, "--no-journal")
    assert result.exit_code == 1
    assert "line 3 is in no file: rejected" in result.stderr
    assert "No space left on device" in result.stderr
    assert len(local.records()) < 5000


def test_a_defect_shows_its_place_and_no_value(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(folder / "in.csv", HEADER[:2], [("Quackenbush", local.patient())])

    def broken(*_: object) -> None:
        raise LookupError("Quackenbush")

    monkeypatch.setattr("welkin_async.files.mapping.row_mapper.RowMapper.map", broken)
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 1
    assert "a defect: LookupError in test_import.py:" in result.stderr
    assert "Quackenbush" not in result.output
    assert "Traceback" not in result.output
