"""Sandbox process: the sandbox in a process of its own, started and controlled from asyncio."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

import aiohttp
import attrs

from welkin_async.sandbox.api.formations import CdtOptions
from welkin_async.sandbox.control import CONTROL_KEY
from welkin_async.sandbox.faults import Fault
from welkin_async.sandbox.site import variables_of

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class SandboxProcess:
    """Sandbox process: runs `python -m welkin_async.sandbox` while its context lasts.

    The process ends with the context, and with this process should that die. Pipes and waiting are left to threads:
    asyncio's own subprocess transports outlive a loop that ends early, and warn.

    Args:
        start_timeout: Seconds it may take to serve.
        options: Keywords of `Sandbox`, except `cdts`; see `define_cdt`.

    Attributes:
        base_url: Scheme, host and port.
        tenant: First segment of every path.
        instance: Second segment of instance-scoped paths.
        api_client: Name of the API client.
        secret_key: Its secret.
        pid: Id of the process.
    """

    base_url: str
    tenant: str
    instance: str
    api_client: str
    secret_key: str
    pid: int

    def __init__(self, *, start_timeout: float = 20.0, **options: Any) -> None:
        self._start_timeout = start_timeout
        self._arguments: list[str] = []
        self._secrets = {
            f"SANDBOX_{name.upper()}": str(value)
            for name in ("secret_key", "control_key")
            if (value := options.pop(name, None)) is not None
        }
        for name, value in options.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                self._arguments.append(flag)
            elif value is not None and value is not False:
                # In one word: a name may begin with a hyphen.
                self._arguments.append(f"{flag}={value}")
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<SandboxProcess {'serving' if self._process else 'closed'}>"

    async def __aenter__(self) -> SandboxProcess:
        paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **self._secrets}
        command = [sys.executable, "-m", "welkin_async.sandbox", "--exit-with-parent", *self._arguments]
        # Popen returns as soon as the program is loaded, a matter of milliseconds. In a session of its own the server
        # outlives the Ctrl-C that its parent is still cleaning up after; the end of its input ends it.
        self._process = process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._start_timeout):
                line = await asyncio.to_thread(process.stdout.readline)
            if not line:
                raise RuntimeError("the sandbox process ended before it served; its stderr says why")
            served = json.loads(line)
            self.base_url, self.tenant, self.instance = served["base_url"], served["tenant"], served["instance"]
            self.api_client, self.secret_key = served["api_client"], served["secret_key"]
            self.pid = process.pid
            key = served["control_key"]
            self._session = aiohttp.ClientSession(
                self.base_url,
                connector=aiohttp.TCPConnector(force_close=True),
                headers=None if key is None else {CONTROL_KEY: key},
            )
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        session, self._session = self._session, None
        process, self._process = self._process, None
        try:
            if session is not None:
                await session.close()
        finally:
            if process is not None:
                # Its end must not be left undone, even when this task is cancelled while it waits.
                await asyncio.shield(asyncio.to_thread(_stop, process))

    async def _call(self, method: str, route: str, body: object = None, **query: str) -> Any:
        if self._session is None:
            raise RuntimeError("the sandbox process is not running: use `async with`")
        data = None if body is None else json.dumps(body, default=list)
        async with self._session.request(method, f"/_sandbox/{route}", params=query, data=data) as answer:
            value = await answer.json()
            if answer.status != 200:
                raise ValueError(value[0]["message"])
            return value

    async def stats(self, log: int = 0) -> dict[str, Any]:
        """What the server saw; see `Stats.as_json`, and `late` for works still to land.

        Args:
            log: How many of the latest requests to include.
        """
        return dict(await self._call("GET", "stats", log=str(log)))

    async def reset_stats(self) -> None:
        """Forget the counts so far."""
        await self._call("DELETE", "stats")

    async def add_fault(self, *faults: Fault) -> None:
        """Add faults to the script.

        Args:
            faults: In the order in which they win over each other.
        """
        await self._call("POST", "faults", [fault.as_json() for fault in faults])

    async def faults(self) -> list[dict[str, Any]]:
        """Reports of all faults: objects with `fault`, `met` and `pending`."""
        return list(await self._call("GET", "faults"))

    async def unmet(self) -> list[dict[str, Any]]:
        """The faults of `faults()` that are still pending."""
        return [each for each in await self.faults() if each["pending"]]

    async def clear_faults(self) -> None:
        """Drop every fault."""
        await self._call("DELETE", "faults")

    async def records(self, cdt: str, *, full: bool = False, patient: str | None = None) -> dict[str, Any]:
        """What a CDT holds: `total`, `patients` (count per patient id) and `duplicates`.

        `duplicates` maps `external_id` and `external_guid` to the values found twice or more, with the records' ids.

        Args:
            cdt: Name of the CDT.
            full: Whether to include the records themselves, as `records`.
            patient: Restrict `records` to one patient.
        """
        query = {"cdt": cdt, "records": str(full).lower()} | ({} if patient is None else {"patient": patient})
        return dict(await self._call("GET", "records", **query))

    async def add_patients(self, count: int) -> list[str]:
        """Create patients and return their ids.

        Args:
            count: How many.
        """
        return list((await self._call("POST", "patients", {"count": count}))["ids"])

    async def define_cdt(
        self,
        name: str,
        fields: object,
        **kept: Unpack[CdtOptions],
    ) -> dict[str, Any]:
        """Define a CDT; see `Store.define_cdt`."""
        altered = {field: attrs.asdict(each) for field, each in kept.pop("alterations", {}).items()}
        sent: dict[str, Any] = {"name": name, "fields": fields, "alterations": altered, **kept}
        return dict(await self._call("POST", "cdts", sent))

    async def set(self, **settings: float | bool) -> dict[str, Any]:
        """Change attributes of the running `Sandbox`.

        Args:
            settings: Any of `latency`, `visibility_delay`, `list_lag`, `delay_growth`, `count_deleted`, `skew`,
                `skew_every` and `refuse_tokens`.

        Returns:
            All of them as they are now.

        Raises:
            ValueError: A name is not one of these, or a value is out of range.
        """
        return dict(await self._call("POST", "settings", settings))

    async def reset(self) -> None:
        """Begin anew; see `Sandbox.reset`."""
        await self._call("POST", "reset")

    def environ(self) -> dict[str, str]:
        """Return the variables by which a session finds the server; see `Sandbox.environ`."""
        return variables_of(self)

    async def publish(self) -> None:
        """Put the draft of the formations in use."""
        await self._call("POST", "publish")

    async def advance(self, seconds: float) -> None:
        """Move the server's clock forward.

        Args:
            seconds: How far.
        """
        await self._call("POST", "clock", {"advance": seconds})

    async def expire_tokens(self) -> None:
        """Let every token issued so far expire now."""
        await self._call("POST", "expire-tokens")

    async def outage(self, seconds: float, status: int | None = None) -> None:
        """Begin or end an outage; see `Sandbox.outage`."""
        await self._call("POST", "outage", {"seconds": seconds, "status": status})

    async def settle(self) -> None:
        """Wait until all late work has landed."""
        await self._call("POST", "settle")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process by the end of its input; by force if that does not help."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
