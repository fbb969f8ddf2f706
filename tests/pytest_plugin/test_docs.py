"""The tests that docs/testing.md shows, run as a user would."""

from __future__ import annotations

import re
from pathlib import Path

from .test_plugin import ASYNCIO, passed, run

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_tests_of_the_documentation_pass(tmp_path: Path) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(snippets) == 3
    for number, snippet in enumerate(snippets):
        name = "conftest.py" if "def welkin_cdts" in snippet else f"test_{number}.py"
        folder = tmp_path / ("own" if name == "conftest.py" else "shown")
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(snippet, encoding="utf-8")
    own = "assert [each.name for each in await welkin.formations().cdts.list()] == ['allergy']"
    own = f"async def test_own(welkin):\n    {own}\n"
    (tmp_path / "own" / "test_own.py").write_text(own, encoding="utf-8")
    assert passed(run(tmp_path / "shown", *ASYNCIO, "-o", "asyncio_mode=auto")) == 5
    assert passed(run(tmp_path / "own", *ASYNCIO, "-o", "asyncio_mode=auto")) == 1
