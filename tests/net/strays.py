"""Single calls under answers too many: a server that sends, at random, an answer nobody asked for.

``python -m tests.net.strays --count 100000`` runs it at length and prints what was met.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from welkin_async import Welkin, WelkinError

from .helpers import OneToken, connect

STRAYS = [
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 404 Not Found\r\nContent-Length: 37\r\n\r\n[{"errorCode":"DT_RECORD_NOT_FOUND"}]',
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"",  # in its place a copy of a late answer
]


class StraySends(asyncio.Protocol):
    """One connection of the server; see `StrayServer`."""

    def __init__(self, server: StrayServer) -> None:
        self._server = server
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.transports.discard(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1")
            lines = head.split("\r\n")
            lengths = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")]
            whole = end + 4 + int(lengths[0] if lengths else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            method, target, _ = lines[0].split(" ")
            answer = self._server.answer(method, target, body)
            stray = self._server.stray(answer)
            if stray and self._server.random.random() < 0.3:
                self._write(answer + stray)
            else:
                self._write(answer)
                if stray:
                    pause = self._server.random.choice([0.0, 0.0005, 0.002, 0.01])
                    asyncio.get_running_loop().call_later(pause, self._write, stray)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class StrayServer:
    """Keeps CDT records, and answers once too often with a given probability.

    Attributes:
        records: What it holds, by id.
        strays: How many answers too many it sent.
    """

    def __init__(self, probability: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.records: dict[str, dict[str, Any]] = {}
        self.strays = 0
        self.transports: set[Any] = set()
        self._probability = probability
        self._late: list[bytes] = []

    def stray(self, answer: bytes) -> bytes:
        """Return an answer nobody asked for, or nothing."""
        self._late = [*self._late[-5:], answer]
        if self.random.random() >= self._probability:
            return b""
        self.strays += 1
        return self.random.choice(STRAYS) or self.random.choice(self._late)

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        path, _, query = target.partition("?")
        _, _, _, _, patient, _, cdt, *rest = path.split("/")
        if method == "POST":
            id = str(uuid.UUID(int=self.random.getrandbits(128)))
            made = {"id": id, "patientId": patient, "cdtName": cdt, "jsonBody": {**json.loads(body), "id": id}}
            self.records[id] = made
            return _http(201, made)
        if not rest:
            own = [each for each in self.records.values() if each["patientId"] == patient]
            number = int(dict(part.split("=") for part in query.split("&"))["page"])
            page = {"content": own[number * 20 : number * 20 + 20], "number": number, "last": True}
            return _http(200, {"name": cdt, "data": {**page, "totalElements": len(own)}})
        found = self.records.get(rest[0])
        if found is None or found["patientId"] != patient:
            return _http(404, [{"errorCode": "DT_RECORD_NOT_FOUND", "details": {}}])
        if method == "PATCH":
            found["jsonBody"].update(json.loads(body))
        if method == "DELETE":
            del self.records[rest[0]]
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        return _http(200, found)


def _http(status: int, value: object) -> bytes:
    body = json.dumps(value).encode()
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


@contextlib.asynccontextmanager
async def serving(server: StrayServer) -> AsyncIterator[str]:
    listener = await asyncio.get_running_loop().create_server(lambda: StraySends(server), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for transport in list(server.transports):
            transport.abort()
        await asyncio.sleep(0)


async def run(count: int, *, seed: int, probability: float = 0.02, workers: int = 8, patients: int = 5) -> Counter[str]:
    """Make so many calls and compare what they return with what was asked for and with what the server holds.

    Returns:
        How many calls there were of each kind, how many failed, and how many returned what is not theirs: ``foreign``.
    """
    server, found = StrayServer(probability, seed), Counter[str]()
    async with serving(server) as url, connect(url, token_store=OneToken(), max_attempts=3) as welkin:
        calls = [_Caller(welkin, server, found, seed * 1000 + number, patients) for number in range(workers)]
        await asyncio.gather(*(caller.call(count // workers) for caller in calls))
    found["strays"] = server.strays
    return found


class _Caller:
    def __init__(self, welkin: Welkin, server: StrayServer, found: Counter[str], seed: int, patients: int) -> None:
        self._welkin = welkin
        self._server = server
        self._found = found
        self._random = random.Random(seed)
        self._patients = [f"patient-{number}" for number in range(patients)]
        self._number = seed * 10_000_000
        self._own: dict[str, tuple[str, int]] = {}

    async def call(self, count: int) -> None:
        for _ in range(count):
            kind = self._random.choice(["create", "get", "list", "update", "delete"] if self._own else ["create"])
            self._found[kind] += 1
            try:
                if not await getattr(self, f"_{kind}")():
                    self._found[f"foreign {kind}"] += 1
                    self._found["foreign"] += 1
            except WelkinError as error:
                self._found[f"{kind} failed: {type(error).__name__}"] += 1
            if self._random.random() < 0.2:
                await asyncio.sleep(0.001)

    def _cdts(self, patient: str) -> Any:
        return self._welkin.patient(patient).cdts("medication")

    def _any(self) -> tuple[str, str, int]:
        id = self._random.choice(list(self._own))
        return id, *self._own[id]

    async def _create(self) -> bool:
        patient = self._random.choice(self._patients)
        self._number += 1
        record = await self._cdts(patient).create({"number": self._number, "medication_name": "Aspirin"})
        held = self._server.records.get(record.id)
        if held is None or held["jsonBody"]["number"] != self._number or record.fields["number"] != self._number:
            return False
        if len(self._own) < 50:
            self._own[record.id] = (patient, self._number)
        return bool(record.patient_id == patient)

    async def _get(self) -> bool:
        id, patient, number = self._any()
        record = await self._cdts(patient).get(id)
        return bool((record.id, record.patient_id, record.fields["number"]) == (id, patient, number))

    async def _list(self) -> bool:
        patient = self._random.choice(self._patients)
        page = await self._cdts(patient).list()
        return all(record.patient_id == patient for record in page.items)

    async def _update(self) -> bool:
        id, patient, number = self._any()
        record = await self._cdts(patient).update(id, {"dose": self._random.random()})
        return bool((record.id, record.patient_id, record.fields["number"]) == (id, patient, number))

    async def _delete(self) -> bool:
        id, patient, _ = self._any()
        del self._own[id]
        await self._cdts(patient).delete(id)
        if id in self._server.records:
            self._found["deletions answered by an empty stray"] += 1  # nothing in it could tell
        return True


def main() -> int:
    """Run at length and print what was met; the exit code is 1 where a call returned what is not its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--probability", type=float, default=0.02)
    options = parser.parse_args()
    found = asyncio.run(run(options.count, seed=options.seed, probability=options.probability))
    for name, number in sorted(found.items()):
        sys.stdout.write(f"{number:8d}  {name}\n")
    return 1 if found["foreign"] else 0


if __name__ == "__main__":
    sys.exit(main())
