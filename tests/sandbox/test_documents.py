from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from welkin_async.sandbox import Fault, FaultKind, Sandbox, SandboxProcess
from welkin_async.sandbox.http.spooled_file import SpooledFile

from .api import NOBODY, Api, Reply, connected

PDF = b"%PDF-1.7 \x00\xff" * 1000


async def begin(api: Api, patient: str, kind: str = "doc-type-others") -> str:
    reply = await api("POST", f"patients/{patient}/document-summary", {"type": kind})
    assert reply.status == 201
    assert (reply.json["cdtName"], reply.json["jsonBody"]["files"]) == ("_document_summary", None)
    return f"patients/{patient}/document-summary/{reply.json['id']}"


async def upload(api: Api, path: str, *files: tuple[str, bytes], name: str = "files") -> Reply:
    form = aiohttp.FormData(quote_fields=False)
    for filename, content in files:
        form.add_field(name, content, filename=filename, content_type="application/octet-stream")
    return await api("POST", f"{path}/files", data=form)


async def test_summary_life(api: Api, patient: str) -> None:
    path = await begin(api, patient)
    other = await begin(api, patient, "lab-report")
    listed = (await api("GET", f"patients/{patient}/document-summary", size="1", sort="type,desc")).json
    assert (listed["name"], listed["data"]["totalElements"]) == ("_document_summary", 2)
    assert listed["data"]["content"][0]["jsonBody"]["type"] == "lab-report"
    assert (await api("GET", f"patients/{patient}/document-summary", sourceId=NOBODY)).json["data"]["content"] == []
    assert (await api("PUT", other, {"type": "doc-type-others"})).json["jsonBody"]["type"] == "doc-type-others"
    assert (await api("PUT", other, {"type": "nope"})).status == 404
    assert (await api("POST", f"patients/{patient}/document-summary", {})).status == 400
    assert (await api("DELETE", path)).body == b""
    assert (await api("GET", path)).code == "DT_RECORD_NOT_FOUND"


async def test_files_go_up_and_come_down(server: Sandbox, api: Api, patient: str) -> None:
    path = await begin(api, patient)
    reply = await upload(api, path, ("a.PDF", PDF), ("b \u00e9.jpg", b"x"))
    assert reply.status == 201
    first, second = reply.json
    assert set(first) == {"id", "size", "storageKey", "contentType", "originalName"}
    assert (first["size"], first["contentType"], first["originalName"]) == (len(PDF), "application/pdf", "a.PDF")
    assert (second["contentType"], second["originalName"]) == ("image/jpeg", "b \u00e9.jpg")
    assert (await api("GET", path)).json["jsonBody"]["files"] == [first, second]
    third = (await upload(api, path, ("c.png", b""))).json[0]
    assert len((await api("GET", path)).json["jsonBody"]["files"]) == 3
    for file, content in ((first, PDF), (second, b"x"), (third, b"")):
        got = await api("GET", f"{path}/files/{file['id']}")
        assert (got.status, got.body) == (200, content)
        assert (got.headers["Content-Type"], got.headers["Accept-Ranges"]) == (file["contentType"], "true")
        assert got.headers["Content-Length"] == str(file["size"])
    assert (await api("GET", f"{path}/files/{NOBODY}")).code == "DT_RECORD_NOT_FOUND"
    await api("DELETE", path)
    assert not server.store.sections.documents.contents


async def test_what_is_no_upload_is_refused(api: Api, patient: str) -> None:
    path = await begin(api, patient)
    assert (await upload(api, path, ("a.exe", b"x"))).status == 400
    assert (await upload(api, path, ("a.pdf", b"x"), name="other")).status == 400
    assert (await api("POST", f"{path}/files", {"files": []})).status == 400
    assert (await upload(api, path.replace(patient, NOBODY), ("a.pdf", b"x"))).status == 404
    headers = {"Authorization": f"Bearer {api.token}"}
    url = f"{api.base}/gh/sb-demo/{path}/files"
    with_boundary, broken = "multipart/form-data; boundary=x", b"--x\r\n\x00broken header\r\n\r\ny\r\n--x--\r\n"
    bodies = [(with_boundary, b"--y\r\nnonsense"), (with_boundary, broken), ("multipart/form-data", b"--x--")]
    for kind, data in bodies:
        async with api.session.post(url, data=data, headers={**headers, "Content-Type": kind}) as reply:
            assert reply.status == 400
    assert (await api("GET", path)).json["jsonBody"]["files"] is None


