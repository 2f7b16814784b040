"""Reservations: OCPP 1.6 sections 5.4 and 5.13.

TC_046_1, 046_2, 047, 048_1 to 048_4, 049, 050_1 to 050_4, 051, 052, 053_1, 053_2.
"""

from typing import Any

import pytest
import trio
from counterparts.script import Stage, id_tag_info, stage, utc

from fleet.commands.vocabulary import (
    ChangeAvailability,
    ClearFault,
    InjectFault,
    PlugIn,
    StartTransaction,
    Swipe,
    Unplug,
)
from fleet.core.reports import IdTagRefused
from fleet.words import Availability

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
RESERVED = ("ReserveNow.req", "ReserveNow.conf Accepted")
CANCELLED = ("CancelReservation.req", "CancelReservation.conf Accepted")
START = ("RemoteStartTransaction.req", "RemoteStartTransaction.conf Accepted")
ASK_FIRST = {"AuthorizeRemoteTxRequests": "true"}
WITHOUT = {"SupportedFeatureProfiles": "Core"}
INOPERATIVE, OPERATIVE = ChangeAvailability(Availability.INOPERATIVE), ChangeAvailability(Availability.OPERATIVE)


async def reserve(s: Stage, connector: int = 1, id: int = 7, for_s: float = 600.0, **more: str) -> Any:
    """ReserveNow for TAG."""
    wish = {
        "connectorId": connector,
        "reservationId": id,
        "idTag": "TAG",
        "expiryDate": utc(trio.current_time() + for_s),
        **more,
    }
    return await s.call("ReserveNow", wish)


async def cancel(s: Stage, id: int = 7) -> Any:
    return await s.call("CancelReservation", {"reservationId": id})


async def remote_start(s: Stage, id_tag: str = "TAG", **more: int) -> Any:
    return await s.call("RemoteStartTransaction", {"idTag": id_tag, **more})


async def test_tc_046_1_cs_reservation_of_a_connector_local_start_transaction(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s) == ACCEPTED
        await s.expect(*RESERVED, "1:Reserved")
        await s.do(1, Swipe("OTHER"))
        await s.expect()  # turned away, and nobody is asked about it
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "1:Preparing")
        await s.do(1, PlugIn())
        start, _ = await s.expect("StartTransaction", "1:Charging")
        assert (start.payload["idTag"], start.payload["reservationId"]) == ("TAG", 7)
        assert await cancel(s) == REJECTED


async def test_tc_046_1_cs_with_the_cable_in_first_it_stays_reserved_until_the_tag_comes(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s) == ACCEPTED
        await s.do(1, PlugIn())
        await s.expect(*RESERVED, "1:Reserved")
        await s.do(1, Swipe("TAG"))
        *_, start, _ = await s.expect("Authorize", "1:Preparing", "StartTransaction", "1:Charging")
        assert start.payload["reservationId"] == 7


async def test_tc_046_1_cs_the_next_transaction_has_no_reservation(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s) == ACCEPTED
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.until("1:Charging")
        await s.do(1, Swipe("TAG"))
        await s.do(1, Unplug())
        await s.until("1:Available")
        s.forget()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("OTHER"))
        *_, start, _ = await s.expect("1:Preparing", "Authorize", "StartTransaction", "1:Charging")
        assert "reservationId" not in start.payload


async def test_tc_046_2_cs_reservation_of_a_connector_remote_start_transaction(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=2) == ACCEPTED
        assert await remote_start(s, "OTHER", connectorId=2) == REJECTED
        await s.expect(*RESERVED, "2:Reserved", "RemoteStartTransaction.req", "RemoteStartTransaction.conf Rejected")
        assert await remote_start(s, connectorId=2) == ACCEPTED
        await s.expect(*START, "2:Preparing")
        await s.do(2, PlugIn())
        start, _ = await s.expect("StartTransaction", "2:Charging")
        assert start.payload["reservationId"] == 7


async def test_tc_046_2_cs_without_a_connector_the_reserved_one_is_chosen(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=2) == ACCEPTED
        assert await remote_start(s) == ACCEPTED
        await s.expect(*RESERVED, "2:Reserved", *START, "2:Preparing")


async def test_tc_046_2_cs_without_a_connector_others_get_another_one(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=1) == ACCEPTED
        assert await remote_start(s, "OTHER") == ACCEPTED
        await s.expect(*RESERVED, "1:Reserved", *START, "2:Preparing")


