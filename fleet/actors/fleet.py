"""The fleet: every charge point's place, alive or between two lives, and the way to tell it something.

A `Berth` is where a charge point lives: it keeps the memory, builds each life over it, and hands messages to whichever
life is there. The fleet's nursery holds one supervised task per charge point.
"""

import math
from typing import Any, Protocol

import trio
from attrs import define, field, frozen

from fleet.actors.charge_point import (
    MAILBOX_SIZE,
    ErrandRunner,
    Life,
    ReportListener,
    RunLink,
    run_charge_point,
    run_no_errand,
)
from fleet.actors.keeping import Keeper
from fleet.actors.mailbox import Address, Mailbox, MailboxClosed, MailboxFull
from fleet.actors.supervisor import RestartPolicy, cause_of, supervise
from fleet.clock import Clock
from fleet.commands.hazards import PowerReturn
from fleet.commands.vocabulary import Command, Connect, Drain, Remove
from fleet.core.charge_point import ChargePoint, ChargePointMessage
from fleet.core.dialect import Dialect
from fleet.core.dictation import Dictated
from fleet.core.effects import Finish, Restart
from fleet.core.instructions import Instruct
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import Drained, GivenUp, Restarted
from fleet.randomness import MessageIds
from fleet.words import StopReason

ASK_TIMEOUT_S = 10.0
LEAVING_RETRY_S = 0.1


class LinkFactory(Protocol):
    """Makes the link of one charge point; `incarnation` counts its lives, so that each draws its own jitter."""

    def __call__(self, plan: ChargePointPlan, incarnation: int, /) -> RunLink: ...


@frozen
class Surroundings:
    """What every charge point of a run shares; with a `keeper` their memories outlive the run."""

    seed: int
    clock: Clock
    dialect: Dialect
    observer: ReportListener
    link: LinkFactory
    call_timeout_s: float = 30.0
    policy: RestartPolicy = field(factory=RestartPolicy)
    run_errand: ErrandRunner = run_no_errand
    keeper: Keeper | None = None


@frozen
class Reply:
    """What came of a command: the refusal, None when done; and what there was to know.

    `value` is by command: SendHeartbeat, SendBoot, SendDataTransfer and SendRaw give the payload of the CSMS's answer
    as it is on the wire (a CALLERROR is a refusal, its code, description and details are the value), Authorize the
    id tag's status, GetConfiguration the keys with their values.
    """

    refusal: str | None
    value: Any = None

    @property
    def ok(self) -> bool:
        """It was done."""
        return self.refusal is None


@define
class _Ask:
    answered: trio.Event = field(factory=trio.Event)
    reply: Reply = Reply(None)


