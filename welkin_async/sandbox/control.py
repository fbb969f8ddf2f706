"""Routes under `/_sandbox/` by which another process steers and inspects the server; they need no token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .delivery import deliver
from .errors import ApiError, validation_error
from .faults import Fault
from .wire import Answer, Call, error_answer, ok

if TYPE_CHECKING:
    from .server import Sandbox

__all__ = ["PREFIX", "Control"]

PREFIX = "/_sandbox/"

_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "latency": float, "visibility_delay": float, "list_lag": float, "refuse_tokens": bool,
}  # fmt: skip


class Control:
    """The control routes of a server.

    Not part of the API, not counted, not limited, and never hit by a fault or an outage.

    Args:
        server: The server to steer.
    """

    def __init__(self, server: Sandbox) -> None:
        self._server = server
        self._routes: dict[tuple[str, str], Callable[[Call], Any | Awaitable[Any]]] = {
            ("GET", "stats"): self._stats,
            ("DELETE", "stats"): self._reset_stats,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "records"): self._records,
            ("POST", "patients"): self._patients,
            ("POST", "cdts"): self._cdts,
            ("POST", "settings"): self._settings,
            ("POST", "clock"): self._clock,
            ("POST", "expire-tokens"): self._expire,
            ("POST", "outage"): self._outage,
            ("POST", "settle"): self._settle,
            ("POST", "publish"): self._publish,
        }

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one control request.

        Args:
            request: As aiohttp read it.
        """
        path, _, query = request.raw_path.partition("?")
        try:
            body = await request.content.read()
            answer = await self._answer(request.method, Call(path, query, body))
        except (ConnectionError, web.RequestPayloadError):
            return web.Response()
        except ApiError as error:
            answer = error_answer(error, self._server.clock.stamp())
        return deliver(answer)

    async def _answer(self, method: str, call: Call) -> Answer:
        route = self._routes.get((method, call.path.removeprefix(PREFIX)))
        if route is None:
            raise ApiError.of_status(404, "No such control route")
        try:
            value = route(call)
            return ok(await value if isinstance(value, Awaitable) else value)
        except (KeyError, TypeError, ValueError) as error:
            raise validation_error(f"{type(error).__name__}: {error}") from error

    def _stats(self, call: Call) -> Any:
        return {**self._server.stats.as_json(int(call.query.get("log", 0))), "late": self._server.late}

    def _reset_stats(self, call: Call) -> Any:
        self._server.stats.reset()
        return {}

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

    def _clear_faults(self, call: Call) -> Any:
        self._server.faults.clear()
        return {}

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
        lost = {name: sent.get(name, ()) for name in ("drops", "echo_only")}
        return self._server.define_cdt(sent["name"], sent["fields"], **lost)

    def _settings(self, call: Call) -> Any:
        for name, value in call.object().items():
            if name not in _SETTINGS:
                raise ValueError(f"{name} is not one of {', '.join(_SETTINGS)}")
            setattr(self._server, name, _SETTINGS[name](value))
        return {name: getattr(self._server, name) for name in _SETTINGS}

    def _clock(self, call: Call) -> Any:
        self._server.clock.advance(float(call.object()["advance"]))
        return {"offset": self._server.clock.offset}

    def _publish(self, call: Call) -> Any:
        self._server.store.sections.designs.publish()
        return {}

    def _expire(self, call: Call) -> Any:
        self._server.expire_tokens()
        return {}

    def _outage(self, call: Call) -> Any:
        sent = call.object()
        self._server.outage(float(sent["seconds"]), sent.get("status"))
        return {}

    async def _settle(self, call: Call) -> Any:
        await self._server.settle()
        return {}
