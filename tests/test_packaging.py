"""What is shipped: the wheel's content and metadata, what an import costs, and which way imports point."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from importlib.metadata import EntryPoint
from importlib.util import find_spec, resolve_name
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "welkin_async"

RUNTIME = {"aiohttp", "anyio", "attrs", "cattrs"}
EXTRAS = {
    "speed": {"orjson", "uvloop", "httptools", "aiohappyeyeballs"},
    "cli": {"typer", "rich", "jmespath"},
    "parquet": {"pyarrow"},
    "store": {"filelock", "platformdirs"},
    "postgres": {"psycopg"},
    "redis": {"redis"},
    "cryptography": {"cryptography"},
    "otel": {"opentelemetry-api"},
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_the_wheel_is_pure_python(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_holds_the_package_its_type_marker_and_the_licence_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "welkin_async/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"welkin_async", "welkin_async_pytest"}
    assert "welkin_async_pytest/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for name in names:
        assert not any(
            word in name.lower().removeprefix("welkin_async_pytest/")
            for word in ("test_", "/tests/", "conftest", "benchmark", ".ipynb", "cache")
        )


def test_the_wheel_holds_every_module(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.endswith(".py")}
    assert packed >= {str(path.relative_to(PROJECT)) for path in (PACKAGE / "models").glob("*.py")}
    assert {"welkin_async/sandbox/__main__.py", "welkin_async/bulk/__init__.py"} <= packed


def test_the_wheel_holds_what_the_sandbox_serves(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert {"welkin_async/sandbox/openapi.json", "welkin_async/sandbox/reference.html"} <= packed


def requirements(metadata: Message) -> Iterator[tuple[str, str | None]]:
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, marker = line.partition(";")
        name = requirement.strip().split("[")[0]
        for sign in "<>=!~ ":
            name = name.split(sign)[0]
        _, found, extra = marker.partition("extra ==")
        yield name, extra.strip(" '\"") if found else None


def test_the_runtime_needs_four_packages_and_everything_else_is_an_extra(metadata: Message) -> None:
    found: dict[str | None, set[str]] = {}
    for name, extra in requirements(metadata):
        found.setdefault(extra, set()).add(name)
    assert found.pop(None) == RUNTIME
    assert {extra: names for extra, names in found.items() if extra in EXTRAS} == EXTRAS
    assert set(metadata.get_all("Provides-Extra", [])) == set(found)


def test_one_extra_has_all_of_them(metadata: Message) -> None:
    found: dict[str | None, set[str]] = {}
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, extra = line.partition(" extra == ")
        found.setdefault(extra.strip("'\""), set()).add(requirement.rstrip("; ").removesuffix(" and").split(";")[0])
    everything = found.pop("all")
    # A build may write down what it stands for, or the extras that it names.
    named = {
        name for each in everything if each.startswith("welkin") for name in each[:-1].partition("[")[2].split(",")
    }
    if named:
        assert named == found.keys() - {""}
    else:
        assert everything == set().union(*(names for extra, names in found.items() if extra))


def names_of(requirements: list[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", each)[0]).lower() for each in requirements}


def test_the_locked_versions_are_those_of_every_dependency_with_hashes() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = names_of(project["project"]["dependencies"])
    for group in (*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()):
        wanted |= names_of([each for each in group if isinstance(each, str)])
    wanted -= {"welkin-async"}
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    locked = {package["name"]: package.get("version", "") for package in lock["package"]}
    assert wanted <= locked.keys(), "run `nox --session lock`"
    (own,) = [package for package in lock["package"] if package["name"] == "welkin-async"]
    stated = {each["name"] for each in own["metadata"]["requires-dist"]}
    stated |= {each["name"] for group in own["metadata"]["requires-dev"].values() for each in group}
    assert wanted == stated - {"welkin-async"}, "run `nox --session lock`"
    text = (PROJECT / "requirements-dev.txt").read_text(encoding="utf-8")
    entries = re.findall(
        r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)[^\n]*((?:\n    --hash=\S+[^\n]*)*)", text, re.MULTILINE
    )
    assert wanted <= {name for name, _, _ in entries}, "run `nox --session lock`"
    versions: dict[str, set[str]] = {}
    for package in lock["package"]:
        versions.setdefault(package["name"], set()).add(package.get("version", ""))
    for name, version, hashes in entries:
        assert version in versions[name], name
        assert "--hash=sha256:" in hashes, name


def test_the_metadata_tell_version_python_and_licence(metadata: Message) -> None:
    from welkin_async import __version__

    assert metadata["Name"] == "welkin-async"
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert metadata.get_payload()


def test_the_command_exists(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        text = archive.read(name).decode()
    assert "welkin-async = welkin_async.cli:main" in text
    assert "[pytest11]\nwelkin_async_pytest = welkin_async_pytest\n" in text
    if find_spec("typer") is not None:
        assert callable(EntryPoint("welkin-async", "welkin_async.cli:main", "console_scripts").load())


def imported(statement: str, wheel: Path) -> set[str]:
    """The modules a fresh interpreter holds after a statement, the package taken from the wheel."""
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); {statement}; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=wheel.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


OPTIONAL = {"orjson", "uvloop", "typer", "rich", "pyarrow", "filelock", "platformdirs", "jmespath", "pandas", "polars"}
OPTIONAL |= {"opentelemetry", "pydantic", "fastapi"}


@pytest.mark.parametrize(
    "statement",
    [
        "import welkin_async; assert '.whl' in welkin_async.__file__",
        "import welkin_async.bulk",
        "import welkin_async.sandbox",
        "from welkin_async import FileTokenStore",
    ],
)
def test_an_import_pulls_in_no_extra(statement: str, wheel: Path) -> None:
    assert imported(statement, wheel) & OPTIONAL == set()


def test_importing_the_client_imports_neither_server_nor_command(wheel: Path) -> None:
    found = imported("import welkin_async", wheel)
    assert "welkin_async.session" in found
    assert {"welkin_async.sandbox", "welkin_async.cli", "aiohttp.web", "cattrs"} & found <= {"aiohttp.web", "cattrs"}
    assert not any(name.startswith(("pytest", "welkin_async.sandbox.", "welkin_async.cli.")) for name in found)


def test_the_server_imports_nothing_of_the_client(wheel: Path) -> None:
    # Its parent package is run by Python itself, so this looks at the source instead: see `imports`.
    for module, targets in graph().items():
        if module.split(".")[0] == "sandbox":
            assert {target for target in targets if target.split(".")[0] != "sandbox"} == set(), module


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a module imports when it runs, dotted, without the package's own name."""
    package = "welkin_async." + ".".join(path.relative_to(PACKAGE).parts[:-1])

    def walk(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in nodes:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            yield node
            for block in ("body", "orelse", "finalbody"):
                yield from walk(getattr(node, block, []))
            for handler in getattr(node, "handlers", []):
                yield from walk(handler.body)

    for node in walk(ast.parse(path.read_text()).body):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                resolve_name("." * node.level + (node.module or ""), package.rstrip(".")) if node.level else node.module
            )
            assert base is not None
            found = [base]
            if (PACKAGE / Path(*base.split(".")[1:])).is_dir() and base.split(".")[0] == "welkin_async":
                found = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            if name.split(".")[0] == "welkin_async" and name != "welkin_async":
                yield name.removeprefix("welkin_async.")


def graph() -> dict[str, set[str]]:
    return {module_name(path): set(imports(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def test_models_know_records_and_answers_and_nothing_of_the_way_they_travel() -> None:
    for module, targets in graph().items():
        if module.split(".")[0] == "models":
            rooms = {target.split(".")[0] for target in targets}
            assert rooms <= {"models", "wire", "errors"}, module


@pytest.mark.parametrize(
    "pure",
    [
        "errors",
        "http.retry",
        "http.rate_limit.controller",
        "http.rate_limit.growth",
        "http.rate_limit.measurement",
        "http.rate_limit.retry_after",
        "bulk.engine.refused_rows",
        "pagination.styles",
        "wire.codec",
        "wire.dates",
        "wire.structure",
    ],
)
def test_what_is_called_pure_imports_nothing_that_does_io(pure: str) -> None:
    path = PACKAGE.joinpath(*pure.split(".")).with_suffix(".py")
    roots = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    banned = {"socket", "ssl", "anyio", "threading", "subprocess", "pathlib", "os", "time"}
    # It names aiohttp's exceptions and asyncio's timeout; the others have no business with either.
    if pure != "http.retry":
        banned |= {"aiohttp", "asyncio"}
    assert roots & banned == set()