async def test_tc_047_cs_reservation_of_a_connector_expire(autojump_clock: Any) -> None:
    async with stage() as s:
        began_at = trio.current_time()
        assert await reserve(s, for_s=300) == ACCEPTED
        await s.expect(*RESERVED, "1:Reserved")
        (available,) = await s.expect("1:Available", within_s=400)
        assert available.at - began_at == pytest.approx(300, abs=0.1)
        await s.do(1, PlugIn())
        await s.do(1, Swipe("OTHER"))
        *_, start, _ = await s.expect("1:Preparing", "Authorize", "StartTransaction", "1:Charging")
        assert "reservationId" not in start.payload


async def test_tc_047_cs_by_the_clock_that_the_csms_sets(autojump_clock: Any) -> None:
    # The CSMS's own clock is a minute ahead of ours.
    ahead = {"Heartbeat": lambda _: {"currentTime": utc(trio.current_time() + 60)}}
    async with stage(answers=ahead) as s:
        assert await reserve(s, for_s=300) == ACCEPTED
        assert await s.call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "100"}) == ACCEPTED
        await s.until("1:Available", within_s=241)
        assert s.broken_rules() == ["clock-skew"]


async def test_tc_048_1_cs_reservation_of_a_connector_faulted(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, InjectFault())
        assert await reserve(s) == {"status": "Faulted"}


async def test_tc_048_2_cs_reservation_of_a_connector_occupied(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, PlugIn())
        assert await reserve(s) == {"status": "Occupied"}
        await s.do(1, StartTransaction("OTHER"))
        await s.until("1:Charging")
        assert await reserve(s) == {"status": "Occupied"}
        assert await reserve(s, connector=2) == ACCEPTED
        assert await reserve(s, connector=2, id=8) == {"status": "Occupied"}


async def test_tc_048_3_cs_reservation_of_a_connector_unavailable(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, INOPERATIVE)
        await s.until("1:Unavailable")
        assert await reserve(s) == {"status": "Unavailable"}


async def test_tc_048_4_cs_reservation_of_a_connector_rejected(autojump_clock: Any) -> None:
    async with stage(WITHOUT) as s:
        assert await reserve(s) == REJECTED


async def test_tc_048_4_cs_what_makes_no_sense_is_rejected(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s, for_s=-1) == REJECTED
        assert await reserve(s, connector=2) == REJECTED


async def test_tc_049_cs_reservation_of_a_charge_point_transaction(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s, connector=0) == ACCEPTED
        await s.expect(*RESERVED, "1:Reserved")
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "1:Preparing")
        await s.do(1, PlugIn())
        start, _ = await s.expect("StartTransaction", "1:Charging")
        assert start.payload["reservationId"] == 7


async def test_tc_049_cs_of_two_connectors_the_last_one_is_kept(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=0) == ACCEPTED
        await s.expect(*RESERVED)
        await s.do(1, PlugIn())
        await s.expect("1:Preparing", "2:Reserved")
        await s.do(1, Swipe("OTHER"))
        start, _ = (await s.expect("Authorize", "StartTransaction", "1:Charging"))[1:]
        assert "reservationId" not in start.payload
        await s.do(2, Swipe("OTHER2"))
        await s.expect()
        await s.do(2, PlugIn())
        await s.do(2, Swipe("TAG"))
        *_, start, _ = await s.expect("Authorize", "2:Preparing", "StartTransaction", "2:Charging")
        assert start.payload["reservationId"] == 7


