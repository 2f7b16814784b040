"""The glance: what a toolbar shows of the whole fleet, every second, for nothing."""

from collections.abc import Mapping
from typing import Any

import attrs
from attrs import frozen


@frozen
class Glance:
    """The fleet at one look. `target` is the console's default target, as text.

    `by_state` counts charge points, `by_status` connectors, each without the zeros; `running` transactions; `power_w`
    the power into all cars.
    """

    target: str | None
    charge_points: int
    online: int
    connectors: int
    by_state: Mapping[str, int]
    by_status: Mapping[str, int]
    running: int
    power_w: float
    messages: int
    messages_per_s: float
    outbox: int
    elapsed_s: float
    seed: int
    paused: bool = False
    draining: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return attrs.asdict(self, recurse=False)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Glance":
        """The inverse of `as_dict`; what a newer program says beside it is left alone."""
        known = {field.name for field in attrs.fields(cls)}
        return cls(**{name: value for name, value in said.items() if name in known})
