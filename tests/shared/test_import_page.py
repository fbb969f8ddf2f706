"""The page of an import by several processes: that of one process, whose counts and curves are those of all."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from welkin_async import files
from welkin_async.files.report.request_metrics import RequestMetrics
from welkin_async.files.report.time_series import LatencyHistogram, Sample, TimeSeries
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .test_chunk_files import CDT, PATIENTS, ROWS, SETTLING, pool, write_rows
from .test_command import command


def tables(page: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """The tables of a page: by caption and label, a number and a remark."""
    text = page.read_text(encoding="utf-8")
    row = '<tr><td>(.*?)</td><td class="n">(.*?)</td><td class="r">(.*?)</td></tr>'
    return {
        caption: {label: (number, remark) for label, number, remark in re.findall(row, body)}
        for caption, body in re.findall("<caption>(.*?)</caption>(.*?)</table>", text)
    }


def drawn(page: Path) -> int:
    """How many points its curves have."""
    lines = re.findall(r'<polyline class=". line" points="([^"]*)"', page.read_text(encoding="utf-8"))
    return sum(len(line.split()) for line in lines)


@pytest.mark.slow
async def test_the_page_has_the_counts_of_one_process_and_what_all_have_sent(connect: Any, tmp_path: Path) -> None:
    file, pages = tmp_path / "rows.csv", [tmp_path / "one.html", tmp_path / "two.html"]
    async with Sandbox(seed=1) as alone, connect(alone) as welkin:
        write_rows(file, alone.store.add_patients(PATIENTS))
        report = await files.import_records(
            welkin, file, cdt=CDT, patient="patient", html=pages[0], rejects=tmp_path / "no.csv", **SETTLING
        )
    async with Sandbox(seed=1, latency=0.02) as server, connect(server) as welkin:
        patients = server.store.add_patients(PATIENTS)
        server.faults.add(Fault(FaultKind.STATUS, operation="cdts.create", status=429, times=3))
        merged = await pool(welkin, file, tmp_path / "two", html=pages[1], concurrency=4).run()
        one, two = map(tables, pages)
        assert merged.created == report.done
        assert two["Rows"] == one["Rows"]
        assert two["Rows not created because"] == one["Rows not created because"]
        operations = server.stats.operations
        creates, lists = operations["cdts.create"], operations["cdts.list"]
        sent, remark = two["Requests"]["requests"]
        assert remark.startswith(f"{creates} creates, ")
        # Tokens and formations too; the session that hands out chunks has made the final scan.
        assert creates + lists <= int(sent) <= sum(operations.values())
        assert (two["Requests"]["retried"][0], two["Requests"]["429s"][0]) == ("3", "3")
        assert two["Creates not answered for good"] == {"throttled, 429": ("3", "")}
        assert two["Requests"].keys() - {"refused"} == one["Requests"].keys()
        assert drawn(pages[1]) > 8
        text = pages[1].read_text(encoding="utf-8")
        assert not [word for word in (*patients, "rows.csv", "many", "nobody") if word in text]
        # Called once more it finds all done, and says so.
        await pool(welkin, file, tmp_path / "two", html=pages[1], concurrency=4).run()
        again = tables(pages[1])
        assert again["Rows"]["rows"] == (str(ROWS), f"{ROWS} done by earlier runs")
        assert again["Rows"]["created"] == two["Rows"]["created"]
        assert int(again["Requests"]["requests"][0]) > 0
        assert again["Requests"]["requests"][1].startswith("0 creates, ")


@pytest.mark.slow
async def test_where_no_file_of_rows_is_asked_for_the_page_counts_all_the_same(connect: Any, tmp_path: Path) -> None:
    file, page = tmp_path / "rows.csv", tmp_path / "page.html"
    async with Sandbox(seed=1) as server, connect(server) as welkin:
        write_rows(file, server.store.add_patients(PATIENTS))
        report = await files.import_in_processes(
            welkin, file, cdt=CDT, patient="patient", processes=1, rows=80, html=page, **SETTLING
        )
    refused = tables(page)["Rows not created because"]
    assert sum(int(number) for number, _ in refused.values()) == report.rejected + report.failed == 35
    assert (tables(page)["Rows"]["rejected"][0], tables(page)["Rows"]["failed"][0]) == ("35", "0")
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.slow
async def test_an_import_that_is_stopped_or_fails_leaves_its_page_too(connect: Any, tmp_path: Path) -> None:
    file, page = tmp_path / "rows.csv", tmp_path / "page.html"
    async with Sandbox(seed=1, latency=0.02) as server, connect(server) as welkin:
        write_rows(file, server.store.add_patients(PATIENTS))
        running = pool(welkin, file, tmp_path / "out", html=page, concurrency=2)
        importing = asyncio.create_task(running.run())
        while not server.store.cdt_records(CDT):
            await asyncio.sleep(0.01)
        running._stop.set()
        report = await importing
        found = tables(page)
        assert 0 < int(found["Rows"]["rows"][0]) == report.rows < ROWS
        assert found["Rows"]["not looked at"][0] == str(report.created)  # without the final scan
        page.unlink()
        server.faults.add(Fault(FaultKind.STATUS, operation="auth.create_token", status=403, times=None))
        server.expire_tokens()
        with pytest.raises(files.WorkersFailedError):
            await pool(welkin, file, tmp_path / "out", html=page).run()
        assert tables(page)["Rows"]["created"][0] == "0"  # no worker came to see what is done


async def test_a_page_that_cannot_be_written_is_said_and_costs_no_report(
    connect: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("patient,medication_name\n")
    async with Sandbox(seed=1) as server, connect(server) as welkin:
        with caplog.at_level(logging.WARNING, "welkin_async"):
            report = await pool(welkin, file, tmp_path / "out", html=tmp_path / "nowhere" / "page.html").run()
    assert report.rows == 0
    assert "the report cannot be written: No such file or directory" in caplog.text


@pytest.mark.slow
async def test_the_command_writes_one_page_for_all_processes(tmp_path: Path) -> None:
    async with Sandbox(seed=1) as server:
        write_rows(tmp_path / "rows.csv", server.store.add_patients(PATIENTS))
        given = [*("import", "rows.csv", "--cdt", CDT, "--patient-column", "patient", "--processes", "2")]
        given += ["--settle", "0.1", "--final-settle", "0.2", "--report", "page.html"]
        done = await asyncio.to_thread(command, tmp_path, *given, **server.environ())
    assert done.returncode == 1, done.stderr
    found = tables(tmp_path / "page.html")
    assert found["Rows"]["created"][0] == "205"
    assert found["Run"]["command"][1].endswith("--settle 0.1 --final-settle 0.2 --processes 2 --report ...")


def sample(rows: int, seconds: float) -> Sample:
    latency = LatencyHistogram()
    latency.add(seconds)
    return Sample(rows=rows, throttled=1, latency=latency)


def test_samples_of_workers_are_placed_where_they_were() -> None:
    now = 0.0
    series = TimeSeries(lambda: now)
    now = 10.0
    series.place(2.0, [(0.25, sample(3, 0.1)), (0.25, sample(5, 0.2))])
    series.place(2.25, [(0.25, sample(7, 0.3))], rows=False)  # of a chunk that another attempt has done
    series.place(-5.0, [(0.25, sample(1, 0.1))])  # a clock that is behind, and one that is ahead
    series.place(99.0, [(0.25, sample(2, 0.1))])
    found = series.finished()
    filled = {number: (each.rows, each.throttled) for number, (_, each) in enumerate(found) if each.throttled}
    assert filled == {0: (1, 1), 8: (3, 1), 9: (5, 2), len(found) - 1: (2, 1)}
    assert sum(seconds for seconds, _ in found) == pytest.approx(10.0, abs=0.01)
    assert series.latency.count == 5
    assert series.latency.percentile(1.0) == pytest.approx(0.3, rel=0.02)


def test_counts_of_requests_add_up() -> None:
    every, part = RequestMetrics(), RequestMetrics(requests=5, operations=4, sent=10, too_many=1)
    part.causes["throttled", 429] += 1
    for _ in range(2):
        every.merge(part)
    told = every.to_dict()
    assert (told["requests"], told["creates"], told["bytes_sent"], told["429s"]) == (10, 8, 20, 2)
    assert told["not_answered_for_good"] == {"throttled, 429": 2}
    assert part.requests == 5
