"""What is compared with what, over which server, and what it must show."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.shapes import Comparison, Condition, Results, Variant

__all__ = ["COMPARISONS"]


def _speed(side: str, base: str, variant: str = "") -> Callable[[Results], float]:
    """Throughput per CPU second, side over base: the median of what each round says."""
    return lambda results: statistics.median(
        ours["cpu_us"] and theirs["cpu_us"] / ours["cpu_us"]
        for ours, theirs in zip(results[variant][side], results[variant][base], strict=True)
    )


def _median(results: Results, variant: str, side: str, metric: str) -> float:
    return statistics.median(each[metric] for each in results[variant][side])


def _figure(side: str, metric: str, variant: str = "", scale: float = 1.0) -> Callable[[Results], float]:
    return lambda results: scale * _median(results, variant, side, metric)


def _growth(metric: str, side: str, variants: Sequence[str]) -> Callable[[Results], float]:
    """The dearest setting over the cheapest, for a side."""

    def figure(results: Results) -> float:
        values = [_median(results, variant, side, metric) for variant in variants]
        return max(values) / min(values)

    return figure


def _increase(side: str, low: str, high: str, metric: str) -> Callable[[Results], float]:
    return lambda results: _median(results, high, side, metric) - _median(results, low, side, metric)


def _used(variant: str, share: float, refused: float) -> tuple[Condition, Condition]:
    """How much of what is allowed is used, and how much of what is sent is refused, at a count of rows."""
    return (
        Condition(f"throttled, {variant}: share of what is allowed", _figure("sdk", "share", variant), share),
        Condition(
            f"throttled, {variant}: share of requests refused",
            _figure("sdk", "refused", variant),
            refused,
            at_most=True,
        ),
    )


_OURS = ("hand", "sdk", "hand-speed", "sdk-speed")
_FAST = ("hand-speed", "hand-tuned", "sdk-speed", "sdk-direct", "pyreqwest", "bare")
_ALL = (*_OURS, "hand-tuned", "sdk-direct", "pyreqwest", "bare", "peer", "peer-threads", "httpx", "requests")
_LATE = {"records": 40_000, "warm": 2_000, "concurrency": 256}
_IDEAL = 256 / 0.05
_ROWS = {f"rows {rows}": Variant({"records": rows}) for rows in (2_000, 10_000, 50_000)}
_PATIENTS = {f"patients {count}": Variant({"patients": count}) for count in (1, 100, 5_000, 20_000)}
_TASKS = {
    f"tasks {count}": Variant({"concurrency": count, "warm": 2 * count, "records": 20_000})
    for count in (64, 256, 1024, 4096)
}
_HTTPS = Variant(sides=_FAST, tls=True)
_THROTTLED = {"seconds": 20.0, "rate": 200.0}

COMPARISONS: Mapping[str, Comparison] = {
    "create": Comparison(
        title="Creating records in bulk, 64 at a time",
        workload="create",
        sides=(*_ALL, "sdk-direct-stock"),
        base="hand",
        variants={"": Variant(), "https": _HTTPS},
        conditions=(
            Condition("bulk create, stock loop, over aiohttp by hand with json", _speed("sdk", "hand"), 0.95, 1.0),
            Condition(
                "bulk create with speed, over aiohttp by hand on uvloop + orjson",
                _speed("sdk-speed", "hand-speed"),
                0.80,
                0.90,
            ),
            Condition("bulk create with speed, over the sync peer", _speed("sdk-speed", "peer"), 8.0, 10.0),
            *(
                Condition(f"bulk create, direct, over {what}", _speed("sdk-direct", base), bound, goal)
                for what, base, bound, goal in (
                    ("aiohttp by hand on uvloop + orjson", "hand-speed", 2.2, 2.5),
                    ("the same, tuned", "hand-tuned", 1.8, None),
                    ("pyreqwest", "pyreqwest", 1.1, 1.3),
                    ("the sync peer", "peer", 22.0, None),
                )
            ),
            Condition(
                "bulk create, direct on the stock loop, over aiohttp by hand with json",
                _speed("sdk-direct-stock", "hand"),
                2.8,
            ),
            Condition(
                "bulk create over https, direct, over aiohttp by hand on uvloop + orjson",
                _speed("sdk-direct", "hand-speed", "https"),
                1.8,
            ),
        ),
    ),
    "create-single": Comparison(
        title="Creating records one by one, from 64 tasks",
        workload="create_single",
        sides=_ALL,
        base="hand",
        conditions=(
            Condition(
                "single creates, direct, over aiohttp by hand on uvloop + orjson",
                _speed("sdk-direct", "hand-speed"),
                2.0,
            ),
        ),
        note="The SDK binds the patient and the CDT anew for each record: the dearest way to use it.",
    ),
    "get": Comparison(
        title="Reading patients, from 64 tasks",
        workload="get",
        sides=_ALL,
        base="hand",
        variants={"": Variant(), "https": _HTTPS},
        conditions=(
            Condition(
                "reads, direct, over aiohttp by hand on uvloop + orjson", _speed("sdk-direct", "hand-speed"), 2.1
            ),
        ),
    ),
    "walk": Comparison(
        title="Walking a list, looking at two fields of each record",
        workload="walk",
        pages=20_000,
        sides=tuple(side for side in _ALL if side != "peer-threads"),
        base="hand-speed",
        variants={"size 20": Variant({"size": 20}), "size 200": Variant({"size": 200})}
        | {f"https, size {size}": Variant({"size": size}, sides=_FAST, tls=True) for size in (20, 200)},
        conditions=tuple(
            Condition(
                f"walking typed records, {size} a page{how}, over aiohttp + orjson untyped",
                _speed(side, "hand-speed", f"size {size}"),
                bound,
            )
            for side, how, size, bound in (
                ("sdk-speed", "", 20, 0.85),
                ("sdk-speed", "", 200, 0.85),
                ("sdk-direct", ", direct", 20, 1.15),
                ("sdk-direct", ", direct", 200, 1.0),
            )
        ),
    ),
    "latency": Comparison(
        title="A server that takes 50 ms, 256 at a time",
        workload="create",
        sides=_OURS,
        base="hand",
        metric="per_s",
        variants={"": Variant(_LATE)},
        latency=0.05,
        conditions=tuple(
            Condition(f"{side}: share of the ideal of {_IDEAL:.0f}/s", _figure(side, "per_s", scale=1 / _IDEAL), 0.95)
            for side in ("sdk", "sdk-speed")
        ),
    ),
    "loop-share": Comparison(
        title="A service that reads 500 patients a second, beside a task that wants to run every 10 ms",
        workload="loop_share",
        sides=_FAST,
        base="hand-speed",
        metric="late_p99_ms",
        variants={"": Variant({"seconds": 10.0, "rate": 500.0})},
        conditions=(
            Condition(
                "p99 of the task's lateness, direct, over the best of the other clients",
                lambda results: (
                    _median(results, "", "sdk-direct", "late_p99_ms")
                    / min(
                        _median(results, "", side, "late_p99_ms")
                        for side in results[""]
                        if side not in ("sdk-direct", "sdk-speed", "bare")
                    )
                ),
                1.0,
                at_most=True,
            ),
        ),
        note=(
            "How late the task is shows how long the client holds the loop, and its processor, at a time. A timer of "
            "the kernel wakes it: those of event loops are of whole milliseconds."
        ),
    ),
    "throttle": Comparison(
        title="A server that allows 200 requests a second, 20 seconds, the first two left out",
        workload="throttle",
        sides=("hand", "sdk"),
        base="hand",
        metric="share",
        server="sandbox",
        variants={
            "12,000 rows": Variant({"records": 12_000, "rate": 200.0}, ("--rate=200", "--latency=0.02")),
            "3,000 rows": Variant({"records": 3_000, "rate": 200.0}, ("--rate=200", "--latency=0.02")),
            "by the second": Variant(_THROTTLED, ("--rate=200",)),
            "bucket of 20": Variant(_THROTTLED, ("--rate=200", "--burst=20")),
            "bucket of 20, no Retry-After": Variant(_THROTTLED, ("--rate=200", "--burst=20", "--retry-after=none")),
        },
        conditions=(
            *_used("12,000 rows", 0.95, 0.03),
            *_used("3,000 rows", 0.92, 0.05),
        ),
    ),
    "chance": Comparison(
        title="A server that refuses four requests of a hundred by chance, no Retry-After, 50 ms, 64 at a time",
        workload="chance",
        sides=("hand", "sdk"),
        base="hand",
        metric="per_s",
        server="sandbox",
        # With 20 ms the sandbox has no time left on a core of its own, and it is the server that is measured.
        variants={"": Variant({"records": 6_000, "chance": 0.04}, ("--latency=0.05",))},
        conditions=(
            Condition(
                "refused by chance: rows a second, over a loop with back-off per request",
                lambda results: _median(results, "", "sdk", "per_s") / _median(results, "", "hand", "per_s"),
                1.0,
            ),
        ),
    ),
    "token": Comparison(
        title="A cold start, and tokens that live four seconds under load",
        workload="token",
        sides=("hand", "sdk"),
        base="hand",
        metric="longest_ms",
        server="sandbox",
        variants={"": Variant({"seconds": 10.0}, ("--token-life=4",))},
        conditions=(
            Condition("token requests in ten seconds of four-second tokens", _figure("sdk", "tokens"), 5, at_most=True),
            Condition("rows lost to an expired token", _figure("sdk", "lost"), 0, at_most=True),
        ),
    ),
    "journal": Comparison(
        title="Creating records in bulk, with a journal and without",
        workload="create",
        sides=("sdk-speed", "sdk-journal"),
        base="sdk-speed",
        conditions=(Condition("with a journal, over without", _speed("sdk-journal", "sdk-speed"), 0.90),),
        note="The source is known by a file's digest; rows from any iterable are hashed one by one besides.",
    ),
    "memory": Comparison(
        title="Peak memory against rows",
        workload="memory",
        sides=("hand-speed", "sdk-speed", "sdk-direct", "sdk-journal"),
        base="hand-speed",
        metric="peak_mb",
        variants={f"rows {rows}": Variant({"records": rows, "warm": 0}) for rows in (10_000, 100_000, 1_000_000)},
        conditions=tuple(
            Condition(
                f"{side}: MB more at the peak with 1 000 000 rows than with 10 000",
                _increase(side, "rows 10000", "rows 1000000", "peak_mb"),
                10.0,
                at_most=True,
            )
            for side in ("sdk-speed", "sdk-direct", "sdk-journal")
        ),
    ),
    "import-time": Comparison(
        title="Importing",
        workload="import",
        sides=("aiohttp", "welkin_async"),
        base="aiohttp",
        metric="cpu_ms",
        server="none",
        conditions=(
            Condition(
                "processor ms of `import welkin_async` beyond `import aiohttp`",
                lambda results: (
                    _median(results, "", "welkin_async", "cpu_ms") - _median(results, "", "aiohttp", "cpu_ms")
                ),
                40.0,
                at_most=True,
            ),
        ),
    ),
    "decode": Comparison(
        title="From an answer's bytes to a record; the SDK reads three typed fields of it, two of them dates",
        workload="decode",
        sides=_OURS,
        base="hand",
        server="none",
        variants={kind: Variant({"kind": kind}) for kind in ("cdt", "patient", "encounter")},
    ),
    "scaling": Comparison(
        title="Cost per record against rows, patients and concurrent tasks",
        workload="create",
        sides=("hand-speed", "sdk-speed"),
        base="hand-speed",
        variants={**_ROWS, **_PATIENTS, **_TASKS},
        conditions=(
            Condition(
                "dearest over cheapest record, 2 000 to 50 000 rows",
                _growth("cpu_us", "sdk-speed", tuple(_ROWS)),
                1.15,
                at_most=True,
            ),
            Condition(
                "1 to 20 000 patients: share of the by-hand loop's speed at 20 000 over that at 1",
                lambda results: (
                    _speed("sdk-speed", "hand-speed", "patients 20000")(results)
                    / _speed("sdk-speed", "hand-speed", "patients 1")(results)
                ),
                0.90,
            ),
            Condition(
                "64 to 4 096 tasks: share of the by-hand loop's speed at 4 096 over that at 64",
                lambda results: (
                    _speed("sdk-speed", "hand-speed", "tasks 4096")(results)
                    / _speed("sdk-speed", "hand-speed", "tasks 64")(results)
                ),
                0.90,
            ),
        ),
        note="A connection costs the kernel and aiohttp something of its own, and a patient a URL, by hand as well.",
    ),
}
"""Every comparison, by the name the command line uses."""
