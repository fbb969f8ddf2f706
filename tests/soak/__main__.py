"""``python -m tests.soak --rows 200000 --kills 20`` prints figures; exit code 1 where a promise does not hold."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from .run import Figures, Soak
from .trouble import LATER, calm, cuts, dense, late, strays

_HOSTILE: Mapping[str, Any] = {"kills": 2, "calm": None, "outage": None, "storm": None, "final_settle": 10.0}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # A fault in 15 creates of 100, and a stall that outlasts the timeout by less than the import waits for a record.
    "faults": {
        "rows": 4000,
        "kills": 0,
        "script": dense,
        "timeout": 5.0,
        "stall": 8.0,
        "token_life": 20.0,
        "concurrency": 64,
        "calm": None,
        "final_settle": 10.0,
    },
    # So slow a server that every kill leaves creates behind that were not answered.
    "kills": {
        "rows": 3000,
        "kills": 6,
        "script": calm,
        "latency": 0.05,
        "calm": None,
        "outage": None,
        "storm": None,
        "final_settle": 10.0,
    },
    "late": {
        "rows": 2000,
        "kills": 0,
        "script": late,
        "doubles": 5,
        "calm": None,
        "outage": None,
        "storm": None,
        "final_settle": LATER + 4.0,
    },
    # One backend of four is twenty minutes behind.
    "skew": {**_HOSTILE, "rows": 4000, "script": cuts, "skew": -1200.0},
    # Lists are a second behind at first, and a second more every five seconds.
    "growing-lag": {
        **_HOSTILE,
        "rows": 3000,
        "script": cuts,
        "lag": 1.0,
        "growth": 0.2,
        "rate": 150.0,
        "final_settle": 20.0,
    },
    "strays": {**_HOSTILE, "rows": 4000, "script": strays},
    # Half of the kills take the journal along, as with a container that has no disk of its own.
    "journal-lost": {"rows": 6000, "kills": 10, "forget": 0.5, "calm": None, "storm": None},
}
"""Runs that reproduce what is promised."""


def main() -> int:
    """Run a soak by the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Import under faults and SIGKILL.")
    parser.add_argument("--preset", choices=PRESETS, help="one of the runs whose figures are promised")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--bad", type=float, default=0.0, help="share of bad rows, mended and imported afterwards")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests per second that the server allows")
    parser.add_argument("--settle", type=float, default=5.0)
    parser.add_argument("--outage", type=float, default=3.0, metavar="SECONDS", help="how long outages last")
    parser.add_argument("--long-outage", type=float, metavar="SECONDS", help="how long one of them lasts")
    parser.add_argument("--engine", choices=("aiohttp", "direct"), help="in place of both in turn")
    parser.add_argument("--folder", type=Path, help="keep the files here")
    parser.set_defaults(**PRESETS.get(parser.parse_known_args()[0].preset, {}))
    options = vars(parser.parse_args())
    options.pop("preset")
    folder = options.pop("folder")
    if engine := options.pop("engine"):
        options["engines"] = (engine,)
    with tempfile.TemporaryDirectory() as temporary:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        soak = Soak(folder=folder or Path(temporary), quiet=False, **options)
        figures = asyncio.run(soak.run())
    _print(figures)
    broken = soak.broken(figures)
    sys.stdout.write("".join(f"BROKEN: {promise}\n" for promise in broken))
    return 1 if broken else 0


def _print(figures: Figures) -> None:
    values = attrs.asdict(figures)
    summary, met = values.pop("summary"), values.pop("met")
    values["refused"] = " ".join(map(str, values["refused"]))
    values["statuses"] = ", ".join(f"{count} x {status}" for status, count in values["statuses"].items())
    values["faulty"] = f"{values['faulty']:.1%}"
    for name in ("seconds", "row_seconds", "memory"):
        values[name] = f"{values[name]:,.1f}"
    lines = [f"{name:<12}{value:>12}" for name, value in values.items()]
    lines += [f"the last run: {name} {summary.get(name)}" for name in ("created", "adopted", "doubled", "lookups")]
    lines += [f"met {times:>6} x {name}" for name, times in met.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
