"""Asking many at once: one command to every address, a bounded number of them in flight.

Answers come when they come; what is known so far stays known when somebody gives up in between. The loop belongs to the
fleet, so the asking takes turns with it.
"""

from collections.abc import Sequence
from typing import Any

import trio
from attrs import define, field

from fleet.actors.fleet import ASK_TIMEOUT_S, Fleet
from fleet.commands.vocabulary import Command
from fleet.control.answer import Answer, Refused
from fleet.errors import EXIT_INTERRUPTED

AT_ONCE_MAX = 100
"""Addresses that are asked at the same time: some have to wait for their CSMS."""
STARTED_AT_ONCE_MAX = 5
"""Addresses that begin to be asked in one turn of the loop, so that its turns stay short."""

Address = tuple[str, int]


@define
class Outcome:
    """What became of a command so far; `asked` is how many addresses it is for, `what` the command in words."""

    what: str = "command"
    asked: int = 0
    order: Sequence[Address] = ()
    """In which order to say it, whoever answered first."""
    done: dict[str, Any] = field(factory=dict)
    refused: list[Refused] = field(factory=list)

    def answer(self) -> Answer:
        """The answer; who was not heard of yet counts as cancelled."""
        left = self.asked - len(self.done) - len(self.refused)
        done, refused = self.done, self.refused
        if len(self.order) > 1:
            names = [render_address(address) for address in self.order]
            done = {name: done[name] for name in names if name in done}
            by_name = {refusal.target: refusal for refusal in refused}
            refused = [by_name[name] for name in names if name in by_name]
        return Answer.counted(self.what, done, refused, cancelled=left)

    def cancelled(self) -> Answer:
        """The answer of a command that somebody gave up."""
        if self.asked:
            answer = self.answer()
            if answer.error is not None:
                return answer
        return Answer.wrong(f"{self.what}: cancelled", EXIT_INTERRUPTED)


def render_address(address: Address) -> str:
    """`CP1/2`, or `CP1` for the charge point."""
    charge_point_id, connector = address
    return f"{charge_point_id}/{connector}" if connector else charge_point_id


async def ask_all(
    fleet: Fleet, addresses: Sequence[Address], command: Command, outcome: Outcome, timeout_s: float = ASK_TIMEOUT_S
) -> None:
    """Ask every address and write into `outcome` what became of it; a repeated address is asked once."""
    addresses = list(dict.fromkeys(addresses))
    outcome.asked, outcome.order = len(addresses), addresses
    if len(addresses) == 1:
        await _ask(fleet, addresses[0], command, outcome, timeout_s)
        return
    places = trio.Semaphore(AT_ONCE_MAX)

    async def ask(address: Address) -> None:
        await _ask(fleet, address, command, outcome, timeout_s)
        places.release()

    async with trio.open_nursery() as nursery:
        for number, address in enumerate(addresses, 1):
            try:
                places.acquire_nowait()
            except trio.WouldBlock:
                await places.acquire()
            nursery.start_soon(ask, address)
            if number % STARTED_AT_ONCE_MAX == 0:
                await trio.lowlevel.checkpoint()


async def _ask(fleet: Fleet, address: Address, command: Command, outcome: Outcome, timeout_s: float) -> None:
    reply = await fleet.request(*address, command, timeout_s)
    name = render_address(address)
    if reply.refusal is None:
        outcome.done[name] = reply.value
    else:
        outcome.refused.append(Refused(name, reply.refusal))
