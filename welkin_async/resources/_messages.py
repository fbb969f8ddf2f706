"""What emails and text messages have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from welkin_async.request import Operation, Shape
from welkin_async.resources._base import Key, SortedQuery

__all__ = ["MessageQuery", "operations"]


class MessageQuery(SortedQuery, total=False):
    """The query of a list of messages.

    Attributes:
        search: Free text over what they say.
        sender: From this user or patient.
        receiver: To this user or patient.
        direction: ``IN`` or ``OUT``.
        starred: Whether they have a star.
        from_: From this address or number.
        to: To this address or number.
        sender_name: From someone of this name.
        receiver_name: To someone of this name.
        status: Only these, such as ``SCHEDULED`` or ``DELIVERED``.
    """

    search: str
    sender: Key
    receiver: Key
    direction: Literal["IN", "OUT"] | str
    starred: bool
    from_: str
    to: str
    sender_name: str
    receiver_name: str
    status: Sequence[str]


def operations(kind: str, *, unrecognized: bool) -> dict[str, Operation]:
    """Declare the four operations that a patient's messages and those of nobody known share.

    Args:
        kind: ``emails`` or ``sms``, in the catalogue and in the path.
        unrecognized: Whether they are of nobody known.

    Returns:
        ``list``, ``get``, ``update`` and ``delete``.
    """
    owner, suffix = ("unrecognized-patients", "_unrecognized") if unrecognized else ("patients/{patient_id}", "")
    collection = f"/{{tenant}}/{{instance}}/{owner}/{kind}"
    one = collection + "/{message_id}"
    return {
        "list": Operation(f"{kind}.list{suffix}", "GET", collection, answer=Shape.OBJECT),
        "get": Operation(f"{kind}.get{suffix}", "GET", one, answer=Shape.OBJECT),
        "update": Operation(f"{kind}.update{suffix}", "PUT", one, answer=Shape.OBJECT),
        "delete": Operation(f"{kind}.delete{suffix}", "DELETE", one, answer=Shape.NOTHING),
    }
