"""Children of a scope: the resources below it, each an attribute that is made when it is first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Generic, Self, TypeVar, overload

from welkin_async.resources._base.scope import Scope
from welkin_async.wire.tracebacks import PublicFunctions

C = TypeVar("C")


class Scoped(PublicFunctions):
    """Scoped: a scope, with the resources below it.

    Args:
        scope: Where they are.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __repr__(self) -> str:
        """Show the class: the scope's parameters identify a person."""
        return f"<{type(self).__name__}>"


@cache
def resource_class(name: str) -> Any:
    """Return a resource's class, imported when it is first asked for: an import costs microseconds each time.

    Args:
        name: ``module.Class`` below `welkin_async.resources`.
    """
    module, _, kind = name.partition(".")
    return getattr(import_module(f"welkin_async.resources.{module}"), kind)


class Child(Generic[C]):
    """Child: an attribute that holds the resource of a scope, made once.

    Building every record class takes longer than importing aiohttp, so a resource of another module is given by name
    and imported when it is first asked for.

    Args:
        resource: Its class, or ``module.Class`` below `welkin_async.resources`.
    """

    def __init__(self, resource: type[C] | str) -> None:
        self._resource = resource

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, parent: None, owner: type) -> Self: ...
    @overload
    def __get__(self, parent: Scoped, owner: type) -> C: ...
    def __get__(self, parent: Scoped | None, owner: type) -> C | Self:
        """Make the resource, and put it in place of this attribute."""
        if parent is None:
            return self
        resource: Any = resource_class(self._resource) if isinstance(self._resource, str) else self._resource
        made: C = resource(parent._scope)  # noqa: SLF001 - the scope is the family's own
        vars(parent)[self._name] = made
        return made
