"""What the server holds in the end, and what the import says of it."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from welkin_async.sandbox import SandboxProcess

_BEGIN = '"records":['


async def records(server: SandboxProcess, cdt: str) -> AsyncIterator[dict[str, Any]]:
    """Every record of a CDT, read in one go and held one by one.

    Args:
        server: The server.
        cdt: Name of the CDT.
    """
    decode, text, begun = codecs.getincrementaldecoder("utf-8")().decode, "", False
    read = json.JSONDecoder().raw_decode
    timeout = aiohttp.ClientTimeout(total=None, sock_read=300.0)
    async with (
        aiohttp.ClientSession(server.base_url, timeout=timeout) as session,
        session.get("/_sandbox/records", params={"cdt": cdt, "records": "true"}) as answer,
    ):
        async for chunk in answer.content.iter_chunked(1 << 18):
            text += decode(chunk)
            at = 0
            if not begun:
                begun = _BEGIN in text
                at = text.index(_BEGIN) + len(_BEGIN) if begun else 0
            while begun and text[at : at + 1] not in ("", "]"):
                try:
                    record, end = read(text, at)
                    # A comma follows, or the end of the list; where it has not come yet the record waits for it.
                    following = text[end]
                except (json.JSONDecodeError, IndexError):
                    break
                yield record
                at = end + (following == ",")
            text = text[at:]


async def ids_by_row(server: SandboxProcess, cdt: str, field: str) -> dict[str, list[str]]:
    """The ids of the records of each row, which is told by what a record holds and not by its key.

    Args:
        server: The server.
        cdt: Name of the CDT.
        field: The field that tells rows apart.
    """
    held: dict[str, list[str]] = {}
    async for record in records(server, cdt):
        held.setdefault(record["jsonBody"][field], []).append(record["id"])
    return held


def named_doubles(review: Path, column: str, held: dict[str, list[str]]) -> int:
    """How many records beyond the first of their row a review file names, all ids of the row beside it.

    Args:
        review: The file.
        column: The column that tells rows apart.
        held: The ids of each row.
    """
    if not review.exists():
        return 0
    with review.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = [row for row in csv.DictReader(file) if row["_status"] == "doubled"]
    return sum(
        len(held[row[column]]) - 1 for row in rows if sorted(row["_record_id"].split()) == sorted(held[row[column]])
    )
