"""The table of operations and methods, as it stands in the documentation."""

from __future__ import annotations

from pathlib import Path

from .calls import CALLS, NOT_COVERED
from .catalogue import endpoints

COVERAGE = Path(__file__).parents[2] / "docs" / "coverage.md"

_HEAD = """# Coverage

Every operation of the API that a recording, the documentation or another client supports, and the method for it.
This page is generated: `python -m tests.contract --write`. A test fails when it is stale.

`repeat`: *safe* operations are sent again after an attempt whose outcome is unknown; *unsafe* and *replace-all* ones
never are, and raise `OutcomeUnknownError` instead. `confidence`: *recorded* where a real answer was seen, *documented*
where the documentation alone stands behind it, *client-only* where another client's code does, *conflicting* where the
sources disagree (the method's docstring says how), *docs-only* where only weak documents do (marked as unconfirmed).

Anything else of the API can be reached with `welkin.request(method, template, ...)`.
"""


def render() -> str:
    """Return the page."""
    lines = [_HEAD]
    covered = sum(1 for name in endpoints() if name in CALLS)
    lines.append(f"{covered} of {len(endpoints())} operations.\n")
    lines.append("| operation | request | method | repeat | confidence |")
    lines.append("|---|---|---|---|---|")
    for name, endpoint in endpoints().items():
        method = f"`{shown(CALLS[name])}`" if name in CALLS else f"none: {NOT_COVERED[name]}"
        request = f"`{endpoint.method} {endpoint.path}`"
        lines.append(f"| {name} | {request} | {method} | {endpoint.repeat} | {endpoint.confidence} |")
    return "\n".join(lines) + "\n"


def shown(expression: str) -> str:
    """The call as documentation shows it."""
    if expression == "welkin.transport.tokens.get()":
        return "async with Welkin(...)"
    return (
        expression.replace("**query", "...")
        .replace("query.pop('region')", "region")
        .replace("query.pop('query')", "query")
        .replace("{'id': body}", "changes")
        .replace("'", '"')
    )
