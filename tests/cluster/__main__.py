"""``python -m tests.cluster`` plays scenes at full size and prints figures; exit code 1 where a promise is broken."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .nodes import alone, environment

_FULL: Mapping[str, Any] = {"rows": 20_000, "patients": 400, "chunk": 1000}
SCENES: Mapping[str, Mapping[str, Any]] = {
    "kills": {**_FULL, "kill_worker": 0.2, "kill_node": 0.5},
    "faults": {**_FULL, "faults": True, "kill_worker": 0.2, "kill_node": 0.5},
    "stops": {**_FULL, "stops": 10, "rate": 250.0},
    "store-silent": {**_FULL, "chunk": 500, "store": "redis", "store_silent": 10.0, "rate": 250.0, "lease": 30.0},
    "store-killed": {**_FULL, "store": "redis", "store_away": 10.0, "rate": 250.0},
}
"""A worker and a node killed; the same with five creates of a hundred gone wrong; ten workers stopped past their
lease; a store that answers nothing for ten seconds, within leases; one that is killed, after which leases are void."""

_USED = 0.7  # of the rate, at least, where the store answers nothing for ten of about ninety seconds


def broken(name: str, figures: Mapping[str, Any]) -> list[str]:
    """The promises that do not hold.

    Args:
        name: Of the scene.
        figures: What came of it.
    """
    scene, report = SCENES[name], figures["report"]
    kinds = {
        "kill_worker": "worker killed",
        "kill_node": "node killed",
        "store_away": "store killed",
        "store_silent": "store stopped",
    }
    expected = {kind: 1 for key, kind in kinds.items() if key in scene}
    expected |= {"worker stopped": scene["stops"]} if "stops" in scene else {}
    promises = {
        "the trouble was made": figures["trouble"] == expected,
        "nothing failed": not figures["error"],
        "no row is lost": not figures["lost"],
        "no row is doubled": not figures["doubled"],
        "what is reported as created is what the server holds": report["created"] == figures["held"],
        "the report is complete": report["complete"],
        "faults were met": bool(figures["faults"]) == ("faults" in scene),
        f"{_USED:.0%} of the rate was used": not name.startswith("store-") or figures["used"] >= _USED,
    }
    return [promise for promise, holds in promises.items() if not holds]


def main() -> int:
    """Play the scenes that are named, all of them by default."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster", description="Import on a Ray cluster of two nodes."
    )
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"any of {', '.join(SCENES)}")
    command = alone()
    if command is None:
        raise SystemExit("namespaces (unshare) are not allowed here")
    failed = False
    for name in parser.parse_args().scenes or SCENES:
        done = subprocess.run(
            [*command, sys.executable, "-m", "tests.cluster.scene", json.dumps(SCENES[name])],
            cwd=Path(__file__).parents[2],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        figures = json.loads(done.stdout.splitlines()[-1])
        report = figures.pop("report")
        shown = {**figures, **{key: report[key] for key in ("created", "adopted", "takeovers", "complete")}}
        shown.pop("progress")
        shown["by_second"] = " ".join(map(str, shown["by_second"]))
        sys.stdout.write(f"{name}\n" + "".join(f"    {key:<16}{value}\n" for key, value in shown.items()))
        found = broken(name, {**figures, "report": report})
        sys.stdout.write("".join(f"BROKEN: {promise}\n" for promise in found))
        sys.stdout.flush()
        failed = failed or bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
