"""A local Welkin V8 server for demos, tests and benchmarks.

    async with Sandbox() as server:
        server.faults.add(Fault(kind=FaultKind.RESET_AFTER, operation="cdts.create"))
        ...  # talk to server.base_url
        assert not server.faults.unmet()

It serves every operation of the API; `server.store` is its state, `server.store.sections` that of each section.
What a client must not trust is to be had by request: faults, `outage`, lists that run behind (`visibility_delay`,
`list_lag`), keys that are dropped or only echoed (`define_cdt(..., drops=..., echo_only=...)`).

`SandboxProcess` runs the same server as a process of its own, as does `python -m welkin_async.sandbox`.
It shares nothing with the client but the API.
"""

from .defaults import DEFAULT_CDTS
from .faults import Fault, FaultKind, FaultReport
from .process import SandboxProcess
from .server import Sandbox
from .stats import LoggedRequest, Stats
from .store import Store

__all__ = [
    "DEFAULT_CDTS",
    "Fault",
    "FaultKind",
    "FaultReport",
    "LoggedRequest",
    "Sandbox",
    "SandboxProcess",
    "Stats",
    "Store",
]
