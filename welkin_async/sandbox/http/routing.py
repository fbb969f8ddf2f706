"""Routing: the table of operations, which aiohttp's router serves.

Adding an operation is one `Routes.add` line in its section's file.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, Protocol

from aiohttp import web

from welkin_async.sandbox.http.messages import Answer

Handler = Callable[..., Answer]
"""Called with the `Call` and one string per `{parameter}` of the path; synchronous, so that its work is all or none."""

_PARAMETER = re.compile(r"\{(\w+)\}")


class Operation(NamedTuple):
    """An operation of the API.

    Attributes:
        id: Its id, e.g. `cdts.create`.
        method: HTTP verb in capitals.
        path: Template such as `/{tenant}/{instance}/patients/{patient_id}`.
        handler: What does the work.
        multipart: Whether it takes a multipart body, which is then spooled as it arrives.
    """

    id: str
    method: str
    path: str
    handler: Handler
    multipart: bool = False


class Routes:
    """The table of operations.

    Attributes:
        operations: Operations by id, in the order in which paths are tried.
    """

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self._taken: set[tuple[str, str]] = set()

    def add(self, operation: str, method: str, path: str, handler: Handler, *, multipart: bool = False) -> None:
        """Add an operation; of two paths that fit a request, the one added first is found.

        Args:
            operation: Its id.
            method: HTTP verb in capitals.
            path: Template such as `/{tenant}/{instance}/patients/{patient_id}`.
            handler: Called with the `Call` and the path parameters in order, tenant and instance left out.
            multipart: Whether it takes a multipart body.

        Raises:
            ValueError: The id, or the method and path, are taken.
        """
        if operation in self.operations or (method, path) in self._taken:
            raise ValueError(f"{operation} or {method} {path} is registered twice")
        self._taken.add((method, path))
        self.operations[operation] = Operation(operation, method, path, handler, multipart)

    def collection(self, section: str, one: str, served: object, operations: str, update: str = "PATCH") -> None:
        """Add the usual operations of a collection, which follow from their names.

        `create` is `contacts.create`, a POST of the path of them all, and handled by the method of that name;
        `get_goal` is `care_plans.get_goal`, a GET of the path of one, and handled by `get_goal` or else by `get`.

        Args:
            section: What ids begin with.
            one: Path of one record; without its last segment it is the path of them all.
            served: Has the methods; that of `list` is `list_records`.
            operations: Names, each beginning with list, create, get, update, replace, put or delete.
            update: HTTP verb of updates.

        Raises:
            ValueError: An id, or a method and path, are taken.
        """
        methods = {"list": "GET", "create": "POST", "get": "GET", "replace": "PUT", "put": "PUT", "delete": "DELETE"}
        for operation in operations.split():
            verb = operation.partition("_")[0]
            usual = "list_records" if verb == "list" else verb
            handler = getattr(served, operation if hasattr(served, operation) else usual)
            path = one.rpartition("/")[0] if verb in ("list", "create") else one
            self.add(f"{section}.{operation}", methods.get(verb, update), path, handler)

    def install(
        self, router: web.UrlDispatcher, serve: Callable[[Operation, web.Request], Awaitable[web.StreamResponse]]
    ) -> None:
        """Put the table into an application's router.

        The router splits paths before it decodes them, and decodes once: `%2F` is part of its segment.

        Args:
            router: The application's.
            serve: Answers a request for an operation; a coroutine function.
        """
        for operation in self.operations.values():
            # The router's own pattern of a parameter takes no braces.
            path = _PARAMETER.sub(r"{\1:[^/]+}", operation.path)
            router.add_route(operation.method, path, partial(serve, operation))


class Section(Protocol):
    """One part of the API: its records and its routes."""

    def register(self, routes: Routes) -> None:
        """Add the section's operations to the table."""
