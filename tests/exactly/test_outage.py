"""When a server is thought down, and who tries whether it is back."""

from welkin_async.bulk.outage import Breaker, State


def test_so_many_requests_in_a_row_without_an_answer_make_an_outage() -> None:
    breaker = Breaker(threshold=3)
    assert [breaker.silent() for _ in range(4)] == [False, False, True, False]
    assert breaker.state is State.DOWN


def test_an_answer_between_them_starts_the_count_anew() -> None:
    breaker = Breaker(threshold=2)
    breaker.silent()
    breaker.answered()
    assert not breaker.silent()
    assert breaker.state is State.UP


def test_after_an_answered_read_one_row_decides() -> None:
    breaker = Breaker(threshold=1)
    states = []
    for step in (breaker.silent, breaker.try_one, breaker.silent, breaker.try_one, breaker.answered):
        step()
        states.append(breaker.state)
    assert states == [State.DOWN, State.TRIAL, State.DOWN, State.TRIAL, State.UP]
