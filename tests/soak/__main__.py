"""``python -m tests.soak --rows 200000 --kills 20`` prints figures; exit code 1 where a row is lost or doubled."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import attrs

from .run import Figures, Soak


def main() -> int:
    """Run a soak by the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Import under faults and SIGKILL.")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--bad", type=float, default=0.0, help="share of bad rows, mended and imported afterwards")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests per second that the server allows")
    parser.add_argument("--settle", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, help="keep the files here")
    options = vars(parser.parse_args())
    folder = options.pop("folder")
    with tempfile.TemporaryDirectory() as temporary:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        soak = Soak(folder=folder or Path(temporary), quiet=False, **options)
        figures = asyncio.run(soak.run())
    _print(figures)
    return 1 if figures.lost or figures.doubled else 0


def _print(figures: Figures) -> None:
    values = attrs.asdict(figures)
    summary = values.pop("summary")
    for name in ("seconds", "memory"):
        values[name] = f"{values[name]:,.1f}"
    lines = [f"{name:<12}{value:>12}" for name, value in values.items()]
    lines += [f"the last run: {name} {summary.get(name)}" for name in ("created", "adopted", "doubled", "lookups")]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
