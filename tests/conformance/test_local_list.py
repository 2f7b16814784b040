"""The local authorisation list: OCPP 1.6 sections 3.5.2, 5.10 and 5.15.

TC_008_1, 008_2, 042_1, 042_2, 043, 043_1, 043_2, 043_3.
"""

from typing import Any

import pytest
from counterparts.script import id_tag_info, stage

from fleet.commands.vocabulary import PlugIn, Swipe

ACCEPTED = {"status": "Accepted"}
TRUSTING = {"LocalPreAuthorize": "true", "AuthorizeRemoteTxRequests": "true"}
WITHOUT = {"SupportedFeatureProfiles": "Core"}
SENT = ("SendLocalList.req", "SendLocalList.conf Accepted")
START = ("RemoteStartTransaction.req", "RemoteStartTransaction.conf Accepted")
CONFLICT = "0:Available LocalListConflict"


def listed(version: int = 1, kind: str = "Full", **tags: str | None) -> dict[str, Any]:
    """A SendLocalList.req with these statuses; None takes a tag out."""
    entries = [
        {"idTag": id_tag} if status is None else {"idTag": id_tag, "idTagInfo": {"status": status}}
        for id_tag, status in tags.items()
    ]
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": entries}


async def test_tc_008_1_cs_regular_start_charging_session_id_in_local_authorization_list(autojump_clock: Any) -> None:
    async with stage(TRUSTING) as s:
        assert await s.call("SendLocalList", listed(TAG="Accepted")) == ACCEPTED
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.expect(*SENT, "1:Preparing", "StartTransaction", "1:Charging")


async def test_tc_008_1_cs_without_local_pre_authorize_the_csms_is_asked_all_the_same(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("SendLocalList", listed(TAG="Accepted")) == ACCEPTED
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.expect(*SENT, "1:Preparing", "Authorize", "StartTransaction", "1:Charging")


async def test_tc_008_1_cs_a_tag_that_is_blocked_in_the_list_is_left_to_the_csms(autojump_clock: Any) -> None:
    async with stage(TRUSTING, answers={"Authorize": lambda _: id_tag_info("Blocked")}) as s:
        assert await s.call("SendLocalList", listed(TAG="Blocked")) == ACCEPTED
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.expect(*SENT, "1:Preparing", "Authorize")


async def test_tc_008_2_cs_remote_start_charging_session_id_in_local_authorization_list(autojump_clock: Any) -> None:
    async with stage(TRUSTING) as s:
        assert await s.call("SendLocalList", listed(TAG="Accepted")) == ACCEPTED
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        await s.expect(*SENT, *START, "1:Preparing")
        await s.do(1, PlugIn())
        await s.expect("StartTransaction", "1:Charging")


async def test_tc_042_1_cs_get_local_list_version_not_supported(autojump_clock: Any) -> None:
    async with stage(WITHOUT) as s:
        assert await s.call("GetLocalListVersion") == {"listVersion": -1}


async def test_tc_042_1_cs_a_list_that_is_switched_off_is_none(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("SendLocalList", listed(4, TAG="Accepted")) == ACCEPTED
        assert await s.call("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "false"}) == ACCEPTED
        assert await s.call("GetLocalListVersion") == {"listVersion": -1}
        assert await s.call("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"}) == ACCEPTED
        assert await s.call("GetLocalListVersion") == {"listVersion": 4}


async def test_tc_042_2_cs_get_local_list_version_empty(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("GetLocalListVersion") == {"listVersion": 0}
        assert await s.call("SendLocalList", listed(3, TAG="Accepted")) == ACCEPTED
        assert await s.call("SendLocalList", {"listVersion": 4, "updateType": "Full"}) == ACCEPTED
        assert await s.call("GetLocalListVersion") == {"listVersion": 0}


async def test_tc_043_cs_send_local_authorization_list(autojump_clock: Any) -> None:
    async with stage({"LocalPreAuthorize": "true"}) as s:
        assert await s.call("SendLocalList", listed(1, TAG="Accepted")) == ACCEPTED
        assert await s.call("GetLocalListVersion") == {"listVersion": 1}
        assert await s.call("SendLocalList", listed(2, "Differential", TAG=None, NEW="Accepted")) == ACCEPTED
        assert await s.call("GetLocalListVersion") == {"listVersion": 2}
        s.forget()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("NEW"))
        await s.expect("1:Preparing", "StartTransaction", "1:Charging")


async def test_tc_043_1_cs_send_local_authorization_list_not_supported(autojump_clock: Any) -> None:
    async with stage(WITHOUT) as s:
        assert await s.call("SendLocalList", listed(TAG="Accepted")) == {"status": "NotSupported"}


async def test_tc_043_2_cs_send_local_authorization_list_version_mismatch(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("SendLocalList", listed(5, TAG="Accepted")) == ACCEPTED
        for version in (4, 5):
            answer = await s.call("SendLocalList", listed(version, "Differential", NEW="Accepted"))
            assert answer == {"status": "VersionMismatch"}
        assert await s.call("GetLocalListVersion") == {"listVersion": 5}
        # What a CSMS does then (section 5.15): the whole list.
        assert await s.call("SendLocalList", listed(5, TAG="Accepted", NEW="Accepted")) == ACCEPTED


async def test_tc_043_3_cs_send_local_authorization_list_failed(autojump_clock: Any) -> None:
    async with stage({"LocalAuthListMaxLength": "2", "SendLocalListMaxLength": "3"}) as s:
        assert await s.call("SendLocalList", listed(1, A="Accepted")) == ACCEPTED
        for tags in ({"A": "Accepted", "a": "Blocked"}, dict.fromkeys("ABC", "Accepted"), {"A": None}):
            assert await s.call("SendLocalList", listed(2, **tags)) == {"status": "Failed"}
        assert await s.call("GetLocalListVersion") == {"listVersion": 1}


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ("Accepted", ("StartTransaction", "1:Charging")),
        ("Blocked", ()),
        ("Expired", ()),
        ("Invalid", ()),
    ],
)
async def test_offline_the_list_decides_although_unknown_tags_may_charge(
    autojump_clock: Any, status: str, lines: tuple[str, ...]
) -> None:
    async with stage({"AllowOfflineTxForUnknownId": "true"}) as s:
        assert await s.call("SendLocalList", listed(TAG=status)) == ACCEPTED
        await s.go_offline()
        s.forget()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        s.go_online()
        await s.until("1:Charging" if lines else "1:Preparing")
        assert {"StartTransaction"} & {spoken.line for spoken in s.forget()} == set(lines[:1])


async def test_the_list_outlives_a_power_cut(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("SendLocalList", listed(7, TAG="Accepted")) == ACCEPTED
        await s.power_cut()
        s.forget()
        s.power_on()
        await s.expect("BootNotification", "0:Available", "1:Available")
        assert await s.call("GetLocalListVersion") == {"listVersion": 7}


async def test_a_start_that_the_csms_refuses_a_listed_tag_is_reported_as_a_conflict(autojump_clock: Any) -> None:
    refused = {"StartTransaction": lambda _: id_tag_info("Blocked", transaction_id=11)}
    async with stage({"LocalPreAuthorize": "true"}, answers=refused) as s:
        assert await s.call("SendLocalList", listed(TAG="Accepted")) == ACCEPTED
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.expect(
            *SENT, "1:Preparing", "StartTransaction", "1:Charging", CONFLICT, "StopTransaction", "1:Finishing",
            "1:Preparing", quiet_s=5,
        )  # fmt: skip
        assert await s.call("GetLocalListVersion") == {"listVersion": 1}
