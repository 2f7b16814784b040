"""200 charge points against a central system by other hands, which orders some of them about while all of them charge.

One run of the fleet serves all tests of this module. Drivers come and go everywhere while it lasts, so a scenario never
knows what a connector will do next: it looks for a situation on the wire, acts on it, checks what came of it, and looks
for the next one where a driver was faster. The scenarios run beside each other, each at charge points of its own.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen
from counterparts.accounts import (
    accounts,
    assert_only_what_went_unanswered_came_again,
    assert_registers_are_continuous,
    assert_the_wire_says_the_same,
    register_values,
)
from counterparts.fleet_run import FleetRun
from counterparts.orders import Orders
from counterparts.process import Counterpart
from counterparts.wire import Call, Running, Wire

CHARGE_POINTS = 200
CONNECTORS = (1, 2)
RUN_TIMEOUT_S = 180.0
HEARTBEAT_INTERVAL_S = 5

CONFIGURATION = Path(__file__).with_name("charge_points.toml")


@define(eq=False)
class Site:
    """What a scenario works with."""

    orders: Orders
    wire: Wire
    _unused: dict[str, Iterator[int]] = field(
        factory=lambda: {"ONE": iter(range(1, 131)), "THREE": iter(range(131, 171)), "DC": iter(range(171, 201))}
    )
    _id_tags: Iterator[int] = field(factory=lambda: itertools.count(1))

    def take(self, count: int, group: str = "ONE") -> list[str]:
        """Charge points for one scenario alone."""
        return [f"{group}{number:04}" for number in itertools.islice(self._unused[group], count)]

    def status_of(self, charge_point: str, action: str, **payload: Any) -> str:
        """Ask, and return the status that the answer consists of."""
        answer = self.orders.ask(charge_point, action, **payload)
        assert answer.keys() == {"status"}
        return str(answer["status"])

    def new_id_tag(self) -> str:
        return f"REMOTE{next(self._id_tags)}"

    def running(self, charge_points: list[str]) -> Running:
        """A transaction that has just begun at one of these: it will go on for a while."""
        since = self.wire.mark

        def young() -> Running | None:
            here = [run for run in self.wire.running.values() if run.charge_point in charge_points]
            return max((run for run in here if run.number > since), key=lambda run: run.number, default=None)

        return self.wire.until(young, f"a transaction at {charge_points}")

    def heard(self, charge_point: str, action: str, since: int, **payload: Any) -> Call:
        """The first such CALL after the mark, once it has come."""
        what = f"{action} {payload} of {charge_point}"
        return self.wire.until(lambda: self.wire.said(charge_point, action, since, **payload), what)[0]


# ---- the scenarios ---------------------------------------------------------------------------------------------------


def remotely_started(site: Site, charge_points: list[str], with_connector: bool) -> tuple[Call, int]:
    """Start a transaction at a connector that is being prepared; its StartTransaction, and the mark before all that."""
    wire, untried = site.wire, set(charge_points)

    def preparing() -> list[tuple[str, int]]:
        return [place for place, status in wire.statuses.items() if status == "Preparing" and place[0] in untried]

    while True:
        # The one who has just come hesitates the longest before the driver's own tag is shown.
        charge_point, connector = wire.until(preparing, "a driver who has plugged in")[-1]
        if (found := remote_start_attempt(site, charge_point, connector, with_connector)) is not None:
            return found
        # What an attempt in vain has left behind there is none of the next one's business.
        untried.remove(charge_point)


def remote_start_attempt(
    site: Site, charge_point: str, connector: int, with_connector: bool
) -> tuple[Call, int] | None:
    wire, since, id_tag = site.wire, site.wire.mark, site.new_id_tag()
    order = {"idTag": id_tag} | ({"connectorId": connector} if with_connector else {})
    status = site.status_of(charge_point, "RemoteStartTransaction", **order)
    starts = partial(wire.said, charge_point, "StartTransaction", since)
    # The driver's own tag may be faster: then the request is refused, or the transaction is the driver's.
    wire.until(lambda: starts() or wire.statuses[charge_point, connector] != "Preparing", "the start, or no driver")
    if not starts(idTag=id_tag):
        return None
    (start,) = starts(idTag=id_tag)
    assert status == "Accepted"
    assert start.payload["connectorId"] == connector or not with_connector
    return start, since


def remote_start_at_a_connector(site: Site) -> None:
    start, since = remotely_started(site, site.take(20), with_connector=True)
    asked = site.wire.said(start.charge_point, "Authorize", since, idTag=start.payload["idTag"])
    assert asked == [], "AuthorizeRemoteTxRequests is false"


def remote_start_at_any_connector(site: Site) -> None:
    remotely_started(site, site.take(12, "THREE"), with_connector=False)


def remote_start_with_authorisation(site: Site) -> None:
    charge_points = site.take(20)
    for charge_point in charge_points:
        change = {"key": "AuthorizeRemoteTxRequests", "value": "true"}
        assert site.status_of(charge_point, "ChangeConfiguration", **change) == "Accepted"
    start, since = remotely_started(site, charge_points, with_connector=True)
    (asked,) = site.wire.said(start.charge_point, "Authorize", since, idTag=start.payload["idTag"])
    assert asked.number < start.number


def remote_start_where_it_cannot_be(site: Site) -> None:
    charge_points = site.take(5)
    order = {"idTag": "NOWHERE", "connectorId": 99}
    assert site.status_of(charge_points[0], "RemoteStartTransaction", **order) == "Rejected"
    run = site.running(charge_points)
    order = {"idTag": "SECOND", "connectorId": run.connector}
    assert site.status_of(run.charge_point, "RemoteStartTransaction", **order) == "Rejected"


def remote_stop(site: Site) -> None:
    for group in ("ONE", "THREE", "DC"):
        charge_points = site.take(5, group)
        assert site.status_of(charge_points[0], "RemoteStopTransaction", transactionId=12) == "Rejected"
        run = site.running(charge_points)
        other = next(name for name in charge_points if name != run.charge_point)
        assert site.status_of(other, "RemoteStopTransaction", transactionId=run.transaction_id) == "Rejected"
        status = site.status_of(run.charge_point, "RemoteStopTransaction", transactionId=run.transaction_id)
        assert status == "Accepted"
        stop = site.heard(run.charge_point, "StopTransaction", 0, transactionId=run.transaction_id)
        assert stop.payload["reason"] == "Remote"
        again = site.status_of(run.charge_point, "RemoteStopTransaction", transactionId=run.transaction_id)
        assert again == "Rejected"


def inoperative_while_a_transaction_runs(site: Site) -> None:
    run = site.running(site.take(5))
    place = {"connectorId": run.connector}
    since = site.wire.mark
    assert site.status_of(run.charge_point, "ChangeAvailability", **place, type="Inoperative") == "Scheduled"
    site.status_of(run.charge_point, "RemoteStopTransaction", transactionId=run.transaction_id)
    gone = site.heard(run.charge_point, "StatusNotification", since, **place, status="Unavailable")
    stop = site.heard(run.charge_point, "StopTransaction", since, transactionId=run.transaction_id)
    assert stop.number < gone.number
    order = {"idTag": "CLOSED", **place}
    assert site.status_of(run.charge_point, "RemoteStartTransaction", **order) == "Rejected"
    assert site.status_of(run.charge_point, "ChangeAvailability", **place, type="Operative") == "Accepted"
    site.wire.until(
        lambda: site.wire.statuses[run.charge_point, run.connector] != "Unavailable", "the connector in operation again"
    )


def inoperative_as_a_whole(site: Site) -> None:
    (charge_point,) = site.take(1, "THREE")
    site.wire.until(lambda: site.wire.said(charge_point, "StatusNotification", connectorId=2), "the boot")
    status = site.status_of(charge_point, "ChangeAvailability", connectorId=0, type="Inoperative")
    assert status in ("Accepted", "Scheduled")

    def statuses() -> set[str]:
        return {site.wire.statuses[charge_point, connector] for connector in (0, *CONNECTORS)}

    site.wire.until(lambda: statuses() == {"Unavailable"}, "all of it unavailable")
    assert site.status_of(charge_point, "ChangeAvailability", connectorId=0, type="Operative") == "Accepted"
    site.wire.until(lambda: "Unavailable" not in statuses(), "all of it in operation again")
    assert site.status_of(charge_point, "ChangeAvailability", connectorId=99, type="Inoperative") == "Rejected"


def configuration_changes(site: Site) -> None:
    (charge_point,) = site.take(1)
    since = site.wire.mark
    for key, value, status in (
        ("HeartbeatInterval", "1", "Accepted"),
        ("meterValueSampleInterval", "1", "Accepted"),
        ("MeterValuesSampledData", "Energy.Active.Import.Register,SoC", "Accepted"),
        ("NumberOfConnectors", "7", "Rejected"),
        ("HeartbeatInterval", "often", "Rejected"),
        ("MeterValuesSampledData", "Happiness", "Rejected"),
        ("NoSuchKey", "1", "NotSupported"),
    ):
        assert site.status_of(charge_point, "ChangeConfiguration", key=key, value=value) == status, key
    asked = ["HeartbeatInterval", "MeterValueSampleInterval", "NumberOfConnectors"]
    answer = site.orders.ask(charge_point, "GetConfiguration", key=asked)
    assert [key["value"] for key in answer["configurationKey"]] == ["1", "1", "2"]
    beats = site.wire.until(lambda: site.wire.said(charge_point, "Heartbeat", since)[3:4], "a faster heart")
    assert beats[0].payload == {}
    run = site.running([charge_point])
    values = {"connectorId": run.connector, "transactionId": run.transaction_id}
    samples = site.heard(charge_point, "MeterValues", 0, **values).payload["meterValue"][0]["sampledValue"]
    assert [sample["measurand"] for sample in samples] == ["Energy.Active.Import.Register", "SoC"]


REQUIRED_CORE_KEYS = {  # OCPP 1.6 section 9.1
    *("AuthorizeRemoteTxRequests", "ClockAlignedDataInterval", "ConnectionTimeOut", "ConnectorPhaseRotation"),
    *("GetConfigurationMaxKeys", "HeartbeatInterval", "LocalAuthorizeOffline", "LocalPreAuthorize"),
    *("MeterValuesAlignedData", "MeterValuesSampledData", "MeterValueSampleInterval", "NumberOfConnectors"),
    *("ResetRetries", "StopTransactionOnEVSideDisconnect", "StopTransactionOnInvalidId", "StopTxnAlignedData"),
    *("StopTxnSampledData", "SupportedFeatureProfiles", "TransactionMessageAttempts"),
    *("TransactionMessageRetryInterval", "UnlockConnectorOnEVSideDisconnect"),
}


def configuration_questions(site: Site) -> None:
    (charge_point,) = site.take(1, "DC")
    everything: dict[str, Any]
    for everything in ({}, {"key": []}):
        answer = site.orders.ask(charge_point, "GetConfiguration", **everything)
        keys = {key["key"]: key for key in answer["configurationKey"]}
        assert keys.keys() >= REQUIRED_CORE_KEYS
        assert len(keys) == len(answer["configurationKey"])
        assert answer.get("unknownKey", []) == []
    assert keys["NumberOfConnectors"] == {"key": "NumberOfConnectors", "readonly": True, "value": "2"}
    assert keys["HeartbeatInterval"]["value"] == str(HEARTBEAT_INTERVAL_S), "as BootNotification was answered"
    assert "Core" in keys["SupportedFeatureProfiles"]["value"].split(",")
    assert keys["MeterValueSampleInterval"] == {"key": "MeterValueSampleInterval", "readonly": False, "value": "2"}
    answer = site.orders.ask(charge_point, "GetConfiguration", key=["HeartbeatInterval", "Nothing", "ResetRetries"])
    assert [key["key"] for key in answer["configurationKey"]] == ["HeartbeatInterval", "ResetRetries"]
    assert answer["unknownKey"] == ["Nothing"]
    answer = site.orders.ask(charge_point, "GetConfiguration", key=["Nothing"])
    assert (answer.get("configurationKey", []), answer["unknownKey"]) == ([], ["Nothing"])


def cache_clearing(site: Site) -> None:
    (charge_point,) = site.take(1)
    assert site.status_of(charge_point, "ClearCache") == "Accepted"
    change = {"key": "AuthorizationCacheEnabled", "value": "false"}
    assert site.status_of(charge_point, "ChangeConfiguration", **change) == "Accepted"
    assert site.status_of(charge_point, "ClearCache") == "Rejected"


def reset_with_a_transaction(site: Site, group: str, kind: str) -> tuple[Call, Call]:
    """The StopTransaction of a transaction that a reset ended, and the BootNotification after it."""
    run = site.running(site.take(5, group))
    since, before = site.wire.mark, site.wire.connections[run.charge_point]
    assert site.status_of(run.charge_point, "Reset", type=kind) == "Accepted"
    boot = site.heard(run.charge_point, "BootNotification", since)
    assert boot.connection == before + 1
    stop = site.heard(run.charge_point, "StopTransaction", since, transactionId=run.transaction_id)
    assert stop.payload["reason"] == f"{kind}Reset"
    for connector in (0, *CONNECTORS):
        site.heard(run.charge_point, "StatusNotification", boot.number, connectorId=connector)
    # Everybody can go on there.
    site.running([run.charge_point])
    return stop, boot


def soft_reset(site: Site) -> None:
    stop, boot = reset_with_a_transaction(site, "ONE", "Soft")
    assert stop.number < boot.number


def soft_reset_of_direct_current(site: Site) -> None:
    stop, boot = reset_with_a_transaction(site, "DC", "Soft")
    assert stop.number < boot.number


def hard_reset(site: Site) -> None:
    stop, boot = reset_with_a_transaction(site, "ONE", "Hard")
    assert stop.number > boot.number


def hard_reset_of_three_phases(site: Site) -> None:
    stop, boot = reset_with_a_transaction(site, "THREE", "Hard")
    assert stop.number > boot.number


def unlocking(site: Site) -> None:
    charge_points = site.take(5)
    run = site.running(charge_points)
    assert site.status_of(run.charge_point, "UnlockConnector", connectorId=run.connector) == "Unlocked"
    stop = site.heard(run.charge_point, "StopTransaction", 0, transactionId=run.transaction_id)
    assert stop.payload["reason"] == "UnlockCommand"
    assert site.status_of(charge_points[0], "UnlockConnector", connectorId=2) == "Unlocked"
    assert site.status_of(charge_points[0], "UnlockConnector", connectorId=99) == "NotSupported"
    (fixed,) = site.take(1, "DC")
    assert site.status_of(fixed, "UnlockConnector", connectorId=1) == "NotSupported"


def data_transfers(site: Site) -> None:
    (charge_point,) = site.take(1)
    for payload, status in (
        ({"vendorId": "Fleet"}, "Accepted"),
        ({"vendorId": "Fleet", "messageId": "dance", "data": "now"}, "UnknownMessageId"),
        ({"vendorId": "Somebody"}, "UnknownVendorId"),
    ):
        assert site.status_of(charge_point, "DataTransfer", **payload) == status


PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7000.0}]},
}


def charging_profiles(site: Site) -> None:
    (charge_point,) = site.take(1, "THREE")
    put = partial(site.status_of, charge_point, "SetChargingProfile")
    assert put(connectorId=0, csChargingProfiles=PROFILE) == "Accepted"
    other = {**PROFILE, "chargingProfileId": 2, "chargingProfilePurpose": "TxProfile", "transactionId": 2**31 - 1}
    assert put(connectorId=1, csChargingProfiles=other) == "Rejected"
    asked = {"connectorId": 1, "duration": 60}
    told = site.orders.ask(charge_point, "GetCompositeSchedule", **asked)
    assert told["chargingSchedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 7000.0, "numberPhases": 3}
    ]
    since = site.wire.mark
    values = site.wire.until(lambda: site.wire.said(charge_point, "MeterValues", since), "a sample")
    sampled = [value for call in values for each in call.payload["meterValue"] for value in each["sampledValue"]]
    assert all(float(v["value"]) <= 7000 / 3 / 230 + 0.01 for v in sampled if v["measurand"] == "Current.Import")
    assert site.status_of(charge_point, "ClearChargingProfile", id=1) == "Accepted"
    assert site.status_of(charge_point, "ClearChargingProfile") == "Unknown"
    told = site.orders.ask(charge_point, "GetCompositeSchedule", **asked, chargingRateUnit="W")
    assert told["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 22000.0


def local_list(site: Site) -> None:
    (charge_point,) = site.take(1)
    good, bad = {"idTagInfo": {"status": "Accepted"}}, {"idTagInfo": {"status": "Blocked", "parentIdTag": "FAMILY"}}

    def update(version: int, kind: str, *entries: dict[str, Any]) -> str:
        wish = {"listVersion": version, "updateType": kind, "localAuthorizationList": list(entries)}
        return site.status_of(charge_point, "SendLocalList", **wish)

    assert site.orders.ask(charge_point, "GetLocalListVersion") == {"listVersion": 0}
    assert update(3, "Full", {"idTag": "LISTED", **good}, {"idTag": "BLOCKED", **bad}) == "Accepted"
    assert update(3, "Differential", {"idTag": "NEW", **good}) == "VersionMismatch"
    assert update(4, "Differential", {"idTag": "NEW", **good}, {"idTag": "LISTED"}) == "Accepted"
    assert update(5, "Full", {"idTag": "TWICE", **good}, {"idTag": "twice", **good}) == "Failed"
    assert site.orders.ask(charge_point, "GetLocalListVersion") == {"listVersion": 4}


def reservation(site: Site) -> None:
    wire, untried = site.wire, set(site.take(10))

    def free() -> list[tuple[str, int]]:
        return [place for place, status in wire.statuses.items() if status == "Available" and place[0] in untried]

    while True:
        # A driver may be faster.
        charge_point, connector = wire.until(free, "a free connector")[-1]
        untried.remove(charge_point)
        since = wire.mark
        wish = {"connectorId": connector, "reservationId": 1, "idTag": "TAG", "expiryDate": "2099-01-01T00:00:00Z"}
        if site.status_of(charge_point, "ReserveNow", **wish) == "Accepted":
            break
    site.heard(charge_point, "StatusNotification", since, connectorId=connector, status="Reserved")
    assert site.status_of(charge_point, "ReserveNow", **{**wish, "reservationId": 2}) == "Occupied"
    assert site.status_of(charge_point, "RemoteStartTransaction", idTag="OTHER", connectorId=connector) == "Rejected"
    assert site.status_of(charge_point, "CancelReservation", reservationId=2) == "Rejected"
    assert site.status_of(charge_point, "CancelReservation", reservationId=1) == "Accepted"
    site.heard(charge_point, "StatusNotification", since, connectorId=connector, status="Available")


def triggers(site: Site) -> None:
    (charge_point,) = site.take(1)
    for action, said in TRIGGERED.items():
        for message in said:
            since = site.wire.mark
            assert site.status_of(charge_point, action, requestedMessage=message) == "Accepted", (action, message)
            site.heard(charge_point, message, since)
        status = site.status_of(charge_point, action, requestedMessage="StatusNotification", connectorId=9)
        assert status == "Rejected"


TRIGGERED = {
    "TriggerMessage": (
        *("BootNotification", "DiagnosticsStatusNotification", "FirmwareStatusNotification", "Heartbeat"),
        *("MeterValues", "StatusNotification"),
    ),
    # What else it triggers is of the security extension, which this central system doesn't take.
    "ExtendedTriggerMessage": ("Heartbeat", "MeterValues"),
}


def requests_that_no_charge_point_knows(site: Site) -> None:
    (charge_point,) = site.take(1)
    for action, code in (("Dance", "NotImplemented"), ("Heartbeat", "NotSupported")):
        frame = json.dumps([2, f"odd-{action}", action, {}])
        site.orders.order(op="send", charge_point=charge_point, text=frame)

        def errors(action: str = action) -> list[str]:
            calls = site.wire.calls_of[charge_point]
            return [call.error for call in calls if call.ours and call.action == action and call.error is not None]

        assert site.wire.until(errors, f"the answer to {action}") == [code]


SCENARIOS: tuple[Callable[[Site], None], ...] = (
    remote_start_at_a_connector,
    remote_start_at_any_connector,
    remote_start_with_authorisation,
    remote_start_where_it_cannot_be,
    remote_stop,
    inoperative_while_a_transaction_runs,
    inoperative_as_a_whole,
    configuration_changes,
    configuration_questions,
    cache_clearing,
    soft_reset,
    soft_reset_of_direct_current,
    hard_reset,
    hard_reset_of_three_phases,
    unlocking,
    data_transfers,
    charging_profiles,
    local_list,
    reservation,
    triggers,
    requests_that_no_charge_point_knows,
)


# ---- the run ---------------------------------------------------------------------------------------------------------


@frozen(eq=False)
class Outcome:
    """All that is left of the run."""

    exit_code: int
    run: FleetRun
    counterpart: Counterpart
    wire: Wire
    scenarios: dict[str, Future[None]]

    def in_group(self, group: str) -> list[Call]:
        return [call for call in self.wire.calls if call.charge_point.startswith(group) and not call.ours]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("charge-points")
    counterpart = Counterpart(folder)
    orders = Orders(counterpart)
    try:
        orders.order(op="behave", interval_s=HEARTBEAT_INTERVAL_S)
        with FleetRun(CONFIGURATION, counterpart) as run, ThreadPoolExecutor(len(SCENARIOS)) as pool:
            wire = Wire(folder / "frames.jsonl", run)
            last = CONNECTORS[-1]
            wire.until(lambda: sum(place[1] == last for place in wire.statuses) == CHARGE_POINTS, "everybody booted")
            site = Site(orders, wire)
            scenarios = {scenario.__name__: pool.submit(scenario, site) for scenario in SCENARIOS}
            exit_code = run.wait(RUN_TIMEOUT_S)
    finally:
        orders.close()
        counterpart.end()
    return Outcome(exit_code, run, counterpart, wire.read(), scenarios)


@pytest.mark.parametrize("scenario", [scenario.__name__ for scenario in SCENARIOS])
def test_charge_points_obey_the_central_system(outcome: Outcome, scenario: str) -> None:
    outcome.scenarios[scenario].result(0)


def test_no_frame_breaks_a_rule(outcome: Outcome) -> None:
    assert outcome.counterpart.lines("log") == []


def test_the_fleet_finds_its_books_balanced(outcome: Outcome) -> None:
    assert outcome.exit_code == 0, outcome.run.all_said
    for nothing in ("violations", "crashes", "given up"):
        assert next(line for line in outcome.run.said.splitlines() if f" {nothing} ." in line).endswith("none")


def test_every_transaction_is_closed_on_both_sides_with_the_same_energy(outcome: Outcome) -> None:
    closed = accounts(outcome.counterpart.lines("records"))
    assert len(closed) > CHARGE_POINTS
    assert_the_wire_says_the_same(outcome.wire, closed)
    assert_registers_are_continuous(closed)
    assert sum(account.energy_wh for account in closed) == outcome.run.energy_wh > 0
    # Every kind of charge point took part, and nearly all of them.
    assert len({account.start["charge_point"] for account in closed}) > CHARGE_POINTS * 0.8


def test_nothing_is_said_twice_but_what_a_reset_cut_off(outcome: Outcome) -> None:
    assert assert_only_what_went_unanswered_came_again(outcome.wire) <= 10


def test_everybody_boots_beats_and_leaves(outcome: Outcome) -> None:
    assert outcome.wire.open == set()
    for charge_point in outcome.wire.connections:
        first = next(call for call in outcome.wire.calls_of[charge_point] if not call.ours)
        assert first.action == "BootNotification"
        assert outcome.wire.said(charge_point, "Heartbeat"), charge_point
    assert len(outcome.wire.connections) == CHARGE_POINTS


def sampled(calls: list[Call], of: str, context: str) -> list[list[dict[str, Any]]]:
    """The sampled values of every reading with this context."""
    readings = [reading for call in calls for reading in call.payload.get(of, ())]
    found = [reading["sampledValue"] for reading in readings]
    return [values for values in found if all(value["context"] == context for value in values)]


def measured(values: list[dict[str, Any]]) -> list[str]:
    return [".".join(filter(None, (value["measurand"], value.get("phase")))) for value in values]


def test_samples_carry_what_each_group_is_configured_to_measure(outcome: Outcome) -> None:
    register = "Energy.Active.Import.Register"
    for group, measurands in (
        ("THREE", [register, *(f"Current.Import.L{phase}" for phase in (1, 2, 3)), "Voltage.L1-N", "Frequency"]),
        ("DC", [register, "Energy.Active.Import.Interval", "Power.Active.Import", "Power.Offered", "Voltage", "SoC"]),
    ):
        samples = sampled(outcome.in_group(group), "meterValue", "Sample.Periodic")
        assert len(samples) > 30
        assert all(measured(values) == measurands for values in samples), group
    for values in sampled(outcome.in_group("DC"), "meterValue", "Sample.Periodic"):
        assert 10 <= float(values[-1]["value"]) <= 100
        assert values[-1]["unit"] == "Percent"


def test_readings_by_the_clock_come_from_every_connector_that_is_asked_for_them(outcome: Outcome) -> None:
    for group, expected in (("THREE", True), ("ONE", False), ("DC", False)):
        calls = outcome.in_group(group)
        aligned = [call for call in calls if sampled([call], "meterValue", "Sample.Clock")]
        assert bool(aligned) == expected, group
    aligned = [call for call in outcome.in_group("THREE") if sampled([call], "meterValue", "Sample.Clock")]
    assert len({(call.charge_point, call.payload["connectorId"]) for call in aligned}) == 2 * 40
    assert any("transactionId" in call.payload for call in aligned)
    assert any("transactionId" not in call.payload for call in aligned)


def test_transaction_data_reaches_from_the_first_to_the_last_reading(outcome: Outcome) -> None:
    starts = {line["transaction_id"]: line for line in outcome.counterpart.lines("records") if line["kind"] == "start"}
    for group, expected in (("ONE", True), ("THREE", True), ("DC", False)):
        stops = [call for call in outcome.in_group(group) if call.action == "StopTransaction"]
        assert stops
        for stop in stops:
            assert ("transactionData" in stop.payload) == expected, stop
            if expected:
                (begin,) = sampled([stop], "transactionData", "Transaction.Begin")
                assert sampled([stop], "transactionData", "Transaction.End")
                assert float(begin[0]["value"]) == starts[stop.payload["transactionId"]]["meter_start_wh"]
                assert register_values(stop) == [stop.payload["meterStop"]]
