"""Exchange: a request and its answer on one connection, and whether the answer can be believed.

HTTP/1.1 tells which answer belongs to which request by their order alone. A server or proxy that answers once too
often shifts every later answer on that connection by one. An answer that names its record is checked against the
request (`http.identity`); an error, an empty page or an empty body names nothing, so by itself it proves nothing. It
is confirmed when a later answer on the same connection passes its own check: an order that was shifted does not heal.
The first answer on a connection needs no confirmation: nothing else had been asked there.
"""

from __future__ import annotations

from typing import Protocol

import attrs


class Connection(Protocol):
    """A connection to the server, as far as belief in its answers goes; each engine has its own.

    Attributes:
        answers: How many answers have come over it.
        confirmed: The number of the latest answer that passed its identity check; 0 for none.
        disordered: Whether an answer too many, or that of another request, was seen on it.
    """

    answers: int
    confirmed: int
    disordered: bool

    @property
    def open(self) -> bool:
        """Whether another request may still go over it."""
        ...

    def retire(self) -> None:
        """Send no further request over it; an exchange that is under way on it may end."""
        ...

    def close(self) -> None:
        """Close it now; an exchange that is under way on it breaks off."""
        ...


@attrs.define(eq=False)
class Exchange:
    """One answer's place on its connection.

    Attributes:
        connection: The connection.
        number: Which answer on it this is, from 1.
    """

    connection: Connection
    number: int

    @property
    def confirmed(self) -> bool:
        """Whether the answer is known to be the request's own.

        True for the first answer on a connection, for one that passed its identity check, and for one after which
        another on the same connection did.
        """
        return self.number == 1 or self.connection.confirmed >= self.number

    @property
    def pending(self) -> bool:
        """Whether a later answer on the connection may still confirm this one.

        Where this is false and ``confirmed`` too, nothing will: the connection is closed.
        """
        return not self.confirmed and self.connection.open

    @property
    def in_order(self) -> bool:
        """Whether nothing speaks against the answer: no answer too many has come on its connection so far."""
        return self.confirmed or self.connection.open or not self.connection.disordered

    def confirm(self) -> None:
        """Note that the answer passed its identity check; with it every earlier one on the connection is confirmed."""
        if self.number > self.connection.confirmed:
            self.connection.confirmed = self.number
