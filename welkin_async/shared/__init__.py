"""Coordination between processes: one token, one pace, and a ledger of the chunks of an import."""

from welkin_async.http.sharing import PaceReport, PaceShare, SharedPace, SharedTokens
from welkin_async.shared.coordination import Coordination, coordination
from welkin_async.shared.errors import LeaseLostError, LedgerError, SharedStoreError, StoreUnreachableError
from welkin_async.shared.protocols import ChunkLedger, Claim, RunState
from welkin_async.shared.sealing import new_key

__all__ = [
    "ChunkLedger",
    "Claim",
    "Coordination",
    "LeaseLostError",
    "LedgerError",
    "PaceReport",
    "PaceShare",
    "RunState",
    "SharedPace",
    "SharedStoreError",
    "SharedTokens",
    "StoreUnreachableError",
    "coordination",
    "new_key",
]
