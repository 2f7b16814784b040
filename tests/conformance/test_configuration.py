"""Keys, the cache, other profiles and vendors: OCPP 1.6 sections 5.3, 5.4, 5.6, 5.8 and 9.1.

TC_019, 021, 040_1, 040_2, 061_1, 062.
"""

from typing import Any

import pytest
import trio
from counterparts.script import boot_answer, id_tag_info, stage

from fleet.commands.vocabulary import Swipe

ACCEPTED, REJECTED, NOT_SUPPORTED = {"status": "Accepted"}, {"status": "Rejected"}, {"status": "NotSupported"}
# The keys that section 9.1 requires of every charge point, with what it says of their accessibility.
REQUIRED = {
    "AuthorizeRemoteTxRequests": None,  # R or RW
    "ClockAlignedDataInterval": False,
    "ConnectionTimeOut": False,
    "ConnectorPhaseRotation": False,
    "GetConfigurationMaxKeys": True,
    "HeartbeatInterval": False,
    "LocalAuthorizeOffline": False,
    "LocalPreAuthorize": False,
    "MeterValuesAlignedData": False,
    "MeterValuesSampledData": False,
    "MeterValueSampleInterval": False,
    "NumberOfConnectors": True,
    "ResetRetries": False,
    "StopTransactionOnEVSideDisconnect": False,
    "StopTransactionOnInvalidId": False,
    "StopTxnAlignedData": False,
    "StopTxnSampledData": False,
    "SupportedFeatureProfiles": True,
    "TransactionMessageAttempts": False,
    "TransactionMessageRetryInterval": False,
    "UnlockConnectorOnEVSideDisconnect": False,
}


async def test_tc_019_cs_retrieve_configuration(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        answer = await s.call("GetConfiguration")
        assert "unknownKey" not in answer
        told = {entry["key"]: entry for entry in answer["configurationKey"]}
        assert len(told) == len(answer["configurationKey"])
        assert set(REQUIRED) <= set(told)
        for key, readonly in REQUIRED.items():
            assert told[key]["readonly"] is (readonly if readonly is not None else told[key]["readonly"])
            assert isinstance(told[key]["value"], str)
        assert told["NumberOfConnectors"]["value"] == "3"
        assert told["SupportedFeatureProfiles"]["value"].split(",")[0] == "Core"


async def test_tc_019_cs_some_keys_and_one_that_there_is_not(autojump_clock: Any) -> None:
    async with stage() as s:
        answer = await s.call("GetConfiguration", {"key": ["SupportedFeatureProfiles", "NoSuchKey", "ResetRetries"]})
        assert [entry["key"] for entry in answer["configurationKey"]] == ["SupportedFeatureProfiles", "ResetRetries"]
        assert answer["unknownKey"] == ["NoSuchKey"]


async def test_tc_019_cs_an_empty_list_asks_for_all_keys(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("GetConfiguration", {"key": []}) == await s.call("GetConfiguration")


async def test_tc_021_cs_change_set_configuration(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "15"}) == ACCEPTED
        answer = await s.call("GetConfiguration", {"key": ["MeterValueSampleInterval"]})
        assert answer["configurationKey"] == [{"key": "MeterValueSampleInterval", "readonly": False, "value": "15"}]
        # It has effect at once.
        s.forget()
        await s.charge()
        first, second = await s.expect("MeterValues", "MeterValues")
        assert second.at - first.at == pytest.approx(15, abs=0.1)


async def test_tc_021_cs_a_changed_key_survives_a_reboot(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "11"}) == ACCEPTED
        await s.call("Reset", {"type": "Soft"})
        await s.until("1:Available")
        answer = await s.call("GetConfiguration", {"key": ["ConnectionTimeOut"]})
        assert answer["configurationKey"][0]["value"] == "11"


async def test_tc_021_cs_a_new_heartbeat_interval_counts_from_now(autojump_clock: Any) -> None:
    async with stage(answers={"BootNotification": boot_answer(interval_s=600)}) as s:
        await trio.sleep(200)
        changed_at = trio.current_time()
        assert await s.call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "50"}) == ACCEPTED
        s.forget()
        beats = await s.expect("Heartbeat", "Heartbeat", within_s=150)
        assert [beat.at - changed_at for beat in beats] == pytest.approx([50, 100], abs=0.1)


async def test_tc_040_1_cs_configuration_key_not_supported(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("ChangeConfiguration", {"key": "NoSuchKey", "value": "1"}) == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MeterValueSampleInterval", "-1"),
        ("MeterValueSampleInterval", "often"),
        ("LocalPreAuthorize", "maybe"),
        ("MeterValuesSampledData", "Mood"),
        ("NumberOfConnectors", "7"),
    ],
)
async def test_tc_040_2_cs_configuration_key_invalid_value(autojump_clock: Any, key: str, value: str) -> None:
    async with stage() as s:
        before = await s.call("GetConfiguration", {"key": [key]})
        assert await s.call("ChangeConfiguration", {"key": key, "value": value}) == REJECTED
        assert await s.call("GetConfiguration", {"key": [key]}) == before


async def test_an_action_that_ocpp_does_not_have_is_not_implemented(autojump_clock: Any) -> None:
    async with stage() as s:
        code, _ = await s.call("MakeCoffee")
        assert code == "NotImplemented"


async def test_tc_061_1_cs_clear_authorization_data_in_authorization_cache_local(autojump_clock: Any) -> None:
    async with stage({"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}) as s:
        await s.charge(1, "TAG")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        assert await s.call("ClearCache") == ACCEPTED
        await s.do(1, Swipe("TAG"))
        await s.expect("ClearCache.req", "ClearCache.conf Accepted", "Authorize", "StartTransaction", "1:Charging")


async def test_tc_061_1_cs_the_cache_is_empty_after_an_answer_that_takes_the_acceptance_back(
    autojump_clock: Any,
) -> None:
    answers = {"StopTransaction": lambda _: id_tag_info("Blocked")}
    async with stage({"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}, answers) as s:
        await s.charge(1, "TAG")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "StartTransaction", "1:Charging")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"vendorId": "Strange"}, "UnknownVendorId"),
        ({"vendorId": "Strange", "messageId": "Hello", "data": "you"}, "UnknownVendorId"),
        ({"vendorId": "Fleet", "messageId": "Hello"}, "UnknownMessageId"),
        ({"vendorId": "Fleet", "data": "x" * 1000}, "Accepted"),
    ],
)
async def test_tc_062_cs_data_transfer_to_a_charge_point(
    autojump_clock: Any, said: dict[str, str], status: str
) -> None:
    async with stage() as s:
        assert await s.call("DataTransfer", said) == {"status": status}


async def test_authorisation_that_has_expired_is_asked_for_again(autojump_clock: Any) -> None:
    expiring = {"idTagInfo": {"status": "Accepted", "expiryDate": "2026-11-22T12:10:00Z"}}
    answers = {
        "Authorize": lambda _: expiring,
        "StartTransaction": lambda _: {"transactionId": 5, **expiring},
        "StopTransaction": lambda _: expiring,
    }
    async with stage({"LocalPreAuthorize": "true"}, answers) as s:
        await s.charge(1, "TAG")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await s.do(1, Swipe("TAG"))
        await s.expect("StartTransaction", "1:Charging")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await trio.sleep(600)
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "StartTransaction", "1:Charging")
        assert s.broken_rules() == ["impossible-id-tag-info"] * 2, "it is accepted still"
