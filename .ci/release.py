"""Release: turns *Unreleased* into a version, and checks that tag, version and changelog go together.

Run from the repository: ``python .ci/release.py prepare 0.1.0``, and ``python .ci/release.py check v0.1.0``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?").fullmatch
_SOURCE = re.compile(r"^\[project\.urls\]\n(?:(?!\[).*\n)*Source = ", re.MULTILINE).search
_SECTION = re.compile(r"^## (\S+)(?: - (\d{4}-\d\d-\d\d))?\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def prepare(root: Path, version: str, day: date) -> list[str]:
    """Set the version, and give what is unreleased its name and date.

    Args:
        root: The repository.
        version: Such as ``0.1.0``.
        day: The day of the release.

    Returns:
        What stands against it, a line for each; nothing was changed then.
    """
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    sections = {name: content for name, _, content in _SECTION.findall(text)}
    if not _VERSION(version):
        return [f"{version} is no version such as 0.1.0 or 0.2.0rc1"]
    if version in sections:
        return [f"CHANGELOG.md has {version} already"]
    if not sections.get("Unreleased", "").strip():
        return ["CHANGELOG.md has nothing under Unreleased"]
    changelog.write_text(
        text.replace("## Unreleased\n", f"## Unreleased\n\n## {version} - {day}\n", 1), encoding="utf-8"
    )
    module = root / "welkin_async" / "_version.py"
    source = module.read_text(encoding="utf-8")
    module.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', source), encoding="utf-8")
    return []


def check(root: Path, tag: str) -> list[str]:
    """Check that a tag is that of the version, and that the changelog says what is in it.

    Args:
        root: The repository.
        tag: Such as ``v0.1.0``.

    Returns:
        What is wrong, a line for each.
    """
    source = (root / "welkin_async" / "_version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'__version__ = "(.*)"', source)
    sections = {
        name: (day, content) for name, day, content in _SECTION.findall((root / "CHANGELOG.md").read_text("utf-8"))
    }
    wrong = [] if tag == f"v{version}" else [f"the tag is {tag}, and the version {version}"]
    day, content = sections.get(version, ("", ""))
    if not day or not content.strip():
        wrong.append(f"CHANGELOG.md has no section of {version} with a date and a line")
    if sections.get("Unreleased", ("", ""))[1].strip():
        wrong.append("CHANGELOG.md has lines under Unreleased, which would be in the release and not in its section")
    if not _SOURCE((root / "pyproject.toml").read_text(encoding="utf-8")):
        wrong.append("pyproject.toml has no Source in [project.urls]: say where what is published can be found")
    return wrong


def main(arguments: Sequence[str] | None = None, root: Path = Path(__file__).parents[1]) -> int:
    """Run what the command line asks for.

    Args:
        arguments: Without the program's name; None for the process' own.
        root: The repository.

    Returns:
        The exit code: 0 all is well, 1 something is not.
    """
    parser = argparse.ArgumentParser(description="Prepare a release, or check one.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare").add_argument("version")
    commands.add_parser("check").add_argument("tag")
    given = parser.parse_args(arguments)
    wrong = check(root, given.tag) if given.command == "check" else prepare(root, given.version, date.today())
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
