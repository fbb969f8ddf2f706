"""``python -m benchmarks.report``: ``docs/performance.md`` and its pictures, from the figures of the last run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import rate_control
from benchmarks.svg import bars, curves
from benchmarks.tables import markdown_table

__all__ = ["main", "page", "rate_section"]

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_RESULTS = Path(__file__).with_name("results.json")

_INTRODUCTION = """\
# Performance

The question a user with many records asks: would the loop I write on aiohttp myself be faster? Each table here comes
from one run of `benchmarks/`, sides beside each other: each in a process of its own, server and client on a core each
where the system allows it, sides taking turns, medians over the rounds. CPU microseconds per record are those of the
whole client process; throughput per CPU second is their inverse. A condition's ratio is the median of what each round
says; the tables' last column compares medians. Ratios hold from machine to machine, absolute figures do not.

`welkin_async` keeps tokens, limits, retries and outcomes, checks each row before it is sent and each answer for fields
lost in silence; the loops written by hand do nothing of this. "By hand" is the loop a good engineer writes: one
session, N workers over one iterator; with uvloop and orjson it is the same loop on both. "Tuned" is that loop after
somebody who knows aiohttp from inside has been at it: bodies as bytes, URL objects kept, headers made once, no cookies,
no redirects, no total timer.

## Reproduce

```sh
python -m pip install -e ".[speed]" welkin requests httpx pyreqwest trustme  # what is missing is left out
python -m benchmarks                                           # or: python -m benchmarks create walk
python -m benchmarks.rate_control                              # simulated: the same figures everywhere
python -m benchmarks.report                                    # draws this page
```

nginx with canned answers is the server where it is installed, else a canned server of our own on uvloop. Figures go to
`benchmarks/results.json`. `tests/test_cost_guard.py` holds function calls per record to a recorded bound in CI.
"""

_RATE_CONTROL = """\
## rate control

The rate controller against simulated servers: 64 workers unless it says otherwise, {seeds} seeds each, the start
included. By hand is a loop whose workers each wait for their own request: Retry-After, else a jittered back-off. What
is possible is what the limit allows, or the undisturbed speed. A row or a patient that is never accepted may cost the
others a fifth of the time and two seconds; their share is of that. `python -m benchmarks.rate_control` gives the same
figures on every machine.
"""


def page(kept: Mapping[str, Any], pictures: Mapping[str, str], remark: str = "") -> str:
    """Write the page.

    Args:
        kept: The JSON file's content.
        pictures: File names by comparison.
        remark: What is to be known of the machine, in a sentence or two.
    """
    machine, versions = kept["machine"], kept["versions"]
    parts = [
        _INTRODUCTION,
        "## Where this was measured\n",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".\n",
        *([f"{remark}\n"] if remark else []),
        _conditions(kept["comparisons"]),
    ]
    for name, result in kept["comparisons"].items():
        parts.append(f"## {name}\n\n{result['title']}. {result['rounds']} rounds.{_note(result)}\n")
        if name in pictures:
            parts.append(f"![{result['title']}]({pictures[name]})\n")
        parts.append(markdown_table(result) + "\n")
    return "\n".join(parts)


def rate_section(kept: Mapping[str, Any], picture: str) -> str:
    """Write the section about rate control.

    Args:
        kept: The content of its JSON file.
        picture: Its file name.
    """
    shown = f"![Share of the requests refused, by server]({picture})"
    return "\n".join([_RATE_CONTROL.format(seeds=kept["seeds"]), shown, "", rate_control.markdown(kept), ""])


def _note(result: Mapping[str, Any]) -> str:
    return f" {result['note']}" if result["note"] else ""


def _conditions(comparisons: Mapping[str, Any]) -> str:
    """Put what was to be shown beside what was found."""
    rows = ["## What it must show\n", "| condition | found | bound | goal | |", "| :-- | --: | --: | --: | :-- |"]
    for result in comparisons.values():
        for each in result["conditions"]:
            sign = "at most" if each["at_most"] else "at least"
            goal = "" if each["goal"] is None else f"{each['goal']:g}"
            state = "met" if each["met"] else "**not met**"
            rows.append(f"| {each['text']} | {each['value']:.3g} | {sign} {each['bound']:g} | {goal} | {state} |")
    return "\n".join(rows) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Draw page and pictures.

    Args:
        arguments: Command line; None reads the process' own.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--results", type=Path, default=_RESULTS, help="the figures (%(default)s)")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="where the page goes (%(default)s)")
    parser.add_argument("--remark", default="", help="what is to be known of the machine")
    options = parser.parse_args(arguments)
    kept: dict[str, Any] = json.loads(options.results.read_text())
    pictures = {}
    for name, draw in (("create", bars), ("create-single", bars), ("get", bars), ("scaling", curves)):
        if name in kept["comparisons"]:
            pictures[name] = f"performance-{name}.svg"
            (options.docs / pictures[name]).write_text(draw(kept["comparisons"][name]))
    text = page(kept, pictures, options.remark)
    if rate_control.RESULTS.exists():
        simulated = json.loads(rate_control.RESULTS.read_text())
        (options.docs / "performance-rate.svg").write_text(rate_control.picture(simulated))
        text += "\n" + rate_section(simulated, "performance-rate.svg")
    (options.docs / "performance.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