class Berth:
    """One charge point's place in the fleet."""

    __slots__ = (
        "_address",
        "_asks",
        "_dark",
        "_draining",
        "_ended",
        "_interrupted",
        "_leaving",
        "_over",
        "_page",
        "_surroundings",
        "_token",
        "_woken",
        "memory",
        "plan",
    )

    def __init__(self, plan: ChargePointPlan, surroundings: Surroundings, memory: ChargePointMemory | None = None):
        self.plan = plan
        keeper = surroundings.keeper
        if memory is None:
            memory = ChargePointMemory.blank(len(plan.connectors)) if keeper is None else keeper.memory(plan)
        self.memory = memory
        self._page = None if keeper is None else keeper.page(plan.id, memory)
        self._surroundings = surroundings
        self._address: Address[ChargePointMessage] | None = None
        self._asks: dict[int, _Ask] = {}
        self._token = 0
        # Why a transaction that a life finds in its memory was stopped.
        self._interrupted = StopReason.POWER_LOSS
        self._dark = False
        self._draining = False
        self._leaving = False
        self._over = False
        # Rarely anybody waits for these, so they are made when somebody does.
        self._ended: trio.Event | None = None
        self._woken: trio.Event | None = None

    def tell(self, connector: int, command: Command) -> str | None:
        """Hand a command over without waiting for its outcome; returns a refusal if it couldn't be handed over."""
        return self._tell(Instruct(connector, command))

    async def ask(self, connector: int, command: Command, timeout_s: float = ASK_TIMEOUT_S) -> str | None:
        """Hand a command over and hear whether it is obeyed: None when so, otherwise the refusal.

        What the CSMS has to say to it isn't waited for.
        """
        return (await self._ask(connector, command, timeout_s, patient=False)).refusal

    async def request(self, connector: int, command: Command, timeout_s: float = ASK_TIMEOUT_S) -> Reply:
        """Hand a command over and wait for all that comes of it, the CSMS's answer or the link included.

        The charge point has `timeout_s` to answer; where it has to ask the CSMS first, its CALL has its own time
        beside that, and so has the one that may still be in flight.
        """
        return await self._ask(connector, command, timeout_s, patient=True)

    async def _ask(self, connector: int, command: Command, timeout_s: float, *, patient: bool) -> Reply:
        self._token += 1
        token, ask = self._token, _Ask()
        self._asks[token] = ask
        try:
            refusal = self._tell(Instruct(connector, command, token, patient))
            if refusal is not None:
                return Reply(refusal)
            silent = f"{self.plan.id} gave no answer"
            if patient and isinstance(command, Dictated):
                timeout_s += 2 * self._surroundings.call_timeout_s
                silent = f"the CSMS gave {self.plan.id} no answer"
            elif patient and isinstance(command, Connect):
                silent = f"{self.plan.id} goes on trying: the CSMS has not let it in"
            with trio.move_on_after(timeout_s):
                await ask.answered.wait()
                return ask.reply
            return Reply(f"{silent} within {timeout_s:g} s")
        finally:
            self._asks.pop(token, None)

    async def run(self) -> None:
        """Live, life after life, until the charge point ends or is given up."""
        ending = await supervise(self.plan.id, self._lives, self._crashed, self._surroundings.policy)
        if ending is None:
            self._observe(GivenUp(trio.current_time(), "crashed too often"))
        self._over = True
        if self._ended is not None:
            self._ended.set()

    def drain(self) -> None:
        """Have it stop every transaction, deliver every message and end; a life that begins later drains at once.

        Where the mains are cut they return: otherwise what it owes would never be delivered.
        """
        self._draining = True
        if self._dark:
            self._wake()
        self._tell(Instruct(0, Drain()))

    async def leave(self) -> None:
        """Have it stop every transaction, deliver for a few seconds what it can, and end; returns when it has."""
        self._leaving = True
        if self._ended is None:
            self._ended = trio.Event()
        self._wake()
        refusal = self._tell(Instruct(0, Remove()))
        while not self._over:
            # Between two lives there is nobody to tell, and where there was no room there is soon.
            with trio.move_on_after(math.inf if refusal is None else LEAVING_RETRY_S):
                await self._ended.wait()
            if refusal is not None:
                refusal = self._tell(Instruct(0, Remove()))

    async def _lives(self) -> Finish:
        """Life after life until one finishes; a crash comes out, and the next lives begin here again."""
        while True:
            if self._leaving and not self.memory.owes:
                self._observe(Drained(trio.current_time(), len(self.memory.outbox)))
                return Finish()
            ending = await self._live(self._interrupted)
            if isinstance(ending, Finish):
                return ending
            self._interrupted = _REASONS.get(ending.cause, StopReason.REBOOT)
            self._observe(Restarted(trio.current_time(), crashed=False, cause=ending.cause))
            await self._rest(ending)

    async def _rest(self, ending: Restart) -> None:
        """Be off for a while; who is to leave has no time for that, nor has the dark who is to drain."""
        if not (self._leaving or (ending.dark and self._draining)):
            self._dark, self._woken = ending.dark, trio.Event()
            with trio.move_on_after(ending.pause_s):
                await self._woken.wait()
            self._dark, self._woken = False, None

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.set()

    async def _live(self, interrupted: StopReason) -> Restart | Finish:
        shared, memory = self._surroundings, self.memory
        memory.incarnation += 1
        mailbox: Mailbox[ChargePointMessage] = Mailbox(MAILBOX_SIZE)
        machine = ChargePoint(
            self.plan,
            memory,
            shared.dialect,
            MessageIds(shared.seed, self.plan.id, memory.incarnation),
            shared.clock.offset_s,
            shared.call_timeout_s,
        )
        run_link = shared.link(self.plan, memory.incarnation)
        self._address = mailbox.address
        if self._draining:
            self._tell(Instruct(0, Drain()))
        if self._leaving:
            self._tell(Instruct(0, Remove()))
        self._powered(True)
        try:
            return await run_charge_point(
                Life(
                    machine,
                    memory,
                    mailbox,
                    run_link,
                    shared.observer,
                    self._answer,
                    interrupted,
                    shared.run_errand,
                    self._page,
                )
            )
        finally:
            self._address = None
            # The relays open in the instant in which the charge point goes down, however it does.
            memory.power_cut(trio.current_time())
            self._powered(False)
            for token in tuple(self._asks):
                self._answer(token, f"{self.plan.id} went down before it could answer")

    def _powered(self, powered: bool) -> None:
        if self._page is not None:
            self._page.powered = powered
            self._page.changed()

    def _tell(self, message: Instruct) -> str | None:
        if self._dark:
            return self._tell_dark(message)
        if self._address is None:
            return f"{self.plan.id} is not running"
        try:
            self._address.tell(message)
        except MailboxFull:
            return f"{self.plan.id} is too busy"
        except MailboxClosed:
            return f"{self.plan.id} is going down"
        return None

    def _tell_dark(self, message: Instruct) -> str | None:
        """Where the mains are cut nobody hears anything, and the only thing to be done is to switch them on."""
        if not isinstance(message.command, PowerReturn):
            return f"{self.plan.id} has no power"
        self._wake()
        if message.token is not None:
            self._answer(message.token, None)
        return None

    def _answer(self, token: int, refusal: str | None, value: object = None) -> None:
        ask = self._asks.pop(token, None)
        if ask is not None:
            ask.reply = Reply(refusal, value)
            ask.answered.set()

    def _crashed(self, crash: Exception) -> None:
        self._interrupted = StopReason.REBOOT
        self._observe(Restarted(trio.current_time(), crashed=True, cause=cause_of(crash)))

    def _observe(self, report: Restarted | GivenUp | Drained) -> None:
        self._surroundings.observer.report(self.plan.id, report)


