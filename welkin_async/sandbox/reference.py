"""Reference: the OpenAPI document at ``/openapi.json``, and at ``/openapi`` a page on which a person reads it.

The page is one file that fetches nothing but the document; both say what the API is, and nothing of what is held.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from aiohttp import web

from welkin_async.sandbox.site import Site

_PACKAGE = "welkin_async.sandbox"


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the API, as it comes with the package."""
    found: dict[str, Any] = json.loads(_text("openapi.json"))
    return found


@cache
def _text(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


@cache
def _policy() -> str:
    """Allow the page its own script and style, by their digests, and nothing of any other origin."""

    def digest(tag: str) -> str:
        found = re.search(f"<{tag}>(.*?)</{tag}>", _text("reference.html"), re.DOTALL)
        content = found[1] if found else ""
        return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    own = f"script-src 'sha256-{digest('script')}'; style-src 'sha256-{digest('style')}'; connect-src 'self'"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Reference:
    """The document and the page of a server.

    No key is asked for: both tell what the API is, and nothing of what the server holds.

    Args:
        site: Whose tenant and instance stand as examples in the document.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def serve_document(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request for the document.

        Args:
            request: As it came.
        """
        found = document()
        found["servers"] = [{"url": "/", "description": "This sandbox."}]
        parameters = found["components"]["parameters"]
        for name, value in (
            ("tenant", self._site.tenant),
            ("instance", self._site.instance),
            ("api_client", self._site.api_client),
        ):
            parameters[name]["example"] = value
        return web.json_response(found, headers={"Cache-Control": "no-store"})

    async def serve_page(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request for the page.

        Args:
            request: As it came.
        """
        headers = {"Content-Security-Policy": _policy(), "Cache-Control": "no-store"}
        return web.Response(text=_text("reference.html"), content_type="text/html", charset="utf-8", headers=headers)
