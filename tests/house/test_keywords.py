"""Keywords of resources are written out as their `TypedDict` has them, and completion without types knows them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .floor_plan import PACKAGE
from .keywords import modules, rewritten


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_the_keywords_are_those_of_the_typed_dict(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == rewritten(path), "run `python -m tests.house`"


def test_no_list_or_search_hides_its_keywords_behind_unpack() -> None:
    hidden = [
        f"{path.stem}: {line.strip()}"
        for path in modules()
        for line in path.read_text(encoding="utf-8").splitlines()
        if "Unpack[" in line and ("Pager[" in line or "Query]" in line)
    ]
    assert hidden == []


COMPLETED = {
    "welkin.patients.list(": {"email", "territories", "sort", "size", "limit", "timeout"},
    "welkin.users.list(": {"ids", "include_deleted", "user_state"},
    "welkin.patient('p').cdts('c').list(": {"filters", "date_start", "fields"},
    "welkin.audit.data.list(": {"operation", "patient_id"},
}
COMPLETE = """
import json, sys, jedi
found = {}
for call in json.loads(sys.argv[1]):
    code = f"from welkin_async import Welkin\\n\\nasync def f(welkin: Welkin):\\n    {call}"
    names = jedi.Script(code, project=jedi.Project(sys.argv[2])).complete(4, len(call) + 4)
    found[call] = [each.name for each in names]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_jedi_completes_the_keywords() -> None:
    command = [sys.executable, "-c", COMPLETE, json.dumps(list(COMPLETED)), str(PACKAGE.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {call: {name.rstrip("=") for name in names} for call, names in json.loads(done.stdout).items()}
    assert {call: sorted(names - found[call]) for call, names in COMPLETED.items()} == {call: [] for call in COMPLETED}
