"""Arguments of a call: wire names, query and body from what the caller gives, and the pager over a list."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias, TypeVar

from yarl import URL

from welkin_async.errors import InvalidInputError
from welkin_async.pagination.pager import Pager
from welkin_async.resources._base.paths import Listing
from welkin_async.resources._base.scope import Key, Scope
from welkin_async.wire.records import Record, wire_body
from welkin_async.wire.request import Answer, Operation, Request

R = TypeVar("R", bound=Record)

Body: TypeAlias = R | Mapping[str, Any]
"""What a verb sends: a record, or a mapping with the documented names."""

OneText: TypeAlias = str | Mapping[str, Any]
"""What a verb takes that sends one text: the text alone, or a mapping with the documented names."""

UNSET: Any = object()
"""The default of keywords: told apart from None, which may be sent."""

_OPTIONS = ("timeout", "max_attempts")
_WALK_OPTIONS = ("prefetch", "limit")


@cache
def wire_names(typed: Any) -> Mapping[str, str]:
    """Return the documented name of each parameter or field of a `TypedDict`, by its Python name.

    Args:
        typed: The `TypedDict`; what concerns the call alone, such as ``timeout``, is left out.
    """
    names = typed.__required_keys__ | typed.__optional_keys__
    return {name: _documented(name) for name in sorted(names) if name not in (*_OPTIONS, *_WALK_OPTIONS)}


def given(typed: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a `TypedDict` that a method was given.

    Args:
        typed: The `TypedDict`.
        arguments: The method's ``locals()``.
    """
    names = typed.__required_keys__ | typed.__optional_keys__
    return {name: value for name, value in arguments.items() if name in names and value is not UNSET}


def _documented(name: str) -> str:
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


def pager_of(
    scope: Scope, record: type[R], listing: Listing, query: Mapping[str, Any], body: object = None
) -> Pager[R]:
    """Return a pager over an operation that answers in numbered pages.

    Args:
        scope: Where it is.
        record: The class of its records.
        listing: The operation.
        query: The typed query by Python name, options among it.
        body: What to send as JSON; None for no body.
    """
    operation = listing.operation
    wire, options = split_query(query, listing.query)
    first = wire.pop("page", None) or 0
    walk = {name: options.pop(name) for name in _WALK_OPTIONS if name in options}

    first_asked: Request | None = None

    async def fetch(number: int, size: int | None) -> Answer:
        nonlocal first_asked
        if size is not None:
            asked = {**wire, "page": number, "size": size}
            return await scope.send(operation, query=asked, body=body, options=options)
        if first_asked is None:  # pages differ in their number alone, and the rest need not be put together again
            first_asked = scope.request(operation, query=wire, body=body, options=options)
        place = first_asked.url
        url = URL.build(
            scheme=place.scheme,
            authority=place.raw_authority,
            path=place.raw_path,
            query_string=f"{place.raw_query_string}&page={number}".lstrip("&"),
            encoded=True,
        )
        return await scope.sender().send(first_asked.page(url, number))

    return Pager(fetch, listing.style, record, first, **walk)


def mapping(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the customer's own fields, which are always given as a mapping.

    Raises:
        InvalidInputError: they are something else.
    """
    if type(fields) is not dict and not isinstance(fields, Mapping):
        raise InvalidInputError(f"fields are given as a mapping, not as {type(fields).__name__}")
    return fields


def one_text(name: str, given: object) -> Mapping[str, Any]:
    """Return the body of a verb that takes one text: under its documented name, or in the documented mapping.

    Args:
        name: The documented name.
        given: What the caller gave.

    Raises:
        InvalidInputError: it is neither, or a mapping without the name.
    """
    if given is None or isinstance(given, str):
        return {name: given}
    if isinstance(given, Mapping) and name in given:  # else it would be sent as what it is not
        return given
    raise InvalidInputError(f"text, or a mapping with {name}", (name,))


def keyed(operation: Operation, id: Key) -> dict[str, Any]:
    """Return the id as path parameter of an operation: its last one."""
    return {operation.parameters[-1]: id}


def split_query(query: Mapping[str, Any], typed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a typed query into its parameters, by wire name, and its options.

    Args:
        query: By Python name.
        typed: Its `TypedDict`.

    Raises:
        TypeError: a keyword is neither, or one that is required is missing, as with any Python function.
    """
    names = wire_names(typed)
    if missing := typed.__required_keys__ - query.keys():
        raise TypeError(f"missing required keyword arguments: {', '.join(sorted(missing))}")
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
    typed: type | None = None,
) -> tuple[object, dict[str, Any]]:
    """Split what a verb was given, a record, a mapping or keyword fields, into the body and the call options.

    Args:
        record: The class whose field names the keywords are, where ``names`` does not say.
        given: A record, or a mapping with wire names; or None where keywords are used.
        fields: Keywords: fields and call options.
        typed: The `TypedDict` of the keywords, where what is sent is not formed like what comes back.

    Returns:
        The body, and the options.

    Raises:
        TypeError: both a record and keyword fields were given.
        InvalidInputError: a keyword is not a field.
    """
    if given is not None and not fields:
        return given, {}
    options = {name: fields[name] for name in _OPTIONS if name in fields}
    own = {name: value for name, value in fields.items() if name not in options}
    if given is not None:
        if own:
            raise TypeError("give a record or mapping, or keyword fields, not both")
        return given, options
    if typed is None:
        return wire_body(record, own), options
    names = wire_names(typed)
    for name in own:
        if name not in names:
            raise InvalidInputError("no such field; for others pass a mapping of wire names", (name,))
    return {names[name]: value for name, value in own.items()}, options
