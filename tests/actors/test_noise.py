"""Frames and answers that no CSMS would send, by the thousand: none of them stops a charge point."""

import itertools
import json
from typing import Any

import orjson
import trio
from counterparts.world import QUIET, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from fleet.commands.vocabulary import PlugIn, StartTransaction, StopTransaction
from fleet.core.reports import CallServed, LinkDown

ACTIONS_OF_OURS = ("Heartbeat", "Authorize", "StatusNotification", "StartTransaction", "MeterValues", "StopTransaction")
ATTEMPTS = {"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "1"}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.sampled_from(["Accepted", "Operative", "Hard", "HeartbeatInterval", "2026-01-01T00:00:00Z", "1", "T"])
)
FIELDS = st.sampled_from(
    [
        "type",
        "connectorId",
        "idTag",
        "transactionId",
        "key",
        "value",
        "vendorId",
        "messageId",
        "data",
        "status",
        "idTagInfo",
        "currentTime",
        "interval",
        "chargingProfile",
        "x",
    ]
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=4), max_leaves=12
)
ACTIONS = st.sampled_from(
    [
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ChangeAvailability",
        "ChangeConfiguration",
        "GetConfiguration",
        "ClearCache",
        "UnlockConnector",
        "DataTransfer",
        "TriggerMessage",
        "ExtendedTriggerMessage",
        "SendLocalList",
        "GetLocalListVersion",
        "ReserveNow",
        "CancelReservation",
        "Heartbeat",
    ]
)
FRAMES = (
    st.tuples(st.just(2), st.text("abc", max_size=40), ACTIONS, JSON)
    | st.tuples(st.sampled_from([3, 4, 5]), st.text("abc", max_size=3), JSON)
    | st.tuples(st.just(4), st.text("abc", max_size=3), JSON, JSON, JSON)
    | JSON
).map(lambda value: _dumps(value))
NOISE = FRAMES | st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.binary(max_size=20)


def _dumps(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Beyond 64 bits only Python's own encoder goes.
        return json.dumps(value)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(frames=st.lists(NOISE, min_size=5, max_size=25), answers=st.lists(JSON, min_size=1, max_size=6))
def test_noise_crashes_nothing(frames: list[str | bytes], answers: list[Any]) -> None:
    async def play() -> None:
        async with world(configuration={**QUIET, **ATTEMPTS}) as w:
            await w.booted()
            turn = itertools.count()

            def anything(_: Any) -> str:
                return '[3,"{id}",' + _dumps(answers[next(turn) % len(answers)]) + "]"

            w.central.answers.update(dict.fromkeys(ACTIONS_OF_OURS, anything))
            await w.do("CP1/1", PlugIn())
            await w.do("CP1/1", StartTransaction("TAG"))
            for frame in frames:
                await w.central.send_text("CP1", frame)
                await trio.sleep(0.5)
            await w.do("CP1/1", StopTransaction())
            await trio.sleep(30)
            assert w.reported(LinkDown) == []
            w.central.answers.clear()
            await trio.sleep(30)
            calls = [orjson.loads(f) for f in frames if isinstance(f, str) and f.startswith('[2,"')]
            served = len(w.reported(CallServed))
            assert served >= sum(1 for call in calls if 0 < len(call[1]) <= 36)
            # The noise may have said that nothing is to work any more.
            answer = await w.central.call("CP1", "ChangeAvailability", {"connectorId": 0, "type": "Operative"})
            assert answer["status"] == "Accepted"
            await w.still_charges()

    trio.run(play, clock=MockClock(autojump_threshold=0))
