"""Runs a comparison: rounds of sides in turn, each in a process of its own on a core of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs

from benchmarks.serving import CLIENT_CORE, certificates, nginx_version, on_core, serving
from benchmarks.shapes import Comparison, Variant
from benchmarks.sides import SIDES

__all__ = ["machine", "missing", "run", "summary", "versions"]

_RECORDS, _WARM = 15_000, 1_000
_PACKAGES = (
    *("aiohttp", "yarl", "multidict", "orjson", "uvloop", "httptools", "attrs", "cattrs"),
    *("welkin", "httpx", "requests", "pyreqwest"),
)
_ROOT = Path(__file__).resolve().parents[1]


def machine() -> dict[str, Any]:
    """Describe the machine without naming it."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release().split('-')[0]}"}


def versions() -> dict[str, str]:
    """Return what took part, by name."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    server = nginx_version()
    if server:
        found["nginx"] = server.removeprefix("nginx/")
    return found


def missing(side: str) -> str | None:
    """Return the package a side lacks, or None."""
    needs: Iterable[str] = SIDES[side].needs if side in SIDES else ()
    return next((name for name in needs if importlib.util.find_spec(name) is None), None)


def _measure(side: str, comparison: Comparison, job: dict[str, Any], trusted: Path | None = None) -> dict[str, float]:
    """Run one side once."""
    if comparison.workload == "import":
        command = ["benchmarks.imports", side]
    else:
        share = SIDES[side].share
        given = {**job, "records": max(1, int(job["records"] * share)), "warm": int(job["warm"] * share)}
        command = ["benchmarks.sides", side, comparison.workload, json.dumps(given)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(_ROOT)}
    if trusted is not None:
        environment["SSL_CERT_FILE"] = str(trusted)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an import is measured as it is from the second time on
    with on_core(CLIENT_CORE):
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, env=environment, timeout=900, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{side} failed at {comparison.workload}:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run(
    comparison: Comparison, *, rounds: int, scale: float = 1.0, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Run a comparison.

    Args:
        comparison: What to run.
        rounds: How often each side is measured; sides take turns, in alternating order.
        scale: Of the records, how many: below 1 for a look rather than a figure.
        say: Told about progress.

    Returns:
        What goes into the JSON file.
    """
    absent = {side: lacking for side in comparison.sides if (lacking := missing(side))}
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    if comparison.workload == "import":
        for side in comparison.sides:
            _measure(side, comparison, {})  # leaves the compiled files behind
    for name, variant in comparison.variants.items():
        sides = [side for side in variant.sides or comparison.sides if side not in absent]
        results[name] = {side: [] for side in sides}
        for number in range(rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                # A server for each, so that no side finds what another left behind.
                with contextlib.ExitStack() as stack:
                    trusted, certificate = stack.enter_context(certificates()) if variant.tls else (None, None)
                    url = stack.enter_context(
                        serving(
                            comparison.server,
                            latency=comparison.latency,
                            total=comparison.pages,
                            options=variant.options,
                            certificate=certificate,
                        )
                    )
                    results[name][side].append(_measure(side, comparison, _job(variant, url, scale), trusted))
            say(f"  {name or comparison.workload}: round {number + 1} of {rounds}")
    return {
        "title": comparison.title,
        "note": comparison.note,
        "base": comparison.base,
        "metric": comparison.metric,
        "rounds": rounds,
        "absent": absent,
        "results": results,
        "conditions": _conditions(comparison, results),
    }


def _job(variant: Variant, url: str, scale: float) -> dict[str, Any]:
    job = {"records": _RECORDS, "warm": _WARM, **variant.job, "base_url": url}
    job["records"] = max(200, int(job["records"] * scale))
    return job


def _conditions(comparison: Comparison, results: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for condition in comparison.conditions:
        try:
            value = condition.figure(results)
        except KeyError:
            continue  # a side is not installed
        told = attrs.asdict(condition, filter=lambda attribute, _: attribute.name != "figure")
        found.append({**told, "value": value, "met": condition.met(value)})
    return found


def summary(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
