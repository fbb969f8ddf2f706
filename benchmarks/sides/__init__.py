"""The sides of the comparisons, each run in a process of its own by ``python -m benchmarks.sides``."""

from __future__ import annotations

import attrs

__all__ = ["SIDES", "Side"]


@attrs.frozen
class Side:
    """One way of doing the work.

    Attributes:
        title: What tables call it.
        module: Where its workloads are, below `benchmarks.sides`.
        needs: The packages it needs beside those of the SDK.
        speed: Whether it runs on uvloop with orjson.
        stock_loop: Whether it runs on the stock loop although with orjson.
        engine: The SDK's HTTP engine.
        share: Of a comparison's records, how many it does: slow sides need fewer for a steady figure.
    """

    title: str
    module: str
    needs: tuple[str, ...] = ()
    speed: bool = False
    stock_loop: bool = False
    engine: str = "aiohttp"
    share: float = 1.0


SIDES = {
    "hand": Side("aiohttp by hand, json", "by_hand"),
    "hand-speed": Side("aiohttp by hand, uvloop + orjson", "by_hand", ("uvloop", "orjson"), speed=True),
    "hand-tuned": Side("the same, tuned throughout", "tuned", ("uvloop", "orjson"), speed=True),
    "sdk": Side("welkin_async", "sdk"),
    "sdk-speed": Side("welkin_async[speed]", "sdk", ("uvloop", "orjson"), speed=True),
    "sdk-journal": Side("welkin_async[speed], with a journal", "sdk_journal", ("uvloop", "orjson"), speed=True),
    "sdk-direct": Side(
        "welkin_async[speed], direct", "sdk", ("uvloop", "orjson", "httptools"), speed=True, engine="direct"
    ),
    "sdk-direct-stock": Side(
        "welkin_async[speed], direct, stock loop",
        "sdk",
        ("orjson", "httptools"),
        speed=True,
        stock_loop=True,
        engine="direct",
    ),
    "pyreqwest": Side("pyreqwest, uvloop + orjson", "pyreqwest_client", ("pyreqwest", "uvloop", "orjson"), speed=True),
    "bare": Side("a bare protocol, which checks nothing", "bare", ("uvloop", "orjson", "httptools"), speed=True),
    "peer": Side("welkin (sync), serial", "peer", ("welkin", "requests"), share=0.1),
    "peer-threads": Side("welkin (sync), 32 threads", "peer", ("welkin", "requests"), share=0.1),
    "httpx": Side("httpx, gather", "httpx_gather", ("httpx",), share=0.05),
    "requests": Side("requests, 32 threads", "requests_threads", ("requests",), share=0.1),
}
"""Every side, by the name the command line and the JSON use."""
