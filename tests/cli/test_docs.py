"""The commands of docs/command-line.md, run in their order against the local server."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from .conftest import Command, Local, read_ndjson

DOCS = Path(__file__).parents[2] / "docs" / "command-line.md"


def test_what_the_documentation_shows_can_be_done(command: Command, local: Local, folder: Path) -> None:
    pytest.importorskip("pyarrow")
    (profiles,) = re.findall(r"^```toml\n(\[staging\]\n.*?)^```$", DOCS.read_text(encoding="utf-8"), re.M | re.DOTALL)
    (folder / "welkin-async").mkdir()
    (folder / "welkin-async" / "profiles.toml").write_text(profiles, encoding="utf-8")
    shown = re.findall(r"^```console\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    counts = []
    for line in "".join(shown).removeprefix("$ ").split("\n$ "):
        if line.startswith("cat "):
            head, _, content = line.partition("\n")
            (folder / head.split()[1]).write_text(f"{content.strip()}\n", encoding="utf-8")
            continue
        program, *arguments = shlex.split(line.replace("\\\n", ""))
        assert program == "welkin-async"
        # Variables go before the profile, and so the local server is what is asked.
        result = command(*arguments, XDG_CONFIG_HOME=str(folder))
        assert result.exit_code == 0, result.output
        counts.append(len(local.records()))
    assert counts == [0, 0, 3, 3, 3, 3, 0, 0, 0, 0, 0]
    assert sorted(each["jsonBody"]["medication_dose"] for each in read_ndjson(folder / "old.ndjson")) == [
        *("10 mg", "200 mg", "500 mg")
    ]
    assert [each["mrn"] for each in read_ndjson(folder / "patients.ndjson")] == ["M-1", "M-2"]
