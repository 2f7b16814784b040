"""The exchange under random trouble: whatever happens, the books stay in order and complete."""

from itertools import count
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.ocpp import v16
from fleet.ocpp.exchange import Completed, Event, Exchange, Failed, Lost, Outbox, Outgoing, Send

ANSWERS: dict[str, Any] = {
    "BootNotification": {"status": "Accepted", "currentTime": "2026-11-22T12:00:00Z", "interval": 60},
    "Heartbeat": {"currentTime": "2026-11-22T12:00:00Z"},
    "StartTransaction": {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
    "MeterValues": {},
    "StopTransaction": {},
}
# Mostly a charge point at work, sometimes trouble; "stall" lets a CALL time out and its retry go.
WEIGHTS = {
    "start": 2,
    "meter": 2,
    "stop": 1,
    "ordinary": 1,
    "boot": 1,
    "answer": 3,
    "refuse": 1,
    "bad": 1,
    "broken": 1,
    "stall": 3,
    "late": 3,
    "late-refuse": 1,
    "again": 1,
    "link": 2,
    "accept": 2,
    "cut": 1,
    "suspend": 1,
    "reboot": 1,
}
STEPS = st.lists(
    st.sampled_from([step for step, weight in WEIGHTS.items() for _ in range(weight)])
    | st.tuples(st.just("wait"), st.sampled_from([0.05, 1.0, 5.0, 30.0, 200.0])),
    max_size=80,
)


class World:
    """A charge point's exchange, the wire, and a CSMS that behaves as the steps say; it checks as it goes."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.numbers = count(1)
        self.now = 0.0
        self.said: list[Outgoing] = []
        self.settled: list[Outgoing] = []
        self.asked: dict[str, str] = {}  # on this connection: message id -> action
        self.answered: set[str] = set()
        self.in_flight: tuple[str, float] | None = None
        self.ids: set[str] = set()
        self.transactions = 0
        self.boot()

    def boot(self) -> None:
        self.exchange = Exchange(
            v16.CATALOGUE, self.outbox, lambda: f"m{next(self.numbers)}", transaction_attempts=3, retry_interval_s=5.0
        )
        self.hang_up()

    def hang_up(self) -> None:
        self.asked.clear()
        self.in_flight = None

    # ---- steps -------------------------------------------------------------------------------------------------------

    def step(self, step: str | tuple[str, Any]) -> None:
        match step:
            case "start":
                self.transactions += 1
                self.say("StartTransaction", str(self.transactions))
            case "meter" | "stop" if self.transactions:
                action = "MeterValues" if step == "meter" else "StopTransaction"
                self.say(action, str(self.transactions), needs_id=True)
            case "ordinary":
                self.say("Heartbeat")
            case "boot":
                self.say("BootNotification")
            case "cut":
                self.take(self.exchange.link_down(self.now))
                self.hang_up()
            case "link" if not self.exchange.connected:
                self.exchange.link_up(self.now)
            case "accept":
                self.exchange.accept(self.now)
            case "suspend":
                self.exchange.suspend()
            case "reboot":
                self.take(self.exchange.link_down(self.now))
                self.boot()
            case "answer" | "refuse" | "bad" | "broken" if self.in_flight:
                self.answer(self.in_flight[0], step)
            case "stall" if self.in_flight:
                self.wait(36.0)
            case "late" | "late-refuse" if self.unanswered():
                self.answer(self.unanswered()[-1], "answer" if step == "late" else "refuse")
            case "again" if self.asked:
                self.answer(next(iter(self.asked)), "answer")
            case ("wait", duration_s):
                self.wait(duration_s)
        self.take(self.exchange.poll(self.now))

    def say(self, action: str, transaction: str | None = None, needs_id: bool = False) -> None:
        outgoing = Outgoing(action, {}, self.now, transaction, needs_id)
        self.said.append(outgoing)
        self.exchange.enqueue(outgoing)

    def unanswered(self) -> list[str]:
        """The CALLs of this connection that timed out."""
        flying = self.in_flight and self.in_flight[0]
        return [id for id in self.asked if id not in self.answered and id != flying]

    def wait(self, duration_s: float) -> None:
        """Let time pass, stopping at each deadline as an actor would."""
        end = self.now + duration_s
        for _ in range(1000):
            if self.exchange.deadline > end:
                self.now = end
                return
            self.now = max(self.now, self.exchange.deadline)
            self.take(self.exchange.tick(self.now))
            self.take(self.exchange.poll(self.now))
        raise AssertionError("the exchange wants to be called again and again and does nothing")

    def answer(self, id: str, how: str) -> None:
        text = {
            "answer": orjson.dumps([3, id, ANSWERS[self.asked[id]]]).decode(),
            "refuse": f'[4,"{id}","InternalError","",{{}}]',
            "bad": f'[3,"{id}",[]]',
            "broken": f'[3,"{id}"]',
        }[how]
        if self.in_flight and self.in_flight[0] == id:
            self.in_flight = None
        self.answered.add(id)
        self.take(self.exchange.receive(text, self.now))

    # ---- checks ------------------------------------------------------------------------------------------------------

    def take(self, events: list[Event]) -> None:
        assert sum(isinstance(event, Send) for event in events) <= 1
        for event in events:
            match event:
                case Send(text):
                    self.check_sent(text)
                case Completed(outgoing):
                    if outgoing.action == "StartTransaction":
                        self.exchange.bind(str(outgoing.transaction), 1)
                    self.settle(outgoing)
                case Failed(outgoing) if outgoing.transaction is None:
                    self.settle(outgoing)
                case Lost(outgoing):
                    assert outgoing.transaction is not None
                    self.settle(outgoing)

    def check_sent(self, text: str) -> None:
        _, id, action, payload = orjson.loads(text)
        assert id not in self.ids, "a message id came twice"
        self.ids.add(id)
        assert self.exchange.connected, "nothing goes out without a connection"
        assert self.exchange.accepted or action == "BootNotification", "nothing goes out before acceptance"
        if self.in_flight is not None:
            assert self.now >= self.in_flight[1] + self.exchange.call_timeout_s, "two CALLs in flight"
        self.in_flight = (id, self.now)
        self.asked[id] = action
        if action in ("MeterValues", "StopTransaction"):
            assert payload == {"transactionId": 1}

    def settle(self, outgoing: Outgoing) -> None:
        assert outgoing not in self.settled, "settled twice"
        self.settled.append(outgoing)

    def check_books(self) -> None:
        """What is settled is settled in the order in which it was said, and what isn't still waits, in that order."""
        said = [outgoing for outgoing in self.said if outgoing.transaction is not None]
        settled = [outgoing for outgoing in self.settled if outgoing.transaction is not None]
        assert settled + self.outbox.messages == said


@settings(max_examples=250, deadline=None)
@given(STEPS)
def test_transaction_messages_are_settled_once_and_in_order_whatever_happens(steps: list[Any]) -> None:
    world = World()
    for step in ["link", "accept", *steps]:
        world.step(step)
        world.check_books()


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_once_the_csms_behaves_everything_said_is_settled(steps: list[Any]) -> None:
    world = World()
    for step in ["link", "accept", *steps, "link", "accept"]:
        world.step(step)
    for _ in range(1000):
        if world.exchange.idle:
            break
        if world.in_flight is not None:
            world.step("answer")
        else:
            world.step(("wait", 61.0))
    assert world.exchange.idle
    assert world.exchange.deadline == float("inf")
    world.check_books()
    assert len(world.settled) == len(world.said)
