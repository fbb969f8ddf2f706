"""What a file import does for a Python program."""

from __future__ import annotations

import asyncio
import json
import pickle
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from welkin_async import AuthenticationError, SessionError, Welkin, WelkinError, files
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .conftest import GUID, MAPPING, add_patients, bodies, medications, read_csv, read_ndjson, write_csv

PATIENT = files.PatientColumn("PATIENT", type="EGUID")


async def test_every_row_of_a_file_is_created_once(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    path = write_csv(folder / "medications.csv", medications(200))
    report = await files.import_records(welkin, "medications.csv", cdt="medication", patient=PATIENT, mapping=MAPPING)
    assert (report.outcome, report.rows, report.done) == ("complete", 200, 200)
    assert report.raise_for_outcome() is report
    assert len(bodies(server)) == 200
    assert bodies(server)[0]["medication_start_date"].endswith(".000Z")
    assert server.stats.operations["patients.get"] == 3
    assert (report.requests["creates"], report.requests["token_requests"]) == (200, 1)
    assert [each.name for each in folder.iterdir()] == ["medications.csv"]  # None leaves nothing behind
    assert (report.rejects, report.review, report.results, report.journal, report.html) == (None,) * 5
    again = await files.import_records(welkin, path, cdt="medication", patient=PATIENT, mapping=MAPPING)
    assert (again.unchanged, again.outcome, len(bodies(server))) == (200, "complete", 200)  # by the keys of its rows
    again = await files.import_records(
        welkin, path, cdt="medication", patient=PATIENT, mapping=MAPPING, existing="trust"
    )
    assert (again.done, len(bodies(server))) == (200, 400)


async def test_with_a_journal_the_same_call_does_nothing_twice(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    write_csv(folder / "in.csv", medications(30))
    for number in range(2):
        report = await files.import_records(
            welkin,
            "in.csv",
            cdt="medication",
            patient=PATIENT,
            mapping=MAPPING,
            journal="in.journal",
            results="all.ndjson",
            html="page.html",
        )
        assert (report.outcome, report.done, report.earlier, report.resume) == ("complete", 30, 30 * number, None)
    assert len(bodies(server)) == 30
    assert (report.journal, report.results) == (Path("in.journal"), Path("all.ndjson"))
    assert report.html == Path("page.html")
    assert len(read_ndjson(folder / "all.ndjson")) == 30


async def test_refused_rows_raise_nothing_and_are_kept_to_be_mended(
    server: Sandbox, welkin: Welkin, folder: Path
) -> None:
    add_patients(server)
    rows = medications(10)
    rows[3]["PATIENT"] = GUID % 9
    rows[5]["DISPENSES"] = "a few"
    write_csv(folder / "in.csv", rows)
    report = await files.import_records(
        welkin, "in.csv", cdt="medication", patient=PATIENT, mapping=MAPPING, rejects="bad.csv"
    )
    assert (report.outcome, report.done, report.rejected) == ("rejected", 8, 2)
    assert report.rejects == Path("bad.csv")
    assert stat.S_IMODE(Path("bad.csv").stat().st_mode) == 0o600
    assert report.reasons == {
        "no patient has this EGUID": 1,
        "column DISPENSES: expected an integer of at most 64 bits; got text": 1,
    }
    with pytest.raises(files.FileError, match="of 10 rows 8 created, 2 refused") as caught:
        report.raise_for_outcome()
    assert caught.value.report == report
    assert pickle.loads(pickle.dumps(caught.value)).report == report
    bad = read_csv(folder / "bad.csv")
    assert sorted(row["_line"] for row in bad) == ["5", "7"]
    for row in bad:
        row.update(PATIENT=GUID % 1, DISPENSES="1")
    report = await files.import_records(
        welkin, write_csv(folder / "mended.csv", bad), cdt="medication", patient=PATIENT, mapping=MAPPING
    )
    assert (report.outcome, report.done, len(bodies(server))) == ("complete", 2, 10)


async def test_unknown_outcomes_are_incomplete_and_go_to_the_review_file(
    server: Sandbox, welkin: Welkin, folder: Path
) -> None:
    add_patients(server)
    write_csv(folder / "in.csv", medications(10))
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", times=2, after=4))
    report = await files.import_records(
        welkin, "in.csv", cdt="medication", patient=PATIENT, mapping=MAPPING, key_field=None, review="look.csv"
    )
    assert (report.outcome, report.done, report.unknown) == ("incomplete", 8, 2)
    assert {row["_status"] for row in read_csv(folder / "look.csv")} == {"unknown"}
    assert report.review == Path("look.csv")
    assert not report.stopped
    assert report.error is None


async def test_a_report_is_pickled_shown_and_given_to_machines(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    rows = medications(6)
    rows[2]["PATIENT"] = ""
    write_csv(folder / "in.csv", rows)
    report = await files.import_records(welkin, "in.csv", cdt="medication", patient=PATIENT, mapping=MAPPING)
    assert pickle.loads(pickle.dumps(report)) == report
    with pytest.raises(AttributeError):
        report.rows = 7  # type: ignore[misc]
    values = json.loads(json.dumps(report.to_dict()))
    assert (values["outcome"], values["rows"], values["created"], values["rejected"]) == ("rejected", 6, 5, 1)
    assert (values["files"], values["error"], values["resume"]) == ({}, None, None)
    assert str(report).startswith(f"Import into medication: in.csv\n{report.origin}\n\nrows")
    assert values["run"]["tenant"] == server.tenant
    assert values["run"]["command"] is None  # it was no command
    for shown in (str(report), repr(report), json.dumps(values)):
        assert "Ibuprofen" not in shown
        assert GUID % 1 not in shown


async def test_fields_may_have_a_type_and_a_zone_of_their_own(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    server.define_cdt("visit", {"began": "datetime", "ended": "datetime", "code": "text"})
    (patient,) = add_patients(server, 1)
    row = {"who": patient, "from": "2024-07-01 08:00", "to": "2024-07-01 09:00", "number": "7"}
    mapping: dict[str, str | files.Field] = {
        "from": files.Field("began", "datetime", ZoneInfo("Europe/Vienna")),
        "to": files.Field("ended"),
        "number": "code:text",
    }
    report = await files.import_records(
        welkin,
        write_csv(folder / "in.csv", [row]),
        cdt="visit",
        patient="who",
        mapping=mapping,
        zone=UTC,
        key_field=None,
    )
    assert report.outcome == "complete", str(report)
    assert bodies(server, "visit") == [
        {"began": "2024-07-01T06:00:00.000Z", "ended": "2024-07-01T09:00:00.000Z", "code": "7"}
    ]


async def test_what_does_not_fit_is_all_said_before_anything_is_sent(
    server: Sandbox, welkin: Welkin, folder: Path
) -> None:
    add_patients(server)
    write_csv(folder / "in.csv", medications(3))
    mapping = {"DESCRIPTION": "medication_nam", "STARTED": "medication_start_date", "CODE": "medication_nam"}
    with pytest.raises(files.FileError) as caught:
        await files.import_records(welkin, "in.csv", cdt="medication", patient=PATIENT, mapping=mapping)
    assert caught.value.report is None
    *problems, fields, twice = caught.value.problems
    unknown = "the CDT has no field medication_nam (perhaps medication_name); the server would drop it silently"
    assert set(problems) == {
        "column STARTED: the file has no such column (perhaps START)",
        f"column DESCRIPTION: {unknown}",
        f"column CODE: {unknown}",
    }
    assert fields.startswith("the fields of the CDT are ")
    assert "medication_name, medication_status" in fields
    assert twice == "field medication_nam: two columns are to become it"
    assert str(caught.value) == "; ".join(caught.value.problems)
    assert isinstance(caught.value, WelkinError)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.problems, str(copy)) == (caught.value.problems, str(caught.value))
    for problem, changed in (
        ("the file cannot be opened", {"source": "absent.csv"}),
        ("no CDT nothing", {"cdt": "nothing"}),
        ("column who", {"patient": "who"}),
        ("the type is one of", {"mapping": {"CODE": "medication_name:decimal"}}),
        ("is not a folder", {"rejects": "no/bad.csv"}),
        ("different files", {"rejects": "in.csv"}),
    ):
        given = {"source": "in.csv", "cdt": "medication", "patient": PATIENT, "mapping": MAPPING, **changed}
        with pytest.raises(files.FileError, match=problem):
            await files.import_records(welkin, **given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no_such_option"):
        await files.import_records(  # type: ignore[call-arg]
            welkin, "in.csv", cdt="medication", patient=PATIENT, no_such_option=1
        )
    assert server.stats.performed["cdts.create"] == 0
    assert [each.name for each in folder.iterdir()] == ["in.csv"]


async def test_a_dry_run_checks_the_whole_file_and_sends_nothing(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    rows = medications(600)
    rows[590]["DISPENSES"] = "a few"
    rows[595]["PATIENT"] = GUID % 9
    write_csv(folder / "in.csv", rows)
    for patients, lines in ((False, [592]), (True, [592, 597])):
        report = await files.import_records(
            welkin,
            "in.csv",
            cdt="medication",
            patient=PATIENT,
            mapping=MAPPING,
            rejects=f"bad-{patients}.csv",
            dry_run=True,
            check_patients=patients,
        )
        assert (report.outcome, report.rows, report.dry_run) == ("rejected", 600, True)
        assert [line for line, _ in report.refused_lines] == lines
        assert [int(row["_line"]) for row in read_csv(folder / f"bad-{patients}.csv")] == lines
    assert bodies(server) == []


async def test_progress_is_handed_out_as_snapshots(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    server.latency = 0.05
    write_csv(folder / "in.csv", medications(60))
    seen: list[files.FileProgress] = []
    await files.import_records(
        welkin,
        "in.csv",
        cdt="medication",
        patient=PATIENT,
        mapping=MAPPING,
        concurrency=4,
        on_progress=seen.append,
    )
    assert len(seen) >= 2
    assert [each.rows for each in seen] == sorted(each.rows for each in seen)
    assert seen[-1].total == 60
    assert str(seen[-1]).startswith(f"{seen[-1].rows}/60 rows")
    assert seen[-1].waiting is not None


async def test_two_runs_on_one_session_count_their_own_requests(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    one, other = write_csv(folder / "one.csv", medications(20)), write_csv(folder / "other.csv", medications(50))
    reports = await asyncio.gather(
        *(
            files.import_records(welkin, path, cdt="medication", patient=PATIENT, mapping=MAPPING)
            for path in (one, other)
        )
    )
    assert [report.requests["creates"] for report in reports] == [20, 50]
    await welkin.patients.get(GUID % 1, type="EGUID")
    assert reports[1].requests["creates"] == 50


async def test_patients_updates_and_deletions(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    people = [{"firstName": f"First{number}", "lastName": "Last", "mrn": f"M-{number}"} for number in range(5)]
    write_csv(folder / "people.csv", people)
    report = await files.import_patients(welkin, "people.csv", key="mrn", mapping={n: n for n in people[0]})
    assert (report.outcome, report.done, report.cdt) == ("complete", 5, None), str(report)
    rows = [{"who": f"M-{number}", "name": f"drug {number}"} for number in range(5)]
    patient = files.PatientColumn("who", "MRN")
    report = await files.import_records(
        welkin, rows, cdt="medication", patient=patient, mapping={"name": "medication_name"}, results="all.ndjson"
    )
    assert report.outcome == "complete", str(report)
    made = read_ndjson(folder / "all.ndjson")
    report = await files.update_records(
        welkin,
        "all.ndjson",
        cdt="medication",
        patient=patient,
        record="_record_id",
        mapping={"who": "medication_dose"},
    )
    assert (report.outcome, report.done) == ("complete", 5), str(report)
    assert sorted(body["medication_dose"] for body in bodies(server)) == [f"M-{number}" for number in range(5)]
    rows = [{"who": row["who"], "id": row["_record_id"]} for row in made[:3]]
    report = await files.delete_records(welkin, rows, cdt="medication", patient=patient, record="id")
    assert (report.outcome, report.done, len(bodies(server))) == ("complete", 3, 2), str(report)


async def test_refused_credentials_and_a_session_that_is_not_open(
    server: Sandbox, connect: Callable[..., Welkin], folder: Path
) -> None:
    write_csv(folder / "in.csv", medications(3))
    wrong = connect(server, secret_key="another")  # pragma: allowlist secret
    with pytest.raises(SessionError):
        await files.import_records(wrong, "in.csv", cdt="medication", patient=PATIENT, mapping=MAPPING)
    async with wrong:
        with pytest.raises(AuthenticationError):
            await files.import_records(wrong, "in.csv", cdt="medication", patient=PATIENT, mapping=MAPPING)
    async with connect(server, secret_key="another") as other:  # pragma: allowlist secret
        report = await files.import_records(
            other, "in.csv", cdt="medication", patient=PATIENT, mapping=MAPPING, check="off"
        )
    assert (report.outcome, report.error_type, report.done) == ("incomplete", "AuthenticationError", 0)


async def test_a_file_that_grows_meanwhile_ends_the_run(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    path = write_csv(folder / "in.csv", medications(3000))
    server.latency = 0.01

    def grow(progress: files.FileProgress) -> None:
        with path.open("a") as file:
            file.write("\n")

    report = await files.import_records(
        welkin,
        path,
        cdt="medication",
        patient=PATIENT,
        mapping=MAPPING,
        journal="j",
        concurrency=8,
        on_progress=grow,
    )
    # The same call would be refused: the journal is of the file as it was.
    assert (report.outcome, report.resume, report.journal) == ("incomplete", None, Path("j"))
    assert "has changed since it was looked through: put it back as it was" in (report.error or "")
    assert 0 < report.done < 3000


async def test_now_is_a_datetime_of_a_mapping(server: Sandbox, welkin: Welkin) -> None:
    (patient,) = add_patients(server, 1)
    moment = datetime(2024, 5, 31, 14, 30, tzinfo=UTC)
    rows = [{"who": patient, "medication_name": "a", "medication_start_date": moment}]
    report = await files.import_records(welkin, rows, cdt="medication", patient="who")
    assert report.outcome == "complete", str(report)
    assert bodies(server)[0]["medication_start_date"] == "2024-05-31T14:30:00.000Z"
