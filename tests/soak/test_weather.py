"""An outage that nobody meets is none: it begins while creates go out, and lasts until something was refused."""

from __future__ import annotations

from typing import Any, cast

from welkin_async.sandbox import SandboxProcess

from .trouble import Weather


class Server:
    """A server by script: how many creates and how many requests in all it has had, look by look."""

    def __init__(self, *script: tuple[int, int]) -> None:
        self.script = list(script)
        self.began: list[tuple[int, int | None]] = []  # after how many looks, and what is answered

    async def stats(self) -> dict[str, Any]:
        creates, total = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return {"operations": {"cdts.create": creates}, "total": total, "in_flight": 1}

    async def outage(self, seconds: float, status: int | None = None) -> None:
        self.began.append((len(self.script), status))


def weather(server: Server) -> Weather:
    return Weather(cast(SandboxProcess, server), seed=1, calm=0.0, outage=0.0)


async def test_an_outage_begins_while_creates_go_out() -> None:
    idle, busy = (10, 100), (11, 101)
    server = Server(idle, idle, idle, idle, busy, busy, (11, 105))
    sky = weather(server)
    await sky.outage_after(10, 0.0, 429)
    assert server.began == [(2, 429)]  # before the last two looks
    assert sky.refused == [3]  # one was being served when it began


async def test_an_outage_lasts_until_something_was_refused() -> None:
    server = Server((10, 100), (10, 100), (11, 101), (11, 101), (11, 101), (11, 102), (11, 105))
    sky = weather(server)
    await sky.outage_after(10, 0.0)
    assert len(server.began) == 3
    assert sky.refused == [3]
