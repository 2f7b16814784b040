"""Randomness by key: the same seed and the same name always draw the same number, whoever asks first.

trio shuffles its tasks on purpose, so a generator that tasks share gives another run every time. A number that is a
function of `(seed, name)` does not, and costs no state: a `random.Random` is 2.5 KB, a charge point is to cost 64.
"""

from hashlib import blake2b


def _digest(seed: int, name: str, size: int) -> bytes:
    return blake2b(f"{seed}/{name}".encode(), digest_size=size).digest()


def unit(seed: int, name: str) -> float:
    """A number in [0, 1)."""
    return int.from_bytes(_digest(seed, name, 8), "big") / 2**64


class MessageIds:
    """Unique message ids of one life of one charge point, at most 36 characters (OCPP-J 1.6 section 4.1.4).

    The prefix differs between charge points and between the lives of one, so that an id doesn't repeat on any
    connection of a run, and is the same when the run is repeated with its seed.
    """

    __slots__ = ("_count", "_prefix")

    def __init__(self, seed: int, charge_point_id: str, incarnation: int) -> None:
        self._prefix = _digest(seed, f"{charge_point_id}/{incarnation}/message-ids", 8).hex()
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"{self._prefix}-{self._count}"
