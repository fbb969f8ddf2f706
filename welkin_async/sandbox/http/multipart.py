"""Multipart bodies: read as they arrive, every part spooled."""

from __future__ import annotations

from typing import NamedTuple

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from welkin_async.sandbox.http.spooled_file import SpooledFile

_PIECE = 256 * 1024


class Part(NamedTuple):
    """One part of a multipart body.

    Attributes:
        name: Its form field.
        filename: Name of the file; None for a plain value.
        content_type: Media type, as sent.
        content: Its bytes.
    """

    name: str
    filename: str | None
    content_type: str
    content: SpooledFile


def is_multipart(content_type: str) -> bool:
    """Whether a body of this type consists of parts.

    Args:
        content_type: Value of the Content-Type header.
    """
    return content_type.lower().startswith("multipart/")


async def read_parts(request: web.BaseRequest) -> list[Part] | None:
    """Every part of a request's body, in the order they were sent.

    Args:
        request: Its body must not have been read.

    Returns:
        The parts, or None when the body is not well-formed multipart; it is read to its end either way.
    """
    parts: list[Part] = []
    try:
        reader = aiohttp.MultipartReader(request.headers, request.content)
        while (part := await reader.next()) is not None:
            if not isinstance(part, aiohttp.BodyPartReader):
                raise ValueError("a part within a part")
            content = SpooledFile()
            while piece := await part.read_chunk(_PIECE):
                content.append(piece)
            kind = part.headers.get("Content-Type", "text/plain")
            parts.append(Part(part.name or "", part.filename, kind, content))
    except (ValueError, AssertionError, EOFError, HttpProcessingError):
        return None
    finally:
        if not request.content.exception():
            async for _ in request.content.iter_chunked(_PIECE):
                pass
    return parts
