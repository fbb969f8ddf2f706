"""Each operation of the catalogue, sent through the SDK to the local server, arrives there as itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from welkin_async import RejectedError, Welkin
from welkin_async.sandbox import Sandbox

from .calls import CALLS
from .catalogue import endpoints
from .checking import call


@pytest.mark.parametrize("name", CALLS)
async def test_the_local_server_knows_the_operation(name: str, tmp_path: Path) -> None:
    async with Sandbox(allow_delete=True) as server:
        async with Welkin(
            tenant=server.tenant,
            instance=server.instance,
            api_client=server.api_client,
            secret_key=server.secret_key,
            base_url=server.base_url,
        ) as welkin:
            # The samples name records that are not there, or hold fields that do not fit: a refusal by this very
            # operation, in the recorded form, is an answer too.
            refused: RejectedError | None = None
            try:
                await call(welkin, endpoints()[name], tmp_path)
            except RejectedError as error:
                refused = error
            if refused is not None:
                assert (refused.status in (400, 403, 404), refused.request.operation) == (True, name)
                assert refused.error_codes
        arrived = server.stats.token_requests if name == "auth.create_token" else server.stats.operations[name]
    assert arrived >= 1
