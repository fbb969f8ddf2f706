"""An object storage on loopback that speaks as much S3 as is asked of it to read an object."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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
                path = self.path.partition("?")[0]
                content = storage.objects.get(path)
                if content is None:
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                part = content[int(asked[1]) : int(asked[2]) + 1] if asked else content
                self.send_response(206 if asked else 200)
                if asked:
                    self.send_header("Content-Range", f"bytes {asked[1]}-{asked[2]}/{len(content)}")
                self.send_header("Content-Length", str(len(part)))
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:32]}"')
                self.send_header("Last-Modified", formatdate(usegmt=True))
                self.end_headers()
                if body:
                    storage.reads[path] += 1
                    self.wfile.write(part)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def url(self, path: str) -> str:
        """The URL of an object, as pyarrow takes it."""
        return f"s3:/{path}?scheme=http&endpoint_override=127.0.0.1%3A{self._server.server_port}&region=us-east-1"

    def __enter__(self) -> ObjectStorage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