async def test_faults_meet_files_too(server: Sandbox, api: Api, patient: str) -> None:
    path = await begin(api, patient)
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="documents.upload_files"))
    with pytest.raises(aiohttp.ClientOSError):
        await upload(api, path, ("a.pdf", PDF))
    file = (await api("GET", path)).json["jsonBody"]["files"][0]
    server.faults.add(Fault(FaultKind.TRUNCATED, operation="documents.download_file"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await api("GET", f"{path}/files/{file['id']}")
    assert (await api("GET", f"{path}/files/{file['id']}")).body == PDF
    assert not server.faults.unmet()


async def test_a_client_that_leaves_while_sending_a_file_adds_none(server: Sandbox, api: Api, patient: str) -> None:
    path = await begin(api, patient)
    host, port = server.base_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /gh/sb-demo/{path}/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="files"; filename="a.pdf"\r\n\r\nhalf of it'
    )
    writer.write(head.encode())
    await writer.drain()
    await asyncio.sleep(0.02)
    assert server.stats.in_flight == 1
    writer.transport.abort()
    await asyncio.sleep(0.02)
    assert server.stats.in_flight == 0
    assert (await api("GET", path)).json["jsonBody"]["files"] is None
    assert not server.store.sections.documents.contents


async def test_files_go_with_their_patient() -> None:
    async with Sandbox(allow_delete=True) as server, connected(server) as api:
        patient = server.store.add_patient()["id"]
        await upload(api, await begin(api, patient), ("a.pdf", PDF))
        assert len(server.store.sections.documents.contents) == 1
        assert (await api("DELETE", f"patients/{patient}")).status == 200
        assert not server.store.sections.documents.contents


async def test_type_records(api: Api, patient: str) -> None:
    path = await begin(api, patient, "lab-report")
    typed = f"{path}/lab-report"
    assert (await api("GET", typed)).code == "DT_RECORD_NOT_FOUND"
    made = await api("POST", typed, {"notes": "n", "nope": 1})
    assert made.status == 201
    body = made.json["jsonBody"]
    assert (body["notes"], body["source_name"], body["source_id"]) == ("n", "DOCUMENT_SUMMARY", path.rpartition("/")[2])
    assert (await api("POST", typed, {})).status == 400
    assert (await api("POST", f"{path}/doc-type-others", {})).status == 400
    assert (await api("PUT", typed, {"notes": None})).json["jsonBody"]["notes"] is None
    assert (await api("GET", typed)).json["id"] == made.json["id"]
    assert (await api("DELETE", typed)).body == b""
    assert (await api("DELETE", typed)).status == 404


def test_a_blob_is_read_by_several_at_once() -> None:
    blob = SpooledFile()
    for number in range(6):
        blob.append(bytes([number]) * 100_000)
    one, two = blob.pieces(), blob.pieces(450_000)
    joined = [next(one), next(two), *one]
    assert sum(map(len, joined)) == 600_000 + len(joined[1])
    assert blob.read() == b"".join(bytes([number]) * 100_000 for number in range(6))
    assert sum(map(len, two)) == 450_000 - len(joined[1])


def peak(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the peak of memory from /proc")
async def test_a_large_file_is_never_held_in_memory() -> None:
    size, piece = 48 * 1024 * 1024, os.urandom(1024 * 1024)

    def pieces() -> Iterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    async def body() -> AsyncIterator[bytes]:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.pdf"\r\n\r\n'
        yield head
        for each in pieces():
            yield each
        yield b"\r\n--x--\r\n"

    async with SandboxProcess() as server, connected(server) as api:
        path = await begin(api, (await server.add_patients(1))[0])
        before = peak(server.pid)
        headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "multipart/form-data; boundary=x"}
        url = f"{api.base}/gh/sb-demo/{path}/files"
        async with api.session.post(url, data=body(), headers=headers) as reply:
            file: Any = (await reply.json())[0]
        assert file["size"] == size
        digest = hashlib.sha256()
        async with api.session.get(f"{url}/{file['id']}", headers=headers) as reply:
            async for each in reply.content.iter_chunked(256 * 1024):
                digest.update(each)
        expected = hashlib.sha256()
        for each in pieces():
            expected.update(each)
        assert digest.digest() == expected.digest()
        assert peak(server.pid) - before < 16 * 1024 * 1024
