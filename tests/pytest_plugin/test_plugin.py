"""The pytest plugin, in test runs of its own as a user starts them."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from welkin_async.codegen import generate
from welkin_async.models.formations import CdtFormation
from welkin_async.sandbox.records.fields import complete_fields, field

PROJECT = Path(__file__).parents[2]

TEN_TESTS = """\
import pytest
from welkin_async import NotFoundError
from welkin_async.sandbox import Fault, FaultKind

FIELDS = {"medication_name": "Tylenol"}


@pytest.mark.parametrize("number", range(8))
async def test_a_record_is_created(welkin, welkin_sandbox, number):
    patient = welkin_sandbox.add_patient(firstName="Charlie")["id"]
    record = await welkin.patient(patient).cdts("medication").create(FIELDS)
    assert [each["id"] for each in welkin_sandbox.records("medication")] == [record.id]
    assert len([each async for each in welkin.patients.list()]) == 1


async def test_an_answer_that_is_lost(welkin, welkin_sandbox):
    welkin_sandbox.add_fault(Fault(FaultKind.STATUS, operation="patients.list", status=503))
    assert (await welkin.patients.list()).items == ()
    assert welkin_sandbox.unmet() == []


async def test_there_is_none(welkin):
    with pytest.raises(NotFoundError):
        await welkin.patients.get("7f2cbb26-5b6b-4a8a-9b1b-000000000000")
