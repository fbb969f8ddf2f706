"""The rate controller against simulated servers, with fixed seeds: the table of the benchmark, with its bounds."""

from __future__ import annotations

import random
from functools import partial

import pytest

from benchmarks.rate_cases import CASES, measure
from benchmarks.rate_control import failures, markdown, picture, summary
from benchmarks.simulated_servers import AtMost, Bucket, Chance, Server
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
