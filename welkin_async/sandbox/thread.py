"""Sandbox thread: the sandbox in a thread of its own, started and controlled by plain calls from any other."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar, Unpack

from welkin_async.sandbox.api.formations import CdtOptions
from welkin_async.sandbox.faults import Fault
from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.server import Sandbox

T = TypeVar("T")

_PATIENCE = 20.0  # seconds a call may take, or the server to start


class SandboxThread:
    """Sandbox thread: serves on an event loop of its own while its context lasts.

    So a test that is synchronous can use a server, and tests with an event loop each can share one. What is called here
    is done on the server's thread, between two requests.

    Args:
        options: Keywords of `Sandbox`.

    Attributes:
        base_url: Scheme, host and port.
        tenant: First segment of every path.
        instance: Second segment of instance-scoped paths.
        api_client: Name of the API client.
        secret_key: Its secret.
    """

    base_url: str

    def __init__(self, **options: Any) -> None:
        self._server = server = Sandbox(**options)
        self.tenant, self.instance = server.tenant, server.instance
        self.api_client, self.secret_key = server.api_client, server.secret_key
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<SandboxThread {'closed' if self._loop is None else 'serving'}>"

    def __enter__(self) -> SandboxThread:
        """Start the thread and wait until it serves.

        Raises:
            RuntimeError: it is serving already.
            OSError: the address cannot be bound.
        """
        if self._thread is not None:
            raise RuntimeError("the sandbox is serving already")
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="welkin-sandbox", daemon=True)
        self._thread.start()
        try:
            started.result(_PATIENCE)
        except BaseException:
            self._thread = None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(_PATIENCE)

    def _run(self, started: Future[None]) -> None:
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)  # it is raised where the thread was started

    async def _serve(self, started: Future[None]) -> None:
        self._stop = asyncio.Event()
        async with self._server:
            self.base_url, self._loop = self._server.base_url, asyncio.get_running_loop()
            started.set_result(None)
            try:
                await self._stop.wait()
            finally:
                self._loop = None

    def call(self, function: Callable[[Sandbox], T], /) -> T:
        """Call a function with the server, on its thread, and return what it returns.

        Args:
            function: Given the `Sandbox`; for everything that has no method here.

        Raises:
            RuntimeError: the server is not serving.
            Exception: whatever the function raises.
        """
        if self._loop is None:
            raise RuntimeError("the sandbox is not serving: use `with`")

        async def called() -> T:
            return function(self._server)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(_PATIENCE)

    def environ(self) -> dict[str, str]:
        """Return the variables by which a session finds the server; see `Sandbox.environ`."""
        return self.call(lambda server: server.environ())

    def reset(self) -> None:
        """Begin anew; see `Sandbox.reset`."""
        self.call(lambda server: server.reset())

    def define_cdt(self, name: str, fields: Any, **kept: Unpack[CdtOptions]) -> Record:
        """Define a CDT; see `Store.define_cdt`."""
        return self.call(lambda server: copy.deepcopy(server.define_cdt(name, fields, **kept)))

    def add_patient(self, **fields: Any) -> Record:
        """Create a patient without a request; see `Store.add_patient`."""
        return self.call(lambda server: copy.deepcopy(server.store.add_patient(**fields)))

    def add_patients(self, count: int) -> list[str]:
        """Create patients without requests, and return their ids.

        Args:
            count: How many.
        """
        return self.call(lambda server: server.store.add_patients(count))

    def records(self, cdt: str, patient_id: str | None = None) -> list[Record]:
        """Return the records of a CDT as envelopes, in order of creation per patient.

        Args:
            cdt: Name of the CDT; an unknown one has no records.
            patient_id: One patient only; None for all.
        """
        return self.call(lambda server: copy.deepcopy(server.store.cdt_records(cdt, patient_id)))

    def add_fault(self, *faults: Fault) -> None:
        """Add faults to the script.

        Args:
            faults: In the order in which they win over each other.
        """
        self.call(lambda server: server.faults.add(*faults))

    def unmet(self) -> list[Fault]:
        """Return the faults that are still to be met."""
        return self.call(lambda server: server.faults.unmet())
