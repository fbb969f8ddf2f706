"""The routing table: raw path segments, each unquoted exactly once.

A percent-encoded slash is part of its segment and a doubly encoded dot stays encoded once, which a router working on
decoded paths cannot tell apart. Adding an operation is one `Routes.add` line in its section's file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from .errors import ApiError
from .wire import Answer

__all__ = ["Handler", "Match", "Routes", "Section"]

Handler = Callable[..., Answer]
"""Called with the `Call` and one string per `{parameter}` of the path; synchronous, so that its work is all or none."""


class Match(NamedTuple):
    """A route that fits a request.

    Attributes:
        operation: Id of the operation, e.g. `cdts.create`.
        handler: What does the work.
        arguments: Decoded path parameters in order.
        multipart: Whether it takes a multipart body.
    """

    operation: str
    handler: Handler
    arguments: list[str]
    multipart: bool = False


class _Node:
    __slots__ = ("literals", "methods", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, tuple[str, Handler, bool]] = {}


class Routes:
    """Every operation of the server, found by method and raw path.

    Args:
        tenant: What `{tenant}` stands for; any other value is an unknown route.
        instance: What `{instance}` stands for.
    """

    def __init__(self, tenant: str, instance: str) -> None:
        self._fixed = {"{tenant}": tenant, "{instance}": instance}
        self._root = _Node()
        self.operations: set[str] = set()

    def add(self, operation: str, method: str, path: str, handler: Handler, *, multipart: bool = False) -> None:
        """Register an operation.

        Args:
            operation: Its id.
            method: HTTP verb in capitals.
            path: Template such as `/{tenant}/{instance}/patients/{patient_id}`.
            handler: Called with the `Call` and the path parameters in order, tenant and instance left out.
            multipart: Whether it takes a multipart body, which is then spooled as it arrives.

        Raises:
            ValueError: The method and path are taken.
        """
        node = self._root
        for segment in path[1:].split("/"):
            segment = self._fixed.get(segment, segment)
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        if method in node.methods:
            raise ValueError(f"{method} {path} is registered twice")
        node.methods[method] = (operation, handler, multipart)
        self.operations.add(operation)

    def find(self, method: str, path: str) -> Match:
        """The route of a request.

        Args:
            method: HTTP verb.
            path: Raw path, percent-encoded, without query.

        Raises:
            ApiError: 404, no such path (also a foreign tenant or instance); 405, the path has other verbs.
        """
        node = self._root
        arguments: list[str] = []
        for segment in path[1:].split("/"):
            if "%" in segment:
                segment = unquote(segment)
            following = node.literals.get(segment)
            if following is None:
                following = node.parameter
                if following is None or not segment:
                    raise ApiError.of_status(404, "No such resource")
                arguments.append(segment)
            node = following
        found = node.methods.get(method)
        if found is None:
            if not node.methods:
                raise ApiError.of_status(404, "No such resource")
            allowed = {"Allow": ", ".join(sorted(node.methods))}
            raise ApiError.of_status(405, f"{method} is not supported here", allowed)
        operation, handler, multipart = found
        return Match(operation, handler, arguments, multipart)


class Section(Protocol):
    """One part of the API: its records and its routes."""

    def register(self, routes: Routes) -> None:
        """Add the section's operations to the table."""
