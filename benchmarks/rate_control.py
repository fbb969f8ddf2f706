"""``python -m benchmarks.rate_control``: the rate controller against simulated servers, beside a loop with back-off.

Everything is simulated, so the figures do not depend on the machine: a seed gives the same ones everywhere. They are
kept in `benchmarks/rate_control.json`; table and picture for `docs/performance.md` are drawn from that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from benchmarks.rate_cases import CASES, Case, Figures, measure
from benchmarks.svg import shares

__all__ = ["RESULTS", "failures", "main", "markdown", "picture", "summary"]

RESULTS = Path(__file__).with_name("rate_control.json")
SIDES = ("controller", "by hand")
_WITHIN, _FIRST = 5.0, 2.0  # seconds: to nine tenths of a new speed, and to the first row after an outage


def _one(job: tuple[str, str, int]) -> Figures:
    return measure(*job)


def summary(runs: Sequence[Figures]) -> dict[str, float]:
    """Return what a case came to over its seeds.

    Args:
        runs: One for each seed.
    """
    return {
        "median": statistics.median(run.share for run in runs),
        "worst": min(run.share for run in runs),
        "refused": statistics.median(run.refused for run in runs),
        "most_refused": max(run.refused for run in runs),
        "requests_refused": statistics.median(run.requests_refused for run in runs),
        "reached": max(run.reached for run in runs),
        "first": max(run.first for run in runs),
    }


def failures(case: Case, found: Mapping[str, float]) -> list[str]:
    """Return which bounds a case does not keep, as text.

    Args:
        case: What must be shown.
        found: Its `summary`.
    """
    bounds = [
        ("share in the median", found["median"], case.median, True),
        ("share in the worst", found["worst"], case.worst, True),
        ("share refused", found["refused"], case.refused, False),
        ("seconds to the new speed", found["reached"], _WITHIN, False),
        ("seconds to the first row", found["first"], _FIRST, False),
    ]
    return [
        f"{what}: {value:.3f}, {'at least' if least else 'at most'} {bound:g}"
        for what, value, bound, least in bounds
        if (value < bound if least else value > bound)
    ]


def markdown(kept: Mapping[str, Any]) -> str:
    """Return the table of the figures kept.

    Args:
        kept: The JSON file's content.
    """
    rows = [
        "| server | share of the possible: median, worst | bound | refused | bound | new speed after "
        "| by hand: share | refused |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, result in kept["cases"].items():
        ours, theirs, bounds = result["controller"], result["by hand"], result["bounds"]
        reached = f"{ours['reached']:.0f} s" if bounds["changes"] else ""
        rows.append(
            f"| {name} | {ours['median']:.3f}, {ours['worst']:.3f} | {bounds['median']:.2f}, {bounds['worst']:.2f} "
            f"| {ours['refused']:.1%} | {bounds['refused']:.1%} | {reached} "
            f"| {theirs['median']:.3f} | {theirs['refused']:.1%} |"
        )
    return "\n".join(rows)


def picture(kept: Mapping[str, Any]) -> str:
    """Draw the share of all requests that is wasted, by server.

    Args:
        kept: The JSON file's content.
    """
    found = {name: {side: result[side]["refused"] for side in SIDES} for name, result in kept["cases"].items()}
    return shares(found, "Share of the requests refused, by server")


def _run(names: Sequence[str], seeds: int) -> dict[str, Any]:
    jobs = [(name, side, seed) for name in names for side in SIDES for seed in range(seeds)]
    with ProcessPoolExecutor() as pool:
        runs = dict(zip(jobs, pool.map(_one, jobs, chunksize=2), strict=True))
    cases: dict[str, Any] = {}
    for name in names:
        case = CASES[name]
        found = {side: summary([runs[name, side, seed] for seed in range(seeds)]) for side in SIDES}
        bounds = attrs.asdict(case, filter=lambda attribute, _: attribute.name in ("median", "worst", "refused"))
        bounds["changes"] = bool(case.changes or case.back)
        cases[name] = {**found, "bounds": bounds, "failures": failures(case, found["controller"])}
    return {"seeds": seeds, "cases": cases}


def main(arguments: list[str] | None = None) -> int:
    """Run the cases; the exit code is 1 where a bound is not kept.

    Args:
        arguments: Command line; None reads the process' own.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rate_control", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TEXT", help="cases whose name contains it; all by default")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each case (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where figures are kept (%(default)s)")
    options = parser.parse_args(arguments)
    names = [name for name in CASES if not options.names or any(text in name for text in options.names)]
    kept = _run(names, options.seeds)
    print(markdown(kept))
    failed = {name: result["failures"] for name, result in kept["cases"].items() if result["failures"]}
    for name, found in failed.items():
        print(f"NOT MET: {name}: {'; '.join(found)}")
    if not options.names:
        options.output.write_text(json.dumps(kept, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
