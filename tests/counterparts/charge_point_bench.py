"""A bench for the charge point's machine without its tasks: the test is its connectors, link, CSMS and clock.

`lines` is what it put on the wire, as short words; `orders` what it told its connectors; `facts` what it told
observers. Nothing is answered by itself: the test answers the CALL that is open, or lets it be.
"""

import itertools
from typing import Any

import orjson

from fleet.commands.vocabulary import Command
from fleet.core.charge_point import ChargePoint, ChargePointMessage
from fleet.core.dialects.v16 import Dialect16
from fleet.core.effects import Effect, GiveOrder, Observe, RunErrand, SendFrame
from fleet.core.errands import Errand, ErrandEnded, Outcome
from fleet.core.instructions import Instruct
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import (
    FrameReceived,
    LinkDown,
    LinkUp,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.words import ConnectorStatus, ErrorCode, StopReason

CALL = 2
EPOCH_S = 1_795_348_800.0
"""2026-11-22T12:00:00Z: the machine's own idea of the time at 0 s, before the CSMS tells it."""
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


class Bench:
    """A charge point's machine with one connector, switched on at 0 s and not connected."""

    def __init__(
        self,
        configuration: dict[str, str] | None = None,
        memory: ChargePointMemory | None = None,
        plan: ChargePointPlan | None = None,
    ) -> None:
        self.now = 0.0
        self.memory = memory or ChargePointMemory.blank(1)
        plan = plan or ChargePointPlan("CP1", (ConnectorPlan(),), configuration=configuration or {})
        ids = itertools.count(1)
        self.machine = ChargePoint(plan, self.memory, Dialect16(), lambda: f"m{next(ids)}", EPOCH_S)
        self.frames: list[list[Any]] = []
        self.orders: list[Any] = []
        self.facts: list[Any] = []
        self.effects: list[Effect] = []
        self.errands: list[RunErrand] = []
        self.sent_at: list[float] = []
        self._take(self.machine.start(self.now))

    # ---- what happens to it ------------------------------------------------------------------------------------------

    def hear(self, message: ChargePointMessage) -> None:
        """A report from below or an order from outside comes in."""
        self._take(self.machine.handle(message, self.now))

    def connect(self) -> None:
        self.hear(LinkUp())

    def cut(self) -> None:
        self.hear(LinkDown("reset"))

    def boot(self, interval_s: int = 0, status: str = "Accepted", time: str = "2026-11-22T12:00:00Z") -> None:
        """Connect, and answer the BootNotification; accepted, the connectors' statuses are acknowledged too."""
        self.connect()
        self.status(ConnectorStatus.AVAILABLE)
        assert self.line == "BootNotification"
        self.answer({"status": status, "currentTime": time, "interval": interval_s})
        self.acknowledge()

    def answer(self, payload: Any) -> None:
        """Answer the latest CALL."""
        self._receive([3, self.frames[-1][1], payload])

    def fail(self, code: str = "InternalError") -> None:
        """Answer the latest CALL with a CALLERROR."""
        self._receive([4, self.frames[-1][1], code, "", {}])

    def acknowledge(self) -> None:
        """Answer StatusNotifications as long as there are any."""
        while self.line.startswith(("0:", "1:")) and self.machine.exchange.in_flight:
            self.answer({})

    def call(self, action: str, payload: dict[str, Any], outcome: Outcome | None = None) -> Any:
        """A CALL of the CSMS; gives the answer's payload, a CALLERROR's code, or None where none came.

        `outcome` is that of the errand on which the answer depends.
        """
        message_id = f"c{len(self.frames)}"
        self._receive([CALL, message_id, action, payload])
        if outcome is not None and self.errands:
            self.end_errand(outcome)
        return next((frame[2] for frame in self.frames if frame[0] != CALL and frame[1] == message_id), None)

    def _receive(self, frame: list[Any]) -> None:
        self.hear(FrameReceived(orjson.dumps(frame).decode()))

    def end_errand(self, outcome: Outcome) -> Errand:
        """The oldest errand that runs is over; gives what it was."""
        begun = self.errands.pop(0)
        self.hear(ErrandEnded(begun.token, outcome))
        return begun.errand

    def instruct(self, command: Command) -> None:
        self.hear(Instruct(0, command))

    def status(self, status: ConnectorStatus, error_code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        self.hear(StatusChanged(1, self.now, status, error_code))

    def start(self, key: str = "t1", id_tag: str = "TAG", meter_wh: int = 0) -> None:
        self.hear(TransactionStarted(1, self.now, key, id_tag, meter_wh))

    def stop(self, key: str = "t1", meter_wh: int = 100, reason: StopReason = StopReason.LOCAL) -> None:
        self.hear(TransactionStopped(1, self.now, key, meter_wh, reason))

    def wait(self, seconds: float) -> None:
        """Let time pass, waking the machine whenever it wants."""
        until = self.now + seconds
        while self.machine.deadline <= until:
            self.now = max(self.now, self.machine.deadline)
            self._take(self.machine.tick(self.now))
        self.now = until

    # ---- what it did -------------------------------------------------------------------------------------------------

    def _take(self, effects: list[Effect]) -> None:
        self.effects += effects
        for effect in effects:
            match effect:
                case SendFrame():
                    self.frames.append(orjson.loads(effect.text))
                    self.sent_at.append(self.now)
                case GiveOrder():
                    self.orders.append(effect.order)
                case RunErrand():
                    self.errands.append(effect)
                case Observe():
                    self.facts.append(effect.report)
                case _:
                    pass

    @property
    def lines(self) -> list[str]:
        """All CALLs so far."""
        return [_line(frame) for frame in self.frames if frame[0] == CALL]

    @property
    def line(self) -> str:
        """The latest CALL."""
        return self.lines[-1]

    @property
    def payload(self) -> dict[str, Any]:
        """The latest CALL's."""
        payload: dict[str, Any] = self.frames[-1][3]
        return payload

    @property
    def deeds(self) -> list[Effect]:
        """What it asked of its actor, beside telling observers."""
        return [effect for effect in self.effects if not isinstance(effect, Observe)]

    def since(self, count: int) -> list[str]:
        """The CALLs after the first `count` of them."""
        return self.lines[count:]

    def told(self, kind: type) -> list[Any]:
        """Facts of this type."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


def _line(frame: list[Any]) -> str:
    _, _, action, payload = frame
    return f"{payload['connectorId']}:{payload['status']}" if action == "StatusNotification" else str(action)
