"""Everything a developer or CI runs, by name: ``nox -l`` lists it."""

from __future__ import annotations

import shutil
import subprocess

import nox

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests", "lint", "types"]

PROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = ["3.11", "3.12", "3.13"]
EXTRAS = ".[speed,cli,parquet,store]"


def group(name: str) -> list[str]:
    """Return the packages of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


def present(version: str) -> bool:
    """Tell whether an interpreter is here and starts: a version manager's stand-in may be on the path and fail."""
    command = shutil.which(f"python{version}")
    return command is not None and subprocess.run([command, "--version"], capture_output=True).returncode == 0


PYTHONS = [version for version in SUPPORTED if present(version)]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests in development mode, with every warning an error."""
    session.install("-e", EXTRAS, *group("test"))
    # What `python -X dev -W error` does, for the processes that share the work as well.
    strict = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}
    # What takes long shows the algorithms, not the interpreter: once is enough.
    first = session.python == PYTHONS[0]
    chosen = "not timing" if first else "not timing and not slow"
    session.run("python", "-m", "pytest", "-m", chosen, "--numprocesses", "4", *session.posargs, env=strict)
    if first:
        session.run("python", "-m", "pytest", "-m", "timing", *session.posargs, env=strict)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, docstrings and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright."""
    session.install("-e", EXTRAS, *group("test"), *group("types"), "nox")
    session.run("mypy")
    session.run("pyright")
    session.run("python", "-m", "pytest", "tests/typing")


@nox.session
def demo(session: nox.Session) -> None:
    """Import generated records into a local server, walk them back, and count."""
    session.install(".[cli,speed]")
    session.run("welkin-async", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare speed side by side with what one would write by hand, and with other clients."""
    session.install("-e", EXTRAS, *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """Call every operation of the API's catalogue on a real socket, and print what is covered."""
    session.install("-e", EXTRAS, *group("test"))
    session.run("python", "-m", "tests.contract", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Import 200 000 rows under faults of every kind, killed twenty times, and count what is on the server."""
    session.install("-e", EXTRAS, *group("test"))
    long = ["--rows", "200000", "--kills", "20", "--outage", "3", "--long-outage", "30"]
    session.run("python", "-m", "tests.soak", *(session.posargs or long))
