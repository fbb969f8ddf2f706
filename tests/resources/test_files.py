from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import BodyPartReader, web

from welkin_async import (
    Attempt,
    ConnectionLostError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
)
from welkin_async.http import transport
from welkin_async.http.multipart import Multipart, UploadFile

from .large_file import serve_file
from .slow_server import serving

FILE = {"id": "f", "size": 1, "contentType": "application/pdf", "originalName": "a.pdf"}
DATA = bytes(range(256)) * 8192  # 2 MiB


class Uploads:
    """Takes uploads apart with aiohttp's own reader.

    Attributes:
        parts: Name, file name, type and hash of each part that came whole.
        headers: The headers of each request.
        answers: Statuses to answer with before a 201; None drops the connection.
    """

    def __init__(self, *answers: int | None) -> None:
        self.parts: list[tuple[str | None, str | None, str | None, str]] = []
        self.headers: list[Any] = []
        self.answers = list(answers)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.headers.append(request.headers)
        reader = await request.multipart()
        async for part in reader:
            assert isinstance(part, BodyPartReader)
            digest = hashlib.sha256()
            while chunk := await part.read_chunk(1 << 18):
                digest.update(chunk)
            self.parts.append((part.name, part.filename, part.headers.get("Content-Type"), digest.hexdigest()))
        if self.answers:
            status = self.answers.pop(0)
            if status is None:
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            return web.Response(status=status, headers={"Retry-After": "0"})
        return web.json_response([FILE], status=201)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[start : start + size]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "backoff", lambda failures: 0.0)


async def test_files_are_uploaded_whole(tmp_path: Path) -> None:
    path = tmp_path / 'x-ray "2" ü.png'
    path.write_bytes(DATA)
    uploads, attempts = Uploads(), list[Attempt]()
    async with serving(uploads, on_attempt=attempts.append) as welkin:
        files = welkin.patient("p").document("d").files
        (made,) = await files.upload(path, UploadFile("b.pdf", b"%PDF"), UploadFile("c", str(path), "image/jpeg"))
        assert (made.id, made.original_name) == ("f", "a.pdf")
        assert uploads.parts == [
            ("files", "x-ray %222%22 ü.png", "image/png", sha(DATA)),  # as browsers write it
            ("files", "b.pdf", "application/pdf", sha(b"%PDF")),
            ("files", "c", "image/jpeg", sha(DATA)),
        ]
        (headers,) = uploads.headers
        assert int(headers["Content-Length"]) == attempts[-1].sent > 2 * len(DATA)
        assert "Transfer-Encoding" not in headers


