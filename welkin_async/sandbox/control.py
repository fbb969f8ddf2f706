"""Control routes, under `/_sandbox/`: another process inspects and changes the server by them, without a token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from welkin_async.sandbox.faults import Fault, Faults
from welkin_async.sandbox.http.errors import ApiError, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, error_answer, ok
from welkin_async.sandbox.http.responses import deliver
from welkin_async.sandbox.records.fields import Alteration
from welkin_async.sandbox.site import Clock
from welkin_async.sandbox.stats import Stats
from welkin_async.sandbox.store import Store

CONTROL_KEY = "X-Sandbox-Key"
"""The header that carries the key of the control routes, where they have one."""
CONTROL_PATH = "/_sandbox/"
"""What the paths of the control routes begin with."""

_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "latency": float, "visibility_delay": float, "list_lag": float, "delay_growth": float, "count_deleted": bool,
    "skew": float, "skew_every": int, "refuse_tokens": bool,
}  # fmt: skip


class ControlledServer(Protocol):
    """What the control routes read and change of a server; see `Sandbox` for what each member means.

    The settings are attributes too, found by their names in `_SETTINGS`.
    """

    clock: Clock
    store: Store
    faults: Faults
    stats: Stats

    @property
    def late(self) -> int:
        """Works that have not landed yet."""
        ...

    def reset(self) -> None:
        """Begin anew."""
        ...

    def expire_tokens(self) -> None:
        """Let every token issued so far expire now."""
        ...

    def outage(self, seconds: float, status: int | None = None) -> None:
        """Begin or end an outage."""
        ...

    async def settle(self) -> None:
        """Wait until all late work has landed."""
        ...


class Control:
    """The control routes of a server.

    Not part of the API, not counted, not limited, and never hit by a fault or an outage.

    Args:
        server: The server to control.
        key: What a request has to carry in the header ``X-Sandbox-Key``; None for nothing.
    """

    def __init__(self, server: ControlledServer, key: str | None = None) -> None:
        self._server = server
        self._key = key
        self._routes: dict[tuple[str, str], Callable[[Call], Any | Awaitable[Any]]] = {
            ("GET", "stats"): self._stats,
            ("DELETE", "stats"): lambda call: server.stats.reset(),
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): lambda call: server.faults.clear(),
            ("GET", "records"): self._records,
            ("POST", "patients"): self._patients,
            ("POST", "cdts"): self._cdts,
            ("POST", "settings"): self._settings,
            ("POST", "clock"): self._clock,
            ("POST", "expire-tokens"): lambda call: server.expire_tokens(),
            ("POST", "outage"): self._outage,
            ("POST", "settle"): lambda call: server.settle(),
            ("POST", "reset"): lambda call: server.reset(),
            ("POST", "publish"): lambda call: server.store.sections.versioned_formations.publish(),
        }

    def allows(self, request: web.BaseRequest) -> bool:
        """Return whether a request carries the key, where there is one."""
        given = request.headers.get(CONTROL_KEY, "")
        return self._key is None or hmac.compare_digest(given.encode(), self._key.encode())

    async def serve(self, request: web.BaseRequest, route: str) -> web.StreamResponse:
        """Answer a request for a control route; 403 without the key.

        Args:
            request: As it came.
            route: What follows in its path.
        """
        if not self.allows(request):
            return web.Response(status=403)
        try:
            call = Call(request.path, request.rel_url.raw_query_string, await request.content.read())
            answer = await self._answer(request.method, route, call)
        except (ConnectionError, web.RequestPayloadError):
            return web.Response()
        except ApiError as error:
            answer = error_answer(error, self._server.clock.stamp())
        return deliver(request, answer)

    async def _answer(self, method: str, route: str, call: Call) -> Answer:
        handler = self._routes.get((method, route))
        if handler is None:
            raise ApiError.of_status(404, "No such control route")
        try:
            value = handler(call)
            value = await value if isinstance(value, Awaitable) else value
            return ok({} if value is None else value)
        except (KeyError, TypeError, ValueError) as error:
            raise validation_error(f"{type(error).__name__}: {error}") from error

    def _stats(self, call: Call) -> Any:
        return {**self._server.stats.as_json(int(call.query.get("log", 0))), "late": self._server.late}

    def _faults(self, call: Call) -> Any:
        return [
            {"fault": fault.as_json(), "met": met, "pending": pending}
            for fault, met, pending in self._server.faults.report()
        ]

    def _add_faults(self, call: Call) -> Any:
        sent = call.json()
        faults = [Fault.from_json(each) for each in (sent if isinstance(sent, list) else [sent])]
        self._server.faults.add(*faults)
        return {"added": len(faults)}

    def _records(self, call: Call) -> Any:
        name, store = call.query["cdt"], self._server.store
        counts = store.cdt_counts(name)
        answer: dict[str, Any] = {
            "cdt": name,
            "total": sum(counts.values()),
            "patients": counts,
            "duplicates": {key: store.duplicates(name, key) for key in ("external_id", "external_guid")},
        }
        if call.flag("records"):
            answer["records"] = store.cdt_records(name, call.query.get("patient"))
        return answer

    def _patients(self, call: Call) -> Any:
        return {"ids": self._server.store.add_patients(int(call.object()["count"]))}

    def _cdts(self, call: Call) -> Any:
        sent = call.object()
        altered = {field: Alteration(**each) for field, each in sent.pop("alterations", {}).items()}
        return self._server.store.define_cdt(sent.pop("name"), sent.pop("fields"), alterations=altered, **sent)

    def _settings(self, call: Call) -> Any:
        for name, value in call.object().items():
            if name not in _SETTINGS:
                raise ValueError(f"{name} is not one of {', '.join(_SETTINGS)}")
            setattr(self._server, name, _SETTINGS[name](value))
        return {name: getattr(self._server, name) for name in _SETTINGS}

    def _clock(self, call: Call) -> Any:
        self._server.clock.advance(float(call.object()["advance"]))
        return {"offset": self._server.clock.offset}

    def _outage(self, call: Call) -> None:
        sent = call.object()
        self._server.outage(float(sent["seconds"]), sent.get("status"))
