"""Messages on their way to the CSMS, and the box where those wait that must arrive."""

from math import inf
from typing import Any

from attrs import define, field


@define(eq=False)
class Outgoing:
    """A CALL on its way.

    `due_at` is when its owner wanted to say it. `transaction` is the charge point's own key of the transaction that a
    transaction message belongs to, None for ordinary messages; with `needs_id` the payload gets the CSMS's id of that
    transaction as `transactionId` when it is sent. `context` is whatever the owner wants back with the outcome; the
    answer to a `raw` one is handed back as it came, unread. What the CSMS `asked_for` needn't wait until it accepts.
    The rest is the exchange's: how often it was `sent`, `attempts` that failed (a cut is none), `not_before` for the
    next one, and the place in the `order`.
    """

    action: str
    payload: dict[str, Any]
    due_at: float
    transaction: str | None = None
    needs_id: bool = False
    context: object = None
    raw: bool = False
    asked_for: bool = False
    sent: int = 0
    attempts: int = 0
    not_before: float = -inf
    order: int = 0


@define(eq=False)
class Outbox:
    """The transaction messages that wait for the CSMS, oldest first, and the transaction ids it has given.

    It outlives the `Exchange`: a charge point that reboots hands it to the next one.
    """

    messages: list[Outgoing] = field(factory=list)
    bindings: dict[str, int] = field(factory=dict)
    enqueued: int = 0

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def oldest_due_at(self) -> float:
        """Since when the CSMS has been owed something; inf if nothing waits."""
        return self.messages[0].due_at if self.messages else inf

    def forget(self, transaction: str) -> None:
        """Nothing more will be said of this transaction."""
        self.bindings.pop(transaction, None)
