"""The rate controller against simulated servers, with fixed seeds: the table of the benchmark, with its bounds."""

from __future__ import annotations

import random
import statistics
from functools import partial

import pytest

from benchmarks.rate_cases import CASES, measure
from benchmarks.rate_control import failures, markdown, picture, summary
from benchmarks.simulated_servers import AtMost, Bucket, Chance, Server, WindowFromFirst
from benchmarks.simulation import ByHand, Controlled, simulate

SEEDS = (0, 1)
FAST = frozenset(  # those that take well below a second
    {
        "window of 1 s, Retry-After",
        "window of 1 s",
        "sliding log, Retry-After",
        "sliding log",
        "bucket of 20, Retry-After",
        "bucket of 20",
        "bucket of 200, Retry-After",
        "bucket of 200",
        "bucket of 1, Retry-After",
        "bucket of 1",
        "1 000 a minute, Retry-After",
        "1 000 a minute",
        "16 at once, 503",
        "16 at once, 503, tail",
        "16 at once, 429",
        "chance on top of 200/s, Retry-After",
        "chance on top of 200/s",
        "halved, restored, Retry-After",
        "halved, restored",
        "another client, Retry-After",
        "another client",
        "200/s, 512 workers",
        "200/s, 500 ms",
        "200/s, 512 workers, 500 ms",
        "one poison row",
        "one bad patient",
    }
)


@pytest.mark.parametrize("name", [name for name in CASES if name in FAST])
def test_a_server_is_used_as_far_as_it_allows(name: str) -> None:
    found = summary([measure(name, "controller", seed) for seed in SEEDS])
    assert failures(CASES[name], found) == []


@pytest.mark.parametrize("name", [name for name in CASES if name not in FAST])
def test_a_server_without_a_limit_is_not_held_back(name: str) -> None:
    assert failures(CASES[name], summary([measure(name, "controller", 3)])) == []


def test_a_seed_gives_the_same_figures_again() -> None:
    assert measure("sliding log", "controller", 5) == measure("sliding log", "controller", 5)


@pytest.mark.parametrize("concurrency", [64, 1000])
@pytest.mark.parametrize("work", [0.0002, 0.001, 0.0016])
def test_a_short_import_meets_the_limit_once_and_then_uses_it(work: float, concurrency: int) -> None:
    """A cold start and about 15 s, in which the first storm decides; the length varies, and with it how it ends."""
    used, refused = [], []
    for seed in range(12):
        rows = 2700 + 50 * seed
        server = WindowFromFirst(random.Random(seed), work=work)
        policy = Controlled(random.Random(seed + 100), concurrency)
        run = simulate(policy, server, random.Random(seed + 200), seconds=30, rows=rows)
        assert run.total == rows
        used.append(rows / server.rate / run.finished)
        refused.append(run.refused_share)
    assert statistics.median(used) >= 0.92
    assert min(used) >= 0.88  # a row that is refused in the last second waits a second for nothing else
    assert statistics.median(refused) <= 0.04
    assert max(refused) <= 0.05


@pytest.mark.parametrize("latency", [0.02, 0.05])
def test_a_short_import_that_meets_refusals_by_chance_is_as_fast_as_a_loop_by_hand(latency: float) -> None:
    def speed(policy: Controlled | ByHand, seed: int) -> float:
        server = Chance(random.Random(seed), throttled=0.04, latency=latency)
        run = simulate(policy, server, random.Random(seed + 200), rows=6000, patients=20)
        assert run.total == 6000
        return 6000 / run.finished

    ratios = [speed(Controlled(random.Random(seed), 1000), seed) / speed(ByHand(), seed) for seed in range(3)]
    assert statistics.median(ratios) >= 1.0


@pytest.mark.parametrize("share", [0.15, 0.3])
def test_more_chance_than_is_foreseen_costs_speed_but_is_no_crawl(share: float) -> None:
    server = Chance(random.Random(1), throttled=share)
    run = simulate(Controlled(random.Random(2), 64), server, random.Random(3), seconds=30)
    assert run.total >= 0.3 * server.possible(30, 64)


@pytest.mark.parametrize("most", [1, 4, 16, 40])
def test_whatever_a_server_serves_at_once_is_found(most: int) -> None:
    server = AtMost(random.Random(1), status=503, most=most)
    run = simulate(Controlled(random.Random(2), 64), server, random.Random(3), seconds=30)
    assert run.total >= 0.8 * server.possible(30, 64)
    assert run.refused_share <= 0.08  # one too many is a large share of few


def test_the_callers_own_rate_is_kept_and_used() -> None:
    run = simulate(Controlled(random.Random(2), 64, rate=50.0), Server(random.Random(1)), random.Random(3), seconds=20)
    assert 0.98 * 1000 <= run.total <= 1003


def test_the_loop_by_hand_has_many_times_more_of_its_requests_refused_at_a_limit() -> None:
    server = partial(Bucket, burst=20)
    runs = [
        simulate(policy, server(random.Random(1)), random.Random(3), seconds=20)
        for policy in (Controlled(random.Random(2), 64), ByHand())
    ]
    assert runs[0].refused_share < 0.05 < 0.2 < runs[1].refused_share


def test_the_table_and_the_picture_say_what_was_found() -> None:
    found = summary([measure("16 at once, 503", "controller", 0)])
    bounds = {"median": 0.9, "worst": 0.0, "refused": 0.02, "changes": False}
    kept = {"seeds": 1, "cases": {"16 at once, 503": {"controller": found, "by hand": found, "bounds": bounds}}}
    assert f"{found['median']:.3f}, {found['worst']:.3f}" in markdown(kept)
    assert f"{found['refused']:.1%}" in picture(kept)
