"""The files by which others join: forms, workflows, hooks, a container; and how a release is made."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((PROJECT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
NAMES = [path.name for path in WORKFLOWS]
# They belong to the repository, and are not in what is shipped.
pytestmark = pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="a source distribution has no workflows")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def sessions() -> set[str]:
    """The names of the nox sessions."""
    text = (PROJECT / "noxfile.py").read_text(encoding="utf-8")
    found = re.findall(r"^@nox\.session(?:\((.*?)\))?\ndef (\w+)", text, re.MULTILINE)
    return {(named[1] if (named := re.search(r'name="([^"]+)"', options)) else name) for options, name in found}


def commands(workflow: Any) -> Iterator[str]:
    for job in workflow["jobs"].values():
        yield from (step["run"] for step in job["steps"] if "run" in step)


def test_what_is_looked_at_is_there() -> None:
    assert NAMES == ["ci.yml", "release.yml"]
    assert [path.name for path in FORMS] == ["bug.yml", "proposal.yml"]
    assert {"tests", "lint", "types", "lowest"} <= sessions()


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_a_workflow_is_whole_and_may_do_little(path: Path) -> None:
    workflow = read(path)
    assert isinstance(workflow["name"], str)
    assert workflow[True]  # `on`, which YAML 1.1 reads so
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert 0 < job["timeout-minutes"] <= 120
        assert job["steps"]
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= workflow["jobs"].keys()
        for step in job["steps"]:
            assert len({"run", "uses"} & step.keys()) == 1
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+|[0-9a-f]{40})", step["uses"])
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    # What comes from outside never stands in a shell line, where it would be run.
    assert not any("${{" in command for command in commands(workflow))


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_the_commands_of_a_workflow_exist(path: Path) -> None:
    for command in commands(read(path)):
        subprocess.run(["bash", "-n", "-c", command], check=True)
        for script in re.findall(r"(?<![\w/])\.ci/[\w.]+", command):
            assert (PROJECT / script).is_file()
        for name in re.findall(r"nox --session ([\w-]+)", command):
            assert name in sessions()


def test_only_what_attests_and_publishes_has_an_identity() -> None:
    jobs = read(PROJECT / ".github" / "workflows" / "release.yml")["jobs"]
    assert {name: job.get("permissions", {}) for name, job in jobs.items()} == {
        "build": {},
        "attest": {"id-token": "write", "attestations": "write"},
        "publish": {"id-token": "write"},
    }
    assert jobs["publish"]["environment"]
    assert set(jobs["publish"]["needs"]) == {"build", "attest"}
    # What is published is what was built: no other job makes a file, and no secret is asked for.
    assert [name for name, job in jobs.items() if any("run" in step for step in job["steps"])] == ["build"]
    assert "secrets." not in (PROJECT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_and_warns_of_patient_data(path: Path) -> None:
    form = read(path)
    assert form["name"]
    assert form["description"]
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    ids = [each["id"] for each in form["body"] if each["type"] != "markdown"]
    assert len(set(ids)) == len(ids) > 0
    for each in form["body"]:
        assert each["type"] in kinds
        assert each["attributes"].get("label") or each["type"] == "markdown"
    assert "patient data" in path.read_text(encoding="utf-8")


def test_hooks_run_what_is_here() -> None:
    (repository,) = read(PROJECT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        program, *rest = hook["entry"].split()
        assert program in (".venv/bin/ruff", ".venv/bin/nox")
        assert rest[0] in ("check", "format") or (rest[0] == "--session" and rest[1] in sessions())


def test_the_container_is_set_up_as_a_newcomer_is_told_to() -> None:
    container = json.loads((PROJECT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["image"] == "python:3.11"
    script = PROJECT / ".devcontainer" / "set-up"
    assert container["postCreateCommand"] == f"bash {script.relative_to(PROJECT)}"
    shown = re.findall(
        r"^```sh\n(.*?)^```$", (PROJECT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    asked = script.read_text(encoding="utf-8").replace("bash -euo pipefail -c", "printf '%s\\n'")
    asked = asked.replace('"$(dirname "$0")/.."', f'"{PROJECT}"')
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == shown[0].strip()


@pytest.fixture
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", PROJECT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that a release changes or looks at."""
    (tmp_path / "welkin_async").mkdir()
    for name in ("CHANGELOG.md", "welkin_async/_version.py"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n", encoding="utf-8"
    )
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    named = project.replace("[project.urls]\n", '[project.urls]\nSource = "https://example.org/source"\n')
    (tmp_path / "pyproject.toml").write_text(named, encoding="utf-8")
    return tmp_path


def test_a_release_is_prepared_and_checked(release: ModuleType, copy: Path) -> None:
    assert release.check(copy, "v0.7.0") != []
    assert release.prepare(copy, "0.7.0", date(2026, 12, 1)) == []
    changelog = (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog == "# Changelog\n\n## Unreleased\n\n## 0.7.0 - 2026-12-01\n\n### Added\n\n- A thing.\n"
    assert '__version__ = "0.7.0"\n' in (copy / "welkin_async" / "_version.py").read_text(encoding="utf-8")
    assert release.check(copy, "v0.7.0") == []
    assert release.main(["check", "v0.7.0"], copy) == 0


@pytest.mark.parametrize(
    ("version", "words"), [("0.7", "no version"), ("v0.7.0", "no version"), ("0.7.0", "has 0.7.0 already")]
)
def test_a_release_that_cannot_be_changes_nothing(release: ModuleType, copy: Path, version: str, words: str) -> None:
    release.prepare(copy, "0.7.0", date(2026, 12, 1))
    before = (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    (wrong,) = release.prepare(copy, version, date(2026, 12, 2))
    assert words in wrong
    assert (copy / "CHANGELOG.md").read_text(encoding="utf-8") == before


def test_nothing_unreleased_is_no_release(release: ModuleType, copy: Path) -> None:
    release.prepare(copy, "0.7.0", date(2026, 12, 1))
    assert release.prepare(copy, "0.7.1", date(2026, 12, 2)) == ["CHANGELOG.md has nothing under Unreleased"]


def test_a_check_names_all_that_does_not_go_together(
    release: ModuleType, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    assert release.main(["check", "v9.9.9"], copy) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert said[0].startswith("the tag is v9.9.9, and the version ")


def test_the_changelog_that_is_there_can_be_released(release: ModuleType, copy: Path) -> None:
    shutil.copy(PROJECT / "CHANGELOG.md", copy / "CHANGELOG.md")
    assert release.prepare(copy, "99.0.0", date(2026, 12, 1)) == []
    assert release.check(copy, "v99.0.0") == []
