"""``python -m tests.hostile --seconds 600`` runs random trials and prints what is wrong; exit code 1 where anything is.

A seed stands for a batch of trials: ``--seed 7 --only 3`` repeats one of them. So does ``--trial`` with what was
printed of it, which may be made simpler first.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from welkin_async.sandbox import Alteration, Fault

from .batch import draw, run_all
from .hostile_server import Hostility
from .trial import Trial

_LONG = 20.0  # seconds; a trial that takes longer is printed, right or not


def main() -> int:
    """Run by the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description="Judge imports into hostile servers.")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long; the last batch is run to its end")
    parser.add_argument("--seed", type=int, default=1, help="the first batch")
    parser.add_argument("--only", type=int, help="one trial of that batch alone")
    parser.add_argument("--trial", help="the expression of a trial, to be run alone")
    parser.add_argument("--times", type=int, default=1, help="how often that one trial is run")
    parser.add_argument("--at-once", type=int, default=6, help="trials beside each other")
    options = parser.parse_args()
    if options.only is not None:
        return _repeat(draw(options.seed)[options.only], options.times)
    if options.trial is not None:
        names = {each.__name__: each for each in (Trial, Hostility, Fault, Alteration)}
        return _repeat(eval(options.trial, names), options.times)
    began, seed, counts, wrong = time.monotonic(), options.seed, Counter[str](), 0
    while time.monotonic() < began + options.seconds:
        trials = draw(seed)
        for number, result in enumerate(run_all(trials, options.at_once)):
            counts += result.counts
            counts["trials"] += 1
            if result.findings or result.seconds > _LONG:
                wrong += bool(result.findings)
                _say(f"--seed {seed} --only {number}: {trials[number]}", *map(_indented, result.findings[:8]))
                _say(_indented(f"{result.seconds:.1f} s"))
        _say(f"{time.monotonic() - began:6.0f} s, seed {seed}: {counts['trials']} trials, {wrong} with findings")
        seed += 1
    _say(*_lines(counts))
    return 1 if wrong else 0


def _repeat(trial: Trial, times: int) -> int:
    _say(str(trial))
    wrong, counts = 0, Counter[str]()
    for result in run_all([trial] * times):
        _say(*map(_indented, result.findings))
        wrong += bool(result.findings)
        counts += result.counts
    _say(f"{wrong} of {times} times with findings", *_lines(counts))
    return 1 if wrong else 0


def _lines(counts: Counter[str]) -> list[str]:
    return [f"{name:<16}{count:>10}" for name, count in sorted(counts.items())]


def _indented(text: str) -> str:
    return f"    {text}"


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
