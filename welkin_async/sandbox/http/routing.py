"""Routing: the table of operations, and the way from a path to one of them.

Adding an operation is one `Routes.add` line in its section's file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

import attrs

from welkin_async.sandbox.http.messages import Answer

Handler = Callable[..., Answer]
"""Called with the `Call` and one string per `{parameter}` of the path; synchronous, so that its work is all or none."""


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


class Found(NamedTuple):
    """An operation that was found for a request.

    Attributes:
        operation: What is asked for.
        parameters: The decoded segments of the path that stand for its parameters, in order.
    """

    operation: Operation
    parameters: list[str]


class _Route(NamedTuple):
    """An operation at the end of its path: `number` is its turn, `parameters` tells which segments are such."""

    number: int
    operation: Operation
    parameters: tuple[int, ...]


@attrs.define
class _Place:
    """Place in the tree of paths: the operations whose path ends here, and what may come after it."""

    routes: list[_Route] = attrs.field(factory=list)
    literal: dict[str, _Place] = attrs.field(factory=dict)
    parameter: _Place | None = None

    def reach(self, segment: str) -> _Place:
        """The place after a segment of a template, made if need be; how a parameter is named makes no difference."""
        if not segment.startswith("{"):
            return self.literal.setdefault(segment, _Place())
        if self.parameter is None:
            self.parameter = _Place()
        return self.parameter


class Routes:
    """The table of operations.

    Attributes:
        operations: Operations by id, in the order in which paths are tried.
    """

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self._root = _Place()
        self._words: dict[str, str] = {}
        # Paths differ in their parameters alone, mostly.
        self._fitting = lru_cache(maxsize=1024)(self._fit)

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
        segments, place = path.split("/"), self._root
        for segment in segments:
            place = place.reach(segment)
            self._words[segment] = segment
        if operation in self.operations or any(route.operation.method == method for route in place.routes):
            raise ValueError(f"{operation} or {method} {path} is registered twice")
        added = Operation(operation, method, path, handler, multipart)
        parameters = tuple(at for at, segment in enumerate(segments) if segment.startswith("{"))
        place.routes.append(_Route(len(self.operations), added, parameters))
        self.operations[operation] = added
        self._fitting.cache_clear()

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

    def find(self, method: str, path: str) -> Found | frozenset[str]:
        """Find the operation that a request asks for; of several that fit, the one added first.

        Args:
            method: HTTP verb in capitals.
            path: Decoded but for ``%2F`` and ``%25``, as yarl's `path_safe` is: either is part of its segment.

        Returns:
            The operation with its parameters, or else the methods that are served at the path; none are where there is
            no such path.
        """
        segments = path.split("/")
        fitting = self._fitting(tuple(map(self._words.get, segments)))
        for _, operation, parameters in fitting:
            if operation.method == method:
                return Found(operation, [_segment(segments[at]) for at in parameters])
        return frozenset(route.operation.method for route in fitting)

    def _fit(self, words: tuple[str | None, ...]) -> list[_Route]:
        """What fits a path, in turn, of which each segment that is no word of any template is None."""
        places = [self._root]
        for word in words:
            reached = [place.literal[word] for place in places if word is not None and word in place.literal]
            if word != "":  # a parameter is never empty
                reached += [place.parameter for place in places if place.parameter is not None]
            places = reached
        return sorted(route for place in places for route in place.routes)


def _segment(text: str) -> str:
    return text.replace("%2F", "/").replace("%25", "%") if "%" in text else text


class Section(Protocol):
    """One part of the API: its records and its routes."""

    def register(self, routes: Routes) -> None:
        """Add the section's operations to the table."""
