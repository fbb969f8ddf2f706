"""``python -m tests.contract.openapi.conformance`` holds a running sandbox to the document, with schemathesis.

A sandbox is started that holds records of every kind, and schemathesis sends it what the document allows and what it
does not. No answer may be a 5xx, or of a status, a media type or a shape that the document does not have.
Options are handed on to schemathesis, such as ``--include-operation-id cdts.create`` or ``--seed 7``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from welkin_async.sandbox import Sandbox

from .furnishing import furnish

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
SEED = 20210628
EXAMPLES = 20
_USUAL = {"--seed": str(SEED), "--max-examples": str(EXAMPLES), "--phases": "examples,coverage,fuzzing"}
_ROOT = Path(__file__).parents[3]
_NO_LIMIT = 1_000_000  # token requests


async def run(options: Sequence[str]) -> int:
    """Run schemathesis against a sandbox of its own.

    Args:
        options: Further options of ``schemathesis run``.

    Returns:
        Its exit code: 0 where nothing was found.
    """
    async with Sandbox(token_life=86_400.0, token_limit=_NO_LIMIT, allow_delete=True) as server:
        known, token = await furnish(server)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "known.json")
            file.write_text(json.dumps(known), encoding="utf-8")
            usual = [part for name, value in _USUAL.items() if name not in options for part in (name, value)]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.base_url}/openapi.json"),
                *("--checks", ",".join(CHECKS), "--header", f"Authorization: Bearer {token}"),
                *("--continue-on-failure", "--warnings", "off", "--no-color"),
                *("--generation-database", "none", "--suppress-health-check", "all"),
                *usual,
                *options,
                cwd=folder,  # it leaves files where it runs
                env={
                    **os.environ,
                    "PYTHONPATH": str(_ROOT),
                    "SCHEMATHESIS_HOOKS": "tests.contract.openapi.hooks",
                    "OPENAPI_CONFORMANCE_KNOWN": str(file),
                },
            )
            code = await process.wait()
        never = sorted(server.operations - {name for name, count in server.stats.performed.items() if count})
        print(f"requests {server.stats.total}, answers by status {dict(sorted(server.stats.statuses.items()))}")  # noqa: T201
        print(f"operations done at least once {len(server.operations) - len(never)}, never {', '.join(never)}")  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
