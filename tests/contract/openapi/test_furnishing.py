"""What schemathesis is given to name: every path parameter of the document, and records that are there."""

from __future__ import annotations

import aiohttp

from welkin_async.sandbox import Sandbox

from ..catalogue import endpoints
from .document import document
from .furnishing import furnish


async def test_every_parameter_of_a_path_has_a_value_for_each_operation() -> None:
    async with Sandbox() as server:
        known, token = await furnish(server)
        async with aiohttp.ClientSession(server.base_url, headers={"Authorization": f"Bearer {token}"}) as session:
            found = {}
            for path, verbs in document()["paths"].items():
                for verb, operation in verbs.items():
                    name = operation["operationId"]
                    values = {
                        parameter: _value(known["path"], name, parameter) for parameter in endpoints()[name].parameters
                    }
                    if verb == "get" and not endpoints()[name].required and path.count("{") == len(values):
                        async with session.get(path.format_map({**values, "version": "current"})) as answer:
                            found[name] = answer.status
    assert len(found) >= 70
    assert {name: status for name, status in found.items() if status != 200} == {}


def _value(known: dict[str, list[str]], operation: str, parameter: str) -> str:
    section = operation.partition(".")[0]
    places = (f"{operation}.{parameter}", f"{section}.{parameter}", parameter)
    return next(known[each][0] for each in places if each in known)
