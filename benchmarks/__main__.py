"""``python -m benchmarks [NAME ...]``: run comparisons, print their tables, and keep the figures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.comparisons import COMPARISONS
from benchmarks.runner import machine, run, versions
from benchmarks.tables import condition_lines, text_table

__all__ = ["main"]

RESULTS = Path(__file__).with_name("results.json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMPARISONS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="times each side is measured (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the records, for a look (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where figures are kept (%(default)s)")
    return parser


def _earlier(path: Path, told: dict[str, Any]) -> dict[str, Any]:
    """Return the figures kept before, unless they are another machine's or other versions'."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    same = all(kept.get(key) == value for key, value in told.items())
    return dict(kept["comparisons"]) if same else {}


def main(arguments: list[str] | None = None) -> int:
    """Run what was named; the exit code is 1 where a condition is not met.

    Args:
        arguments: Command line; None reads the process' own.
    """
    options = _parser().parse_args(arguments)
    unknown = set(options.names) - COMPARISONS.keys()
    if unknown:
        sys.stderr.write(f"no such comparison: {', '.join(sorted(unknown))}; there are {', '.join(COMPARISONS)}\n")
        return 2
    told = {"machine": machine(), "versions": versions()}
    comparisons = _earlier(options.output, told)
    print(", ".join(f"{name} {version}" for name, version in told["versions"].items()))
    print(", ".join(str(value) for value in told["machine"].values()))
    met = True
    for name in options.names or COMPARISONS:
        print(f"\n{name}: {COMPARISONS[name].title}", flush=True)
        result = run(
            COMPARISONS[name],
            rounds=options.rounds,
            scale=options.scale,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
        comparisons[name] = result
        print(text_table(result))
        print(condition_lines(result), flush=True)
        met = met and all(condition["met"] for condition in result["conditions"])
        ordered = {each: comparisons[each] for each in COMPARISONS if each in comparisons}
        options.output.write_text(json.dumps({**told, "comparisons": ordered}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