async def test_an_async_iterable_is_uploaded_as_it_comes() -> None:
    uploads = Uploads()
    async with serving(uploads) as welkin:
        await welkin.patient("p").document("d").files.upload(UploadFile("a.pdf", pieces(DATA)))
    assert uploads.parts == [("files", "a.pdf", "application/pdf", sha(DATA))]
    assert uploads.headers[0]["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize("answer", [None, 500, 502])
async def test_an_upload_is_not_repeated_after_an_unknown_outcome(answer: int | None, tmp_path: Path) -> None:
    uploads = Uploads(answer)
    async with serving(uploads) as welkin:
        with pytest.raises(OutcomeUnknownError):
            await welkin.patient("p").document("d").files.upload(UploadFile("a", DATA))
    assert len(uploads.headers) == 1


async def test_an_upload_that_was_turned_away_is_made_anew_from_a_path_but_not_from_an_iterable(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(DATA)
    uploads = Uploads(429)
    async with serving(uploads) as welkin:
        await welkin.patient("p").document("d").files.upload(path)
    assert [part[3] for part in uploads.parts] == [sha(DATA)] * 2
    uploads = Uploads(429)
    async with serving(uploads) as welkin:
        with pytest.raises(RateLimitedError):
            await welkin.patient("p").document("d").files.upload(UploadFile("a.pdf", pieces(DATA)))
    assert len(uploads.headers) == 1


async def test_what_cannot_be_read_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    uploads = Uploads()
    async with serving(uploads) as welkin:
        files = welkin.patient("p").document("d").files
        with pytest.raises(FileNotFoundError):
            await files.upload(tmp_path / "nothing.pdf")
        with pytest.raises(InvalidInputError, match="no file"):
            await files.upload()
        with pytest.raises(InvalidInputError, match="surrogate"):
            await files.upload(UploadFile("\ud800", b""))
    assert uploads.headers == []


async def test_a_source_that_fails_is_its_own_error() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield DATA
        raise LookupError("mine")

    uploads = Uploads()
    async with serving(uploads) as welkin:
        with pytest.raises(LookupError, match="mine"):
            await welkin.patient("p").document("d").files.upload(UploadFile("a", broken()))
        await welkin.patient("p").document("d").files.upload(UploadFile("a", b"x"))
    assert uploads.parts[-1][3] == sha(b"x")


async def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(DATA)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.content.readany()
        path.write_bytes(b"")
        await request.content.read()
        return web.json_response([FILE], status=201)

    async with serving(handle) as welkin:
        with pytest.raises(OSError, match="shorter"):
            await welkin.patient("p").document("d").files.upload(path)


async def test_a_server_that_stops_taking_is_a_timeout(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(DATA * 8)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError

    async with serving(handle, timeout=0.3) as welkin:
        began = asyncio.get_running_loop().time()
        with pytest.raises(OutcomeUnknownError, match="in time"):
            await welkin.patient("p").document("d").files.upload(path)
        assert asyncio.get_running_loop().time() - began < 5


async def test_emails_go_with_attachments(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(DATA)
    uploads = Uploads()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await uploads(request)
        return web.json_response({"id": "e"})

    async with serving(handle) as welkin:
        email = await welkin.patient("p").emails.send(
            subject="S", body="B", receiver="p", send_now=True, attachments=[path]
        )
    assert email.id == "e"
    assert uploads.parts == [
        ("subject", None, None, sha(b"S")),
        ("body", None, None, sha(b"B")),
        ("receiver", None, None, sha(b"p")),
        ("sendNow", None, None, sha(b"true")),
        ("attachmentsAsFiles", "a.pdf", "application/pdf", sha(DATA)),
    ]


class Downloads:
    """Sends a file, after failures.

    Args:
        failures: How many times it breaks off in the middle.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.asked = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        assert request.headers["Accept"] == "*/*"
        response = web.StreamResponse(headers={"Content-Type": "image/png", "Content-Length": str(len(DATA))})
        await response.prepare(request)
        await response.write(DATA[: len(DATA) // 2])
        if self.failures:
            self.failures -= 1
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(DATA[len(DATA) // 2 :])
        return response


@pytest.mark.parametrize("failures", [0, 2])
async def test_a_file_is_downloaded_whole(failures: int, tmp_path: Path) -> None:
    downloads, attempts = Downloads(failures), list[Attempt]()
    path = tmp_path / "x.png"
    path.write_bytes(b"what was there before")
    async with serving(downloads, on_attempt=attempts.append) as welkin:
        found = await welkin.patient("p").document("d").files.download("f", path)
    assert found == (path, len(DATA), "image/png")
    assert path.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == [path]
    assert downloads.asked == failures + 1
    assert attempts[-1].received == len(DATA)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_download_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"before")
    async with serving(Downloads(9), max_attempts=2) as welkin:
        with pytest.raises(ConnectionLostError):
            await welkin.patient("p").document("d").files.download("f", path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response([{"errorCode": "DT_RECORD_NOT_FOUND"}], status=404)

    async with serving(handle) as welkin:
        files = welkin.patient("p").document("d").files
        with pytest.raises(NotFoundError) as caught:
            await files.download("f", tmp_path / "x")
        assert caught.value.error_codes == ("DT_RECORD_NOT_FOUND",)
        with pytest.raises(NotFoundError):
            async with files.stream("f"):
                raise AssertionError
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_refuses_is_its_own_error_and_nothing_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = Downloads()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    async with serving(downloads) as welkin:
        files = welkin.patient("p").document("d").files
        with pytest.raises(FileNotFoundError):
            await files.download("f", tmp_path / "no" / "such" / "directory")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            await files.download("f", tmp_path / "x")
        assert list(tmp_path.iterdir()) == []
        assert downloads.asked == 2


async def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(DATA)
        await asyncio.sleep(30)
        return response

    async with serving(handle) as welkin:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(welkin.patient("p").document("d").files.download("f", tmp_path / "x"), 0.2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failures", [0, 1])
async def test_a_file_is_read_as_it_comes(failures: int) -> None:
    downloads = Downloads(failures)
    async with serving(downloads) as welkin:
        before = asyncio.all_tasks()
        got = b""
        try:
            async with welkin.patient("p").document("d").files.stream("f") as chunks:
                assert (chunks.content_type, chunks.size) == ("image/png", len(DATA))
                async for chunk in chunks:
                    got += chunk
        except ConnectionLostError:
            assert failures
            assert DATA.startswith(got)
        else:
            assert got == DATA
        assert downloads.asked == 1
        assert {task for task in asyncio.all_tasks() - before if "ChunkStream" in str(task.get_coro())} == set()


async def test_a_stream_left_early_leaves_no_task() -> None:
    async with serving(Downloads()) as welkin:
        async with welkin.patient("p").document("d").files.stream("f") as chunks:
            async for _ in chunks:
                break
        assert not [task for task in asyncio.all_tasks() if "ChunkStream" in str(task.get_coro())]


async def test_a_slow_reader_holds_the_sender_back() -> None:
    downloads = Downloads()
    async with serving(downloads) as welkin:
        held = most = 0
        async with welkin.patient("p").document("d").files.stream("f") as chunks:
            async for chunk in chunks:
                held += len(chunk)
                most = max(most, chunks.received - held)
                await asyncio.sleep(0.001)
        assert held == len(DATA)
        assert most <= 1 << 19


@pytest.mark.parametrize("megabytes", [30])
async def test_memory_stays_bounded(megabytes: int, tmp_path: Path) -> None:
    """In a process of its own, so that the highest mark is that of the transfer alone."""
    async with serve_file(megabytes << 20) as base_url:
        command = [sys.executable, "-m", "tests.resources.large_file", str(megabytes), base_url, str(tmp_path)]
        root = Path(__file__).parents[2]
        done = await asyncio.to_thread(subprocess.run, command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "given",
    [
        UploadFile("a\r\nX: y.pdf", b""), UploadFile("a\x00.pdf", b""), UploadFile("a\x1b[2J", b""),
        UploadFile("a\x85.pdf", b""), UploadFile(5, b""), UploadFile("a.pdf", b"", "a/b\r\nX: y"),  # type: ignore[arg-type]
        UploadFile("a.pdf", b"", "pdf"), UploadFile("a.pdf", b"", ""), UploadFile("a.pdf", b"", "a /b"),
        UploadFile("a.pdf", b"", "a/b; x=\u00e4"), UploadFile("a.pdf", b"", 5),  # type: ignore[arg-type]
    ],
)  # fmt: skip
async def test_a_name_or_type_that_would_change_a_parts_header_is_refused(given: UploadFile) -> None:
    with pytest.raises(InvalidInputError, match=r"name|content_type"):
        await Multipart.build([given], "files")
