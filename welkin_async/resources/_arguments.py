"""From what a caller gives to what is sent: names, query, body, and the pager over a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from yarl import URL

from welkin_async.errors import InvalidInputError
from welkin_async.paging import Pager, PageStyle
from welkin_async.record import Record, wire_body
from welkin_async.request import Answer, Operation, Request
from welkin_async.resources._scope import Key, Scope

__all__ = ["keyed", "mapping", "pager_of", "split_body", "split_query", "wire_names"]

R = TypeVar("R", bound=Record)

_OPTIONS = ("timeout", "max_attempts")
_WALK_OPTIONS = ("prefetch", "limit")


def wire_names(typed: Any, *more: str) -> dict[str, str]:
    """Return the documented name of each parameter or field of a `TypedDict`, by its Python name.

    Args:
        typed: The `TypedDict`; what concerns the call alone, such as ``timeout``, is left out.
        more: Further Python names.
    """
    names = [*typed.__required_keys__, *typed.__optional_keys__, *more]
    return {name: _documented(name) for name in sorted(names) if name not in (*_OPTIONS, *_WALK_OPTIONS)}


def _documented(name: str) -> str:
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


def pager_of(
    scope: Scope,
    record: type[R],
    operation: Operation,
    style: PageStyle,
    query: Mapping[str, Any],
    names: Mapping[str, str],
    body: object = None,
) -> Pager[R]:
    """Return a pager over an operation that answers in numbered pages.

    Args:
        scope: Where it is.
        record: The class of its records.
        operation: The operation.
        style: Where its answers keep their records.
        query: The typed query by Python name, options among it.
        names: The wire name of each parameter by Python name.
        body: What to send as JSON; None for no body.
    """
    wire, options = split_query(query, names)
    first = wire.pop("page", None) or 0
    walk = {name: options.pop(name) for name in _WALK_OPTIONS if name in options}

    first_asked: Request | None = None
    all_but_number = ""

    async def fetch(number: int, size: int | None) -> Answer:
        nonlocal first_asked, all_but_number
        if size is not None:
            asked = {**wire, "page": number, "size": size}
            return await scope.send(operation, query=asked, body=body, options=options)
        if first_asked is None:  # pages differ in their number alone, and the rest need not be put together again
            first_asked = scope.request(operation, query=wire, body=body, options=options)
            all_but_number = f"{first_asked.url}{'&' if first_asked.url.raw_query_string else '?'}page="
        sender = scope.sender()
        return await sender.send(first_asked.again(URL(f"{all_but_number}{number}", encoded=True)))

    return Pager(fetch, style, record, first, **walk)


def mapping(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the customer's own fields, which are always given as a mapping.

    Raises:
        InvalidInputError: they are something else.
    """
    if not isinstance(fields, Mapping):
        raise InvalidInputError(f"fields are given as a mapping, not as {type(fields).__name__}")
    return fields


def keyed(operation: Operation, id: Key) -> dict[str, Key]:
    """Name the id as the operation's path does: its last parameter."""
    return {operation.parameters[-1]: id}


def split_query(query: Mapping[str, Any], names: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell a typed query's parameters, by wire name, from its options.

    Raises:
        TypeError: a keyword is neither, as with any Python function.
    """
    wire: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in query.items():
        if name in names:
            wire[names[name]] = value
        elif name in _OPTIONS or name in _WALK_OPTIONS:
            options[name] = value
        else:
            raise TypeError(f"unexpected keyword argument {name!r}; one of {', '.join(sorted(names))}")
    return wire, options


def split_body(
    record: type[Record],
    given: Record | Mapping[str, Any] | None,
    fields: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> tuple[object, dict[str, Any]]:
    """Tell what to send from the call options, for verbs that take a record, a mapping, or keyword fields.

    Args:
        record: The class whose field names the keywords are, where ``names`` does not say.
        given: A record, or a mapping with wire names; or None where keywords are used.
        fields: Keywords: fields and call options.
        names: The wire name of each keyword, where what is sent is not formed like what comes back.

    Returns:
        The body, and the options.

    Raises:
        TypeError: both a record and keyword fields were given.
        InvalidInputError: a keyword is not a field.
    """
    options = {name: fields[name] for name in _OPTIONS if name in fields}
    own = {name: value for name, value in fields.items() if name not in options}
    if given is not None:
        if own:
            raise TypeError("give a record or mapping, or keyword fields, not both")
        return given, options
    if names is None:
        return wire_body(record, own), options
    for name in own:
        if name not in names:
            raise InvalidInputError("no such field; for others pass a mapping of wire names", (name,))
    return {names[name]: value for name, value in own.items()}, options