async def test_tc_049_cs_it_is_used_at_whichever_connector(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        assert await reserve(s, connector=0) == ACCEPTED
        await s.do(2, PlugIn())
        await s.do(2, Swipe("TAG"))
        *_, start, _ = await s.expect(*RESERVED, "2:Preparing", "Authorize", "StartTransaction", "2:Charging")
        assert start.payload["reservationId"] == 7
        assert await cancel(s) == REJECTED


async def test_tc_049_cs_the_connector_that_was_kept_is_let_go_when_another_is_used(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=0) == ACCEPTED
        await s.do(1, PlugIn())
        await s.expect(*RESERVED, "1:Preparing", "2:Reserved")
        await s.do(1, Swipe("TAG"))
        await s.until("2:Available")
        await s.until("1:Charging")
        (start,) = [spoken for spoken in s.forget() if spoken.line == "StartTransaction"]
        assert start.payload["reservationId"] == 7


async def test_tc_049_cs_nobody_else_is_kept_out_when_another_connector_is_free_again(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=0) == ACCEPTED
        await s.do(1, PlugIn())
        await s.expect(*RESERVED, "1:Preparing", "2:Reserved")
        await s.do(1, Unplug())
        await s.expect("1:Available", "2:Available")


async def test_tc_049_cs_who_was_asked_about_while_the_connector_was_reserved_is_too_late(autojump_clock: Any) -> None:
    async with stage() as s:
        s.central.latency_s = lambda heard: 5.0 if heard.action == "Authorize" else 0.0
        await s.do(1, Swipe("OTHER"))
        await s.until("Authorize")
        assert await reserve(s, connector=0) == ACCEPTED
        await s.expect("Authorize", *RESERVED, "1:Reserved", quiet_s=30)


async def test_tc_050_1_cs_reservation_of_a_charge_point_faulted(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, InjectFault())
        await s.do(2, InjectFault())
        assert await reserve(s, connector=0) == {"status": "Faulted"}
        await s.do(2, ClearFault())
        assert await reserve(s, connector=0) == ACCEPTED


async def test_tc_050_2_cs_reservation_of_a_charge_point_occupied(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.charge(1)
        assert await reserve(s, connector=2, id=1) == ACCEPTED
        assert await reserve(s, connector=0) == {"status": "Occupied"}


async def test_tc_050_3_cs_reservation_of_a_charge_point_unavailable(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(0, INOPERATIVE)
        await s.until("2:Unavailable")
        assert await reserve(s, connector=0) == {"status": "Unavailable"}


async def test_tc_050_4_cs_reservation_of_a_charge_point_rejected(autojump_clock: Any) -> None:
    async with stage({"ReserveConnectorZeroSupported": "false"}) as s:
        assert await reserve(s, connector=0) == REJECTED
        assert await reserve(s, connector=1) == ACCEPTED


async def test_tc_051_cs_cancel_reservation(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s) == ACCEPTED
        assert await cancel(s) == ACCEPTED
        await s.expect(*RESERVED, "1:Reserved", *CANCELLED, "1:Available", quiet_s=700)
        await s.charge(1, "OTHER")


async def test_tc_052_cs_cancel_reservation_rejected(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s) == ACCEPTED
        assert await cancel(s, id=8) == REJECTED
        await s.expect(*RESERVED, "1:Reserved", "CancelReservation.req", "CancelReservation.conf Rejected", quiet_s=60)


async def test_tc_053_1_cs_use_a_reserved_connector_with_parent_id_tag_local(autojump_clock: Any) -> None:
    parents = {"Authorize": lambda request: id_tag_info(parent="FAMILY" if request["idTag"] == "CHILD" else "OTHERS")}
    async with stage(answers=parents) as s:
        assert await reserve(s, parentIdTag="FAMILY") == ACCEPTED
        await s.expect(*RESERVED, "1:Reserved")
        await s.do(1, PlugIn())
        await s.do(1, Swipe("STRANGER"))
        await s.expect("Authorize")
        await s.do(1, Swipe("CHILD"))
        *_, start, _ = await s.expect("Authorize", "1:Preparing", "StartTransaction", "1:Charging")
        assert (start.payload["idTag"], start.payload["reservationId"]) == ("CHILD", 7)


async def test_tc_053_1_cs_the_parent_may_be_known_from_the_local_list(autojump_clock: Any) -> None:
    entry = {"idTag": "CHILD", "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
    async with stage({"LocalPreAuthorize": "true"}) as s:
        update = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
        assert await s.call("SendLocalList", update) == ACCEPTED
        assert await reserve(s, parentIdTag="FAMILY") == ACCEPTED
        await s.until("1:Reserved")
        s.forget()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("CHILD"))
        _, start, _ = await s.expect("1:Preparing", "StartTransaction", "1:Charging")
        assert start.payload["reservationId"] == 7


@pytest.mark.parametrize("configuration", [{}, ASK_FIRST], ids=["never asked otherwise", "always asked"])
async def test_tc_053_2_cs_use_a_reserved_connector_with_parent_id_tag_remote(
    autojump_clock: Any, configuration: dict[str, str]
) -> None:
    parents = {"Authorize": lambda request: id_tag_info(parent="FAMILY" if request["idTag"] == "CHILD" else "OTHERS")}
    async with stage(configuration, answers=parents) as s:
        assert await reserve(s, parentIdTag="FAMILY") == ACCEPTED
        await s.do(1, PlugIn())
        assert await remote_start(s, "STRANGER", connectorId=1) == ACCEPTED
        await s.expect(*RESERVED, "1:Reserved", *START, "Authorize", quiet_s=5)
        assert await remote_start(s, "CHILD", connectorId=1) == ACCEPTED
        *_, start, _ = await s.expect(*START, "Authorize", "1:Preparing", "StartTransaction", "1:Charging")
        assert start.payload["reservationId"] == 7


async def test_a_reservation_of_the_same_id_replaces_the_one_before(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=1) == ACCEPTED
        assert await reserve(s, connector=2) == ACCEPTED
        # Two connectors, each at its own pace.
        await s.until("2:Reserved")
        await s.until("1:Available")
        assert [spoken.line for spoken in s.forget()][:4] == [*RESERVED, "1:Reserved", RESERVED[0]]
        assert await reserve(s, connector=2, for_s=100, idTag="OTHER") == ACCEPTED
        await s.expect(*RESERVED)
        await s.expect("2:Available", within_s=101)


@pytest.mark.parametrize(
    ("order", "back", "line"),
    [(InjectFault(), ClearFault(), "1:Faulted OtherError"), (INOPERATIVE, OPERATIVE, "1:Unavailable")],
)
async def test_a_reservation_is_over_when_its_connector_fails(
    autojump_clock: Any, order: InjectFault | ChangeAvailability, back: Any, line: str
) -> None:
    async with stage() as s:
        assert await reserve(s) == ACCEPTED
        await s.until("1:Reserved")
        await s.do(1, order)
        await s.until(line)
        s.forget()
        await s.do(1, back)
        await s.expect("1:Available")
        assert await cancel(s) == REJECTED


async def test_a_driver_who_does_not_plug_in_leaves_the_connector_reserved(autojump_clock: Any) -> None:
    async with stage({"ConnectionTimeOut": "30"}) as s:
        assert await reserve(s) == ACCEPTED
        await s.do(1, Swipe("TAG"))
        await s.expect(*RESERVED, "1:Reserved", "Authorize", "1:Preparing", "1:Available", "1:Reserved", quiet_s=40)


@pytest.mark.parametrize("connector", [0, 1])
async def test_a_reservation_outlives_a_power_cut_unless_it_expires(autojump_clock: Any, connector: int) -> None:
    async with stage() as s:
        assert await reserve(s, connector=connector) == ACCEPTED
        await s.until("1:Reserved")
        await s.power_cut()
        await trio.sleep(100)
        s.forget()
        s.power_on()
        await s.expect("BootNotification", "0:Available", "1:Reserved")
        await s.do(1, Swipe("OTHER"))
        await s.expect()
        await s.power_cut()
        await trio.sleep(600)
        s.power_on()
        await s.until("1:Available")


async def test_offline_the_reservation_holds_and_is_told_of_later(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await reserve(s) == ACCEPTED
        await s.until("1:Reserved")
        await s.go_offline()
        s.forget()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("OTHER"))
        await trio.sleep(1)
        refused = [report.reason for report in s.reports if isinstance(report, IdTagRefused)]
        assert refused == ["Connector 1 is Reserved for another id tag"]
        await s.do(1, Swipe("TAG"))
        s.go_online()
        await s.until("StartTransaction")
        (start,) = [spoken for spoken in s.forget() if spoken.line == "StartTransaction"]
        assert (start.payload["idTag"], start.payload["reservationId"]) == ("TAG", 7)


async def test_a_transaction_that_is_started_by_hand_uses_the_reservation_of_its_tag(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await reserve(s, connector=0) == ACCEPTED
        await s.do(2, PlugIn())
        await s.expect(*RESERVED, "2:Preparing", "1:Reserved")
        await s.do(2, StartTransaction("TAG"))
        start, *_ = await s.expect("StartTransaction", "2:Charging", "1:Available")
        assert start.payload["reservationId"] == 7
