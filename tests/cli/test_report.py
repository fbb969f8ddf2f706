from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from welkin_async import __version__
from welkin_async.errors import RequestLine
from welkin_async.files.job_kind import CREATE_RECORDS
from welkin_async.files.report.file_report import FileReport
from welkin_async.files.report.html_page import Chart, Line
from welkin_async.files.report.request_metrics import RequestMetrics
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.files.report.time_series import TimeSeries
from welkin_async.http.instrumentation import Attempt
from welkin_async.sandbox import Fault, FaultKind

from .conftest import Command, Local, write_csv

OPTIONS = ("--cdt", "medication", "--patient-column", "pid")


def test_a_page_without_a_network_and_without_a_name(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient(externalId="e-4711")
    rows = [("e-4711", f"Zebulon {number}") for number in range(300)] + [("nobody", "Quackenbush")]
    path = write_csv(folder / "secret-name.csv", ("pid", "medication_name"), rows)
    fault = Fault(FaultKind.STATUS, operation="cdts.create", status=429, times=2, after=50, retry_after=1)
    local.do(lambda: local.server.faults.add(fault))
    local.do(lambda: setattr(local.server, "latency", 0.1))  # so that there is a time over which to draw
    options = ("--patient-type", "EID", "--report", "report.html", "--json")
    result = command("import", path, *OPTIONS, *options)
    assert result.exit_code == 1
    page = (folder / "report.html").read_text(encoding="utf-8")
    for name in ("Zebulon", "Quackenbush", "4711", patient, "secret-name", "nobody"):
        assert name not in page
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|<link|<img|url\(|@import", page)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 2
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        drawn = [element for element in root if element.get("class", "").endswith(" line")]
        assert drawn
        for element in drawn:
            points = [tuple(map(float, pair.split(","))) for pair in element.attrib["points"].split()]
            assert all(0 <= x <= 900 and 0 <= y <= 240 for x, y in points)
            assert points == sorted(points, key=lambda point: point[0])
    assert "strokes below: the server throttled" in page
    ElementTree.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>", "", page))  # every element is closed
    assert "<td>429s</td>" in page
    assert "Creates not answered for good" in page
    assert "Other requests not answered for good" not in page  # there were none
    summary = json.loads(result.stdout)
    assert (summary["throttled"], summary["429s"]) == (2, 2)
    assert summary["not_answered_for_good"] == {"throttled, 429": 2}
    assert summary["creates"] == 302
    assert summary["token_requests"] == 1
    assert 0 < summary["latency_seconds"]["p50"] <= summary["latency_seconds"]["p99"]
    assert summary["bytes_sent"] > 300 * 50
    assert summary["bytes_received"] > summary["bytes_sent"]
    assert (summary["created"], summary["rejected"], summary["rows"]) == (300, 1, 301)
    assert list(summary["files"]) == ["rejects"]
    assert summary["error"] is None
    run = summary["run"]
    shown = "FILE --cdt medication --patient-column pid --patient-type EID --report ... --json"
    command_line = f"welkin-async import {shown}"
    assert (run["tenant"], run["instance"], run["version"]) == (local.server.tenant, local.server.instance, __version__)
    assert run["command"] == command_line
    assert abs(datetime.fromisoformat(run["began"]) - datetime.now(UTC)) < timedelta(minutes=2)
    for words in (command_line, f"welkin-async {__version__}", local.server.instance, f"{run['began'][:10]} "):
        assert f">{words}" in page


def test_a_report_shows_neither_paths_nor_values_of_the_command(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    path = write_csv(folder / "rows.csv", ("pid", "medication_name"), [(patient, "a")])
    result = command(
        *("import", path, *OPTIONS, "--set", "medication_notes=Quackenbush", "--no-journal", "--json"),
        *("--shared", "sqlite:///" + str(folder / "shared.db"), "--timeout", "20"),
    )
    run = json.loads(result.stdout)["run"]
    shown = "FILE --cdt medication --patient-column pid --set ... --no-journal --json --shared ... --timeout 20.0"
    assert sorted(run["command"].split()) == sorted(f"welkin-async import {shown}".split())
    text = command("verify", path, *OPTIONS, "--map", "medication_name=medication_name").stdout
    assert re.match(rf".*\n{local.server.tenant}/{local.server.instance}, [-0-9]+ [:0-9]+ UTC, welkin-async ", text)


def test_an_import_is_not_complete_while_nobody_has_looked_for_doubles() -> None:
    what: dict[str, Any] = {"kind": CREATE_RECORDS, "title": "Import", "file": "in.csv", "cdt": "medication"}
    assert FileReport(**what, **RowCounts(done=3).values()).outcome == "complete"
    report = FileReport(**what, **RowCounts(done=3, unswept=2).values())
    assert (report.to_dict()["unswept"], report.to_dict()["complete"], report.outcome) == (2, False, "incomplete")


def test_causes_of_retries_are_those_of_the_rows(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="m")
    local.fault(FaultKind.STATUS, operation="patients.get", status=500)
    # A create that was answered 503 may have been carried out. It is sent again only once another row's record has
    # proved that keys are kept: that is the first row.
    for status in (429, 503):
        local.fault(FaultKind.STATUS, operation="cdts.create", status=status, after=1, retry_after=0)
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [("m", "a"), ("m", "b")])
    quick = ("--settle", "0.3", "--final-settle", "0.3")
    result = command("import", path, *OPTIONS, *quick, "--patient-type", "MRN", "--no-journal")
    assert result.exit_code == 0, result.output
    assert re.search(r"^retried +2  1 throttled \(429\), 1 unknown \(503\)$", result.stdout, re.MULTILINE)
    assert re.search(r"^throttled +1\n429s +1$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("where", ["no", "open"])
def test_a_report_that_cannot_be_written_spoils_nothing(
    command: Command, local: Local, folder: Path, where: str
) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(local.patient(), "a")])
    result = command("import", path, *OPTIONS, "--report", folder / where / "report.html")
    assert result.exit_code == 0
    assert "the report cannot be written" in result.stderr
    assert list((folder / "open").iterdir()) == []  # others could put a link where the page is to be


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_samples_are_bounded_and_lose_nothing() -> None:
    clock = Clock()
    samples = TimeSeries(clock)
    for number in range(20_000):
        clock.now = 100.0 + number * 0.5
        sample = samples.now()
        sample.rows += 1
        sample.latency.add(0.01)
    finished = samples.finished()
    assert len(finished) <= 240
    assert sum(sample.rows for _, sample in finished) == sum(s.latency.count for _, s in finished) == 20_000
    assert sum(seconds for seconds, _ in finished) == pytest.approx(9999.5, abs=0.01)
    samples.restart()
    assert len(samples.finished()) == 1


def test_requests_are_counted_by_how_they_ended() -> None:
    meter = RequestMetrics()
    create, token = RequestLine("POST", "/t", "cdts.create"), RequestLine("POST", "/a", "auth.create_token")
    look_up = RequestLine("GET", "/t", "cdts.list")
    for line, verdict, status in (
        (create, "done", 201),
        (create, "unknown", None),
        (create, "throttled", 429),
        (create, "rejected", 400),
        (token, "done", 200),
        (create, "throttled", 503),
        (token, "throttled", 429),
        (look_up, "unknown", 500),
    ):
        meter.count(Attempt(line, 1, verdict, status, 0.1, 10, 20))
    found = meter.to_dict()
    assert (found["requests"], found["creates"], found["token_requests"], found["throttled"]) == (8, 5, 2, 3)
    assert found["429s"] == 2
    assert found["not_answered_for_good"] == {"unknown, no answer": 1, "throttled, 429": 1, "throttled, 503": 1}
    assert found["others_not_answered_for_good"] == {"throttled, 429": 1, "unknown, 500": 1}
    assert (found["bytes_sent"], found["bytes_received"]) == (80, 160)
    assert RequestMetrics().to_dict()["latency_seconds"] == {"p50": None, "p95": None, "p99": None, "most": None}


@pytest.mark.parametrize("seconds", [0.001, 0.7, 59.0, 61.0, 5000.0, 90_000.0])
@pytest.mark.parametrize("value", [0.0, 1e-6, 0.3, 17.0, 9999.0])
def test_a_chart_of_any_size(seconds: float, value: float) -> None:
    points = [(0.0, value), (seconds / 3, None), (seconds / 2, value), (seconds, value / 2)]
    chart = Chart("a & b", " ms", [Line("x", "a", points, filled=True)], seconds, [seconds / 4])
    root = ElementTree.fromstring(chart.svg())
    assert root.get("aria-label") == "a & b"
    labels = [element.text for element in root if element.tag.endswith("text")]
    assert 4 <= len(labels) <= 24
    assert len(set(labels)) == len(labels)
