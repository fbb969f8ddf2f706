"""An object storage on loopback that speaks as much S3, Google Cloud Storage and Azure Blob Storage as pyarrow asks of
it to read an object, without credentials.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

KINDS = ("s3", "gs", "abfs")

# How each names an object in a request, beside ``/bucket/key``.
_GOOGLE = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)").fullmatch
_AZURE = re.compile(r"/account(/.*)").fullmatch


class ObjectStorage:
    """Holds objects by their paths, such as ``/bucket/rows.csv``.

    Attributes:
        objects: Their contents.
        reads: How often each was read.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.reads: Counter[str] = Counter()
        storage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def _answer(self, *, body: bool) -> None:
                path = _object(self.path)
                content = storage.objects.get(path)
                if content is None:
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                wanted = self.headers.get("x-ms-range") or self.headers.get("Range") or ""
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
                part = content[int(asked[1]) : int(asked[2]) + 1] if asked else content
                self.send_response(206 if asked else 200)
                if asked:
                    self.send_header("Content-Range", f"bytes {asked[1]}-{asked[2]}/{len(content)}")
                self.send_header("Content-Length", str(len(part)))
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:32]}"')
                self.send_header("Last-Modified", formatdate(usegmt=True))
                self.send_header("x-ms-creation-time", formatdate(usegmt=True))
                self.send_header("x-ms-blob-type", "BlockBlob")
                self.send_header("x-ms-server-encrypted", "true")
                self.end_headers()
                if body:
                    storage.reads[path] += 1
                    self.wfile.write(part)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def url(self, path: str, kind: str = "s3") -> str:
        """The URL of an object, as pyarrow takes it."""
        host = f"127.0.0.1:{self._server.server_port}"
        if kind == "gs":
            return f"gs://anonymous@{path[1:]}?scheme=http&endpoint_override={host}&retry_limit_seconds=5"
        if kind == "abfs":
            return f"abfs://account@{host}{path}?enable_tls=false&credential_kind=anonymous"
        return f"s3:/{path}?scheme=http&endpoint_override={host}&region=us-east-1"

    def __enter__(self) -> ObjectStorage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _object(asked: str) -> str:
    """The path of the object that a request is about."""
    path = asked.partition("?")[0]
    if (google := _GOOGLE(path)) is not None:
        return f"/{google[1]}/{unquote(google[2])}"
    azure = _AZURE(path)
    return path if azure is None else azure[1]
