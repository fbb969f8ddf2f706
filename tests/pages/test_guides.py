"""The guides, done in their order against a local server: upserts.md, and the function of schedulers.md."""

from __future__ import annotations

import ast
import csv
import shlex
import sys
from pathlib import Path

import pytest
from cli.conftest import Command, Local, command, folder, local, read_ndjson

from .blocks import DOCS, blocks_of

__all__ = ["command", "folder", "local"]  # fixtures

GUID = "6b2cbb26-5b6b-4a8a-9b1b-%012d"


def test_the_upserts_that_are_shown_can_be_done(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mrn in ("M-1", "M-2"):
        local.patient(mrn=mrn)
    for name, value in local.env.items():
        monkeypatch.setenv(name, value)
    counts = []
    for block in blocks_of(DOCS / "upserts.md"):
        if block.language == "python":
            exec(compile(block.text, "upserts.md", "exec", dont_inherit=True), {"__name__": "__main__"})
            continue
        for line in block.text.removeprefix("$ ").split("\n$ "):
            if line.startswith("cat "):
                head, _, content = line.partition("\n")
                (folder / head.split()[1]).write_text(f"{content.strip()}\n", encoding="utf-8")
                continue
            program, *arguments = shlex.split(line)
            assert program == "welkin-async"
            result = command(*arguments)
            assert result.exit_code == 0, result.output
            counts.append(len(local.records()))
    assert counts == [3, 3, 2, 2]
    assert [each["status"] for each in read_ndjson(folder / "plan.ndjson")].count("delete") == 1
    assert sorted(each["medication_dose"] for each in local.records()) == ["200 mg", "250 mg"]
    assert sorted(local.record_keys()) == ["pharmacy/rx-1", "pharmacy/rx-2"]


def test_the_function_for_schedulers_says_what_a_retry_can_mend(
    local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in local.env.items():
        monkeypatch.setenv(name, value)
    local.patient(externalGuid=GUID % 1)
    own, *foreign = [each for each in blocks_of(DOCS / "schedulers.md") if each.language == "python"]
    (folder / "welkin_import.py").write_text(own.text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "welkin_import", raising=False)
    from welkin_import import import_medications  # type: ignore[import-not-found]

    def write(*guids: str) -> None:
        with (folder / "today.csv").open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["MEDICATION_ID", "PATIENT", "DESCRIPTION"])
            writer.writerows([f"rx-{number}", guid, "Tylenol"] for number, guid in enumerate(guids))

    write(GUID % 1, GUID % 1)
    for _ in range(2):
        report = import_medications(str(folder / "today.csv"), str(folder))
        assert (report.outcome, report.rows) == ("complete", 2)
    write(GUID % 1, GUID % 1, GUID % 7)
    assert import_medications(str(folder / "today.csv"), str(folder)).outcome == "rejected"
    assert len(local.records()) == 2
    monkeypatch.delitem(sys.modules, "welkin_import", raising=False)
    # What the schedulers' own snippets call is there, and is called with what it takes.
    for block in foreign:
        (called,) = [
            each
            for each in ast.walk(ast.parse(block.text))
            if isinstance(each, ast.Call) and ast.unparse(each.func) == "import_medications"
        ]
        assert len(called.args) == 2
        read = {each.attr for each in ast.walk(ast.parse(block.text)) if ast.unparse(each).startswith("report.")
                and isinstance(each, ast.Attribute) and ast.unparse(each.value) == "report"}  # fmt: skip
        assert read <= set(dir(report))
