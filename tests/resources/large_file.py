"""A file goes up and comes down, and the process says how much memory that took at the most.

By hand: ``python -m tests.resources.large_file 500`` starts a server in a process of its own and prints the figures.
With a base URL and a directory as well, only the client's part is run.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web

LIMIT = 60  # megabytes
_BLOCK = bytes(range(256)) * 4096  # 1 MiB


@asynccontextmanager
async def serve_file(size: int) -> AsyncIterator[str]:
    """Serve a file of that size at every GET, and count the bytes of every POST."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if "/api_clients/" in request.path:
            return web.json_response({"token": "a-token"})
        if request.method == "POST":
            taken = 0
            async for chunk in request.content.iter_chunked(1 << 18):
                taken += len(chunk)
            return web.json_response([{"id": "f", "size": taken}], status=201)
        response = web.StreamResponse(headers={"Content-Length": str(size), "Content-Type": "application/pdf"})
        await response.prepare(request)
        for start in range(0, size, len(_BLOCK)):
            await response.write(_BLOCK[: size - start])
        return response

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _serve(size: int, pipe: Connection[Any, Any]) -> None:
    async def run() -> None:
        async with serve_file(size) as base_url:
            pipe.send(base_url)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


def peak() -> float:
    """Megabytes of memory this process held at the most."""
    status = Path("/proc/self/status")
    if status.exists():  # `ru_maxrss` begins with what the parent held when it forked
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def transfer(size: int, base_url: str, directory: Path) -> None:
    """Upload a file of that size, download it again, and print time and memory of each."""
    from welkin_async import Welkin

    source = directory / "source.pdf"
    with source.open("wb") as file:
        for start in range(0, size, len(_BLOCK)):
            file.write(_BLOCK[: size - start])
    before = peak()
    async with Welkin(tenant="t", instance="i", api_client="c", secret_key="s", base_url=base_url) as welkin:
        files = welkin.patient("p").document("d").files
        began = time.perf_counter()
        (made,) = await files.upload(source)
        assert made.size is not None
        assert made.size > size
        up = peak()
        middle = time.perf_counter()
        found = await files.download("f", directory / "target.pdf")
        ended = time.perf_counter()
    assert found.size == size
    with source.open("rb") as one, found.path.open("rb") as other:
        while block := one.read(1 << 20):
            assert other.read(1 << 20) == block
    print(  # noqa: T201
        f"{size >> 20} MB: up in {middle - began:.1f} s, down in {ended - middle:.1f} s; "
        f"at the most {before:.0f} MB before, {up:.0f} MB after the upload, {peak():.0f} MB in all"
    )
    assert peak() < LIMIT, f"more than {LIMIT} MB"


def main(arguments: list[str]) -> None:
    """Run what the arguments say."""
    size = int(arguments[0]) << 20
    if len(arguments) == 3:
        asyncio.run(transfer(size, arguments[1], Path(arguments[2])))
        return
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(size, there))
    server.start()
    try:
        with tempfile.TemporaryDirectory() as directory:
            asyncio.run(transfer(size, here.recv(), Path(directory)))
    finally:
        here.send("done")
        server.join()


if __name__ == "__main__":
    main(sys.argv[1:])
