"""Paths of a section of the API, at which its operations are declared."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from welkin_async.pagination.styles import PageStyle
from welkin_async.wire.request import Operation, Repeat, Shape


class Listing(NamedTuple):
    """Listing: an operation that answers in numbered pages.

    Attributes:
        operation: The operation.
        style: Where its answers keep their records.
        query: The `TypedDict` of its query.
    """

    operation: Operation
    style: PageStyle
    query: type


@attrs.frozen
class Path:
    """Path of a section, with a method for each HTTP verb that declares an operation there.

    ``Path("tasks", "/{tenant}/{instance}/tasks").post("create")`` is the operation ``tasks.create``. A POST is not
    repeated after an unknown outcome unless it says so; what a DELETE answers is ignored unless it says so.

    Attributes:
        section: The section in the API's catalogue.
        template: The path, its parameters in braces.
    """

    section: str
    template: str

    def __truediv__(self, below: str) -> Path:
        """Return a path below this one: ``path / "{id}"``."""
        return Path(self.section, f"{self.template}/{below}")

    def get(self, name: str, answer: Shape = Shape.RECORD) -> Operation:
        """Declare a GET.

        Args:
            name: Its name in the section.
            answer: What a readable answer is.
        """
        return self._operation("GET", name, Repeat.SAFE, answer)

    def pages(self, name: str, style: PageStyle, query: type) -> Listing:
        """Declare a GET that answers in numbered pages.

        Args:
            name: Its name in the section.
            style: Where its answers keep their records.
            query: The `TypedDict` of its query.
        """
        return Listing(self.get(name, Shape.OBJECT), style, query)

    def post(self, name: str, answer: Shape = Shape.RECORD, repeat: Repeat = Repeat.UNSAFE) -> Operation:
        """Declare a POST.

        Args:
            name: Its name in the section.
            answer: What a readable answer is.
            repeat: Whether it may be sent again after an unknown outcome.
        """
        return self._operation("POST", name, repeat, answer)

    def put(self, name: str, answer: Shape = Shape.RECORD, repeat: Repeat = Repeat.SAFE) -> Operation:
        """Declare a PUT; arguments as for `post`."""
        return self._operation("PUT", name, repeat, answer)

    def patch(self, name: str, answer: Shape = Shape.RECORD, repeat: Repeat = Repeat.SAFE) -> Operation:
        """Declare a PATCH; arguments as for `post`."""
        return self._operation("PATCH", name, repeat, answer)

    def delete(self, name: str, answer: Shape = Shape.NOTHING) -> Operation:
        """Declare a DELETE; arguments as for `get`."""
        return self._operation("DELETE", name, Repeat.SAFE, answer)

    def _operation(self, method: str, name: str, repeat: Repeat, answer: Shape) -> Operation:
        return Operation(f"{self.section}.{name}", method, self.template, repeat, answer)
