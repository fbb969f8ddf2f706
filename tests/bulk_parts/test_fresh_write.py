"""Fresh writes: an attempt follows its read within a second, or the record is read again."""

from __future__ import annotations

import pytest

from welkin_async.bulk.keys.fresh_write import FreshWrite
from welkin_async.errors import (
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    NotSentError,
    RateLimitedError,
    RequestError,
    RequestLine,
    UnprocessableError,
)

LINE = RequestLine("PATCH", "/t", "cdts.update")


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def error(kind: type[RequestError], **more: float) -> RequestError:
    return kind("no", request=LINE, **more)  # type: ignore[arg-type]


def test_what_was_not_read_is_not_written() -> None:
    assert not FreshWrite().permits()


def test_a_write_goes_out_while_its_read_is_young_and_a_longer_wait_gets_more_time() -> None:
    clock = Clock()
    write = FreshWrite(clock=clock)
    for allowed in (1.0, 2.0, 4.0):
        write.read()
        clock.now += allowed + 0.1
        assert not write.permits()
        assert write.pause(error(NotSentError)) == 0.0  # which is no failure
    write.read()
    clock.now += 7.9
    assert write.permits()
    assert (write.attempts, write.on_wire, write.unanswered) == (1, True, False)


def test_a_refusal_for_the_rate_is_waited_out_for_as_long_as_it_asks_and_within_reason() -> None:
    write = FreshWrite()
    waits = []
    while (wait := write.pause(error(RateLimitedError, retry_after=40.0))) is not None:
        waits.append(wait)
    assert waits == [40.0] * 7
    assert not write.unanswered


def test_what_fails_is_tried_five_times() -> None:
    write = FreshWrite()
    pauses = [write.pause(error(kind)) for kind in (ConnectError, ConnectError, ConnectionLostError, ConnectError)]
    assert all(pause is not None and 0.0 <= pause <= 2.0 for pause in pauses)
    assert write.unanswered  # one may have been carried out
    assert write.pause(error(ConnectError)) is None


@pytest.mark.parametrize("kind", [UnprocessableError, AuthenticationError])
def test_what_is_refused_for_good_is_not_tried_again(kind: type[RequestError]) -> None:
    write = FreshWrite()
    assert write.pause(error(kind)) is None
    assert not write.unanswered


def test_at_the_end_nothing_is_begun() -> None:
    write = FreshWrite(lambda: True)
    write.read()
    assert not write.permits()
    assert write.pause(error(ConnectError)) is None
