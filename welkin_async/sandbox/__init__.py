"""A local Welkin V8 server for demos, tests and benchmarks.

    async with Sandbox() as server:
        server.faults.add(Fault(kind=FaultKind.RESET_AFTER, operation="cdts.create"))
        ...  # talk to server.base_url
        assert not server.faults.unmet()

It serves every operation of the API; `server.store` is its state, `server.store.sections` that of each section.
What a client must not trust can be switched on: faults, `outage`, lists that run behind (`visibility_delay`,
`list_lag`, `delay_growth`), backends whose clocks differ (`skew`), values that are dropped, only echoed or changed
(`define_cdt(..., drops=..., echo_only=..., alterations=...)`) or must not occur twice (`unique=...`).

`SandboxProcess` runs the same server as a process of its own, as does `python -m welkin_async.sandbox`; `SandboxThread`
runs it in a thread, for tests without an event loop, and for tests that share one server.
It shares nothing with the client but the API.
"""

from welkin_async.sandbox.faults import Fault, FaultKind, FaultReport
from welkin_async.sandbox.process import SandboxProcess
from welkin_async.sandbox.records.defaults import DEFAULT_CDTS
from welkin_async.sandbox.records.fields import Alteration
from welkin_async.sandbox.records.formation_files import definitions_of, read_formations
from welkin_async.sandbox.server import Sandbox
from welkin_async.sandbox.stats import LoggedRequest, Stats
from welkin_async.sandbox.store import Store
from welkin_async.sandbox.thread import SandboxThread

__all__ = [
    "DEFAULT_CDTS",
    "Alteration",
    "Fault",
    "FaultKind",
    "FaultReport",
    "LoggedRequest",
    "Sandbox",
    "SandboxProcess",
    "SandboxThread",
    "Stats",
    "Store",
    "definitions_of",
    "read_formations",
]
