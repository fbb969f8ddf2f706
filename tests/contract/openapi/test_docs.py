"""The snippets of docs/openapi.md, run as a user would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs" / "openapi.md"


def test_what_the_documentation_shows_can_be_done() -> None:
    snippets = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    shown = [
        subprocess.run([sys.executable, "-c", each], capture_output=True, text=True, check=True).stdout
        for each in snippets
    ]
    assert len(shown) == 2
    assert "GET /{tenant}/{instance}/patients/{patient_id} is welkin.patients.get(patient_id, ...)" in shown[0]
    assert len(shown[0].splitlines()) == 6
    assert shown[1].startswith("Welkin Health V8 REST API [{'url': '/'")
