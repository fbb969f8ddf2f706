"""The README is a page whose first two shell blocks are the two commands; `pages/test_snippets.py` runs its Python."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_first_two_shell_blocks_are_the_demo_and_the_tests() -> None:
    shell = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert "welkin-async demo" in shell[0]
    assert "nox --session tests" in shell[1]


def test_it_is_a_page_that_begins_with_how_it_is_installed() -> None:
    assert len(README.splitlines()) <= 150
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert blocks[0] == ("console", '$ pip install "welkin-async[cli,speed]"\n')


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", README)
    assert len(links) > 20
    assert [each for each in links if not (Path(__file__).parent.parent / each).exists()] == []