"""


ASYNCIO, ANYIO = ("-p", "pytest_asyncio.plugin"), ("-p", "anyio.pytest_plugin")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, with the plugin and those that are named, and no other that happens to be installed."""
    settings = "[pytest]\nasyncio_default_fixture_loop_scope = function\n" if ASYNCIO[1] in arguments else "[pytest]\n"
    (folder / "pytest.ini").write_text(settings, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WELKIN_", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "welkin_async_pytest", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def passed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tests passed; none may have failed, and nothing may have warned."""
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert re.fullmatch(r"\d+ passed in .*", last), done.stdout
    return int(last.split()[0])


@pytest.mark.parametrize(
    ("head", "arguments"),
    [
        ("import pytest; pytestmark = pytest.mark.asyncio\n", [*ASYNCIO, "-o", "asyncio_mode=strict"]),
        ("", [*ASYNCIO, "-o", "asyncio_mode=auto"]),
        ("import pytest; pytestmark = pytest.mark.anyio\n", [*ANYIO]),
        ("import pytest; pytestmark = pytest.mark.anyio\n", [*ASYNCIO, *ANYIO, "-o", "asyncio_mode=strict"]),
    ],
    ids=["asyncio strict", "asyncio auto", "anyio", "anyio beside asyncio"],
)
def test_ten_tests_run_with_each_way_of_asynchronous_tests(head: str, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_ten.py").write_text(head + TEN_TESTS, encoding="utf-8")
    if "anyio" in head:
        backend = "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
        (tmp_path / "conftest.py").write_text(backend, encoding="utf-8")
    assert passed(run(tmp_path, "-W", "error", *arguments)) == 10


def cpu_seconds(work: Callable[[], object]) -> float:
    """The processor time of the processes that some work starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.timing
def test_ten_tests_take_less_than_two_seconds(tmp_path: Path) -> None:
    assert len([line for line in TEN_TESTS.splitlines() if line.strip()]) <= 25
    (tmp_path / "test_ten.py").write_text(TEN_TESTS, encoding="utf-8")
    arguments = (*ASYNCIO, "-o", "asyncio_mode=auto")
    run(tmp_path, *arguments)  # compiles the modules
    ten = min(cpu_seconds(lambda: passed(run(tmp_path, *arguments))) for _ in range(3))
    imports = [sys.executable, "-c", "import aiohttp.web"]
    usual = min(cpu_seconds(lambda: subprocess.run(imports, check=True)) for _ in range(3))
    # Of CPU, as nothing in these tests waits. A busy machine makes everything slower, what is imported first of all.
    assert ten < max(2.0, 5 * usual)


def test_a_run_that_uses_no_fixture_imports_nothing_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\ndef test_other():\n    assert 'welkin_async_pytest' in sys.modules\n"
        "    assert [name for name in sys.modules if name.split('.')[0] == 'welkin_async'] == []\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-q", "--capture=no", "-p", "welkin_async_pytest", "test_other.py"]
    command = [sys.executable, "-X", "importtime", "-m", "pytest", *options]
    timed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert timed.returncode == 0, timed.stdout
    names = {line.rpartition("|")[2].strip() for line in timed.stderr.splitlines()}
    assert "pytest" in names
    assert {name for name in names if name.split(".")[0] in ("welkin_async", "aiohttp", "cattrs")} == set()


FORMATION = {"name": "from-file", "fields": complete_fields([field("substance", "text")])}
CONFTEST = {
    "a dict": "return {'from-dict': {'substance': 'text'}, 'other': [{'name': 'a', 'type': 'integer'}]}",
    "a file": "return ['formation.json']",
    "a class": "from allergy_cdts import FromClass; return [FromClass]",
    "both": "from allergy_cdts import FromClass; from pathlib import Path; return [FromClass, Path('formation.json')]",
}
CDTS = """\
import pytest
from welkin_async import InvalidInputError, Welkin
import welkin_async_pytest

CDTS = {cdts!r}


@pytest.fixture
async def patient(welkin):
    return (await welkin.patients.create(first_name="Charlie", last_name="Taylor")).id


@pytest.mark.parametrize("cdt", CDTS)
async def test_the_cdts_are_there(welkin_sandbox, patient, cdt):
    assert sorted(each.name for each in await welkin_formations(welkin_sandbox)) == CDTS
    async with welkin_async_pytest.connect(welkin_sandbox, check="strict") as strict:
        await strict.patient(patient).cdts(cdt).create({{"substance": "nuts"}})
        with pytest.raises(InvalidInputError):
            await strict.patient(patient).cdts(cdt).create({{"no such field": "nuts"}})


async def welkin_formations(sandbox):
    async with welkin_async_pytest.connect(sandbox) as welkin:
        return [each for each in await welkin.formations().cdts.list() if each.name != "other"]


def test_a_command_finds_the_server(welkin_sandbox, monkeypatch):
    for name, value in welkin_sandbox.environ().items():
        monkeypatch.setenv(name, value)
    assert Welkin.from_env().settings.base_url == welkin_sandbox.base_url
"""


@pytest.mark.parametrize("way", CONFTEST)
def test_cdts_are_defined_by_the_users_conftest(way: str, tmp_path: Path) -> None:
    cdts = {"a dict": ["from-dict"], "a file": ["from-file"], "a class": ["from-class"]}
    expected = cdts.get(way, ["from-class", "from-file"])
    (tmp_path / "formation.json").write_text(json.dumps(FORMATION), encoding="utf-8")
    shape = CdtFormation.from_wire({**FORMATION, "id": "f", "name": "from-class"})
    (tmp_path / "allergy_cdts.py").write_text(generate([shape]), encoding="utf-8")
    conftest = f"import pytest\n\n@pytest.fixture(scope='session')\ndef welkin_cdts():\n    {CONFTEST[way]}\n"
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "test_cdts.py").write_text(CDTS.format(cdts=expected), encoding="utf-8")
    assert passed(run(tmp_path, *ASYNCIO, "-o", "asyncio_mode=auto", "-W", "error")) == len(expected) + 1


@pytest.mark.parametrize("content", ["no json", "[]x", '{"name": "a"}', '[{"fields": []}]', "[1]"])
def test_a_file_that_holds_no_formation_is_named(content: str, tmp_path: Path) -> None:
    import welkin_async_pytest

    (tmp_path / "formation.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^formation\.json"):
        welkin_async_pytest.cdt_definitions([tmp_path / "formation.json"])


def test_a_wheel_that_is_installed_is_found_and_the_package_is_not_rewritten(tmp_path: Path) -> None:
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    unpack = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])"
    subprocess.run([sys.executable, "-c", unpack, str(wheel), str(site)], check=True)
    (tmp_path / "test_it.py").write_text(
        "import welkin_async\n\ndef test_it(welkin_sandbox):\n"
        "    assert 'site' in welkin_async.__file__\n"
        "    assert type(welkin_async.__loader__).__name__ == 'SourceFileLoader'\n",
        encoding="utf-8",
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "pytest", "-q", "test_it.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert passed(ran) == 1