_REASONS = {
    "SoftReset": StopReason.SOFT_RESET,
    "HardReset": StopReason.HARD_RESET,
    "PowerLoss": StopReason.POWER_LOSS,
}


class Fleet:
    """All charge points of a run by id, in the order in which they were added.

    A charge point that was removed and is added again comes back with the memory that it left with.
    """

    def __init__(self, surroundings: Surroundings, nursery: trio.Nursery) -> None:
        self._surroundings = surroundings
        self._nursery = nursery
        self._running = 0
        self._all_ended = trio.Event()
        self.berths: dict[str, Berth] = {}
        self._stored: dict[str, ChargePointMemory] = {}

    def add(self, plan: ChargePointPlan, memory: ChargePointMemory | None = None) -> Berth:
        """Switch a charge point on; ValueError where there is one of this id."""
        if plan.id in self.berths:
            raise ValueError(f"there is a charge point {plan.id} already")
        stored = self._stored.pop(plan.id, None)
        if stored is not None and memory is None:
            stored.put_up_again(len(plan.connectors))
            memory = stored
        berth = Berth(plan, self._surroundings, memory)
        self.berths[plan.id] = berth
        self._running += 1
        self._nursery.start_soon(self._run, berth)
        return berth

    async def remove(self, charge_point_id: str) -> str | None:
        """Let a charge point leave, as `Berth.leave` says, and forget it; None, or why not."""
        berth = self.berths.get(charge_point_id)
        if berth is None:
            return f"there is no charge point {charge_point_id}"
        await berth.leave()
        if self.berths.get(charge_point_id) is berth:
            del self.berths[charge_point_id]
            self._stored[charge_point_id] = berth.memory
        return None

    def tell(self, charge_point_id: str, connector: int, command: Command) -> str | None:
        """As `Berth.tell`; an unknown id is a refusal."""
        berth = self.berths.get(charge_point_id)
        return berth.tell(connector, command) if berth else f"there is no charge point {charge_point_id}"

    async def ask(
        self, charge_point_id: str, connector: int, command: Command, timeout_s: float = ASK_TIMEOUT_S
    ) -> str | None:
        """As `Berth.ask`; an unknown id is a refusal."""
        berth = self.berths.get(charge_point_id)
        if berth is None:
            return f"there is no charge point {charge_point_id}"
        return await berth.ask(connector, command, timeout_s)

    async def request(
        self, charge_point_id: str, connector: int, command: Command, timeout_s: float = ASK_TIMEOUT_S
    ) -> Reply:
        """As `Berth.request`; an unknown id is a refusal."""
        berth = self.berths.get(charge_point_id)
        if berth is None:
            return Reply(f"there is no charge point {charge_point_id}")
        return await berth.request(connector, command, timeout_s)

    @property
    def running(self) -> int:
        """How many charge points have not ended."""
        return self._running

    async def ended(self, deadline: float = math.inf) -> bool:
        """Wait until every charge point has ended; False if `deadline` came first."""
        with trio.move_on_at(deadline):
            while self._running:
                await self._all_ended.wait()
        return not self._running

    async def _run(self, berth: Berth) -> None:
        await berth.run()
        self._running -= 1
        if not self._running:
            self._all_ended.set()
            self._all_ended = trio.Event()
