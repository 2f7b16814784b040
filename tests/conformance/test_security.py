"""Password, certificates, security events: the white paper "Improved security for OCPP 1.6-J" (TC_073 to TC_078)."""

from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from counterparts.pki import root
from counterparts.script import CP, PASSWORD, RecordingCentral, Stage, stage, utc
from counterparts.scripted import SILENCE
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from fleet.commands.vocabulary import SendHeartbeat, Swipe
from fleet.core.plan import SecurityPlan
from fleet.link.endpoint import basic_auth

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
CENTRAL, MANUFACTURER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
EVENT = "SecurityEventNotification"
PROFILE_1 = {"SecurityProfile": "1"}
WITH_PASSWORD = SecurityPlan(1, frozenset({0, 1}), has_password=True)
NEW_PASSWORD = "the-second-password"
GIVEN = ("ChangeConfiguration.req", "ChangeConfiguration.conf Accepted")
SIGNED = {"SignCertificate": lambda _: ACCEPTED}


async def install(s: Stage, use: str, certificate: str) -> Any:
    return await s.call("InstallCertificate", {"certificateType": use, "certificate": certificate})


async def installed(s: Stage, use: str) -> Any:
    return await s.call("GetInstalledCertificateIds", {"certificateType": use})


def events(central: RecordingCentral) -> list[str]:
    return [payload["type"] for payload in central.said(EVENT)]


# ---- the password ----------------------------------------------------------------------------------------------------


def shown(password: str) -> str:
    return basic_auth(CP, password)[1].decode()


async def give(s: Stage, password: str) -> Any:
    return await s.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": password})


async def test_tc_073_cs_update_charge_point_password_for_http_basic_authentication(autojump_clock: Any) -> None:
    async with stage(PROFILE_1, security=WITH_PASSWORD) as s:
        assert s.central.shown == [shown(PASSWORD)]
        assert await give(s, NEW_PASSWORD) == ACCEPTED
        # It answers, goes, and comes back with it; what it was registered as it still is.
        await s.expect(*GIVEN, quiet_s=60)
        assert s.central.shown == [shown(PASSWORD), shown(NEW_PASSWORD)]
        # A reboot finds the new one, and nobody is told it.
        await s.call("Reset", {"type": "Hard"})
        await s.until("1:Available")
        assert s.central.shown[2:] == [shown(NEW_PASSWORD)]
        answer = await s.call("GetConfiguration", {"key": ["AuthorizationKey"]})
        assert NEW_PASSWORD not in str(answer)


async def test_tc_073_cs_a_transaction_goes_on_meanwhile(autojump_clock: Any) -> None:
    async with stage(PROFILE_1, security=WITH_PASSWORD) as s:
        transaction_id = await s.charge()
        assert await give(s, NEW_PASSWORD) == ACCEPTED
        await s.expect(*GIVEN, quiet_s=60)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["transactionId"] == transaction_id


async def test_tc_073_cs_who_is_not_let_in_with_the_new_password_comes_back_with_the_old(autojump_clock: Any) -> None:
    async with stage(PROFILE_1, security=WITH_PASSWORD) as s:
        s.central.let_in = lambda authorization: authorization == shown(PASSWORD)
        assert await give(s, NEW_PASSWORD) == ACCEPTED
        await s.expect(*GIVEN, quiet_s=60)
        assert s.central.shown == [shown(PASSWORD), shown(NEW_PASSWORD), shown(PASSWORD)]
        assert await s.call("ClearCache") == ACCEPTED


@pytest.mark.parametrize("password", ["", "too-short", "x" * 41])
async def test_tc_073_cs_a_password_of_the_wrong_length_is_rejected(autojump_clock: Any, password: str) -> None:
    async with stage(PROFILE_1, security=WITH_PASSWORD) as s:
        assert await give(s, password) == REJECTED
        await trio.sleep(60)
        assert s.central.connects == 1


# ---- roots -----------------------------------------------------------------------------------------------------------


async def test_tc_075_1_cs_install_certificate_manufacturer_root_certificate(autojump_clock: Any) -> None:
    await install_certificate(MANUFACTURER)


async def test_tc_075_2_cs_install_certificate_central_system_root_certificate(autojump_clock: Any) -> None:
    await install_certificate(CENTRAL)


async def install_certificate(use: str) -> None:
    async with stage() as s:
        authority = root("A root")
        assert await installed(s, use) == {"status": "NotFound"}
        assert await install(s, use, authority.pem) == ACCEPTED
        answer = await installed(s, use)
        assert answer["status"] == "Accepted"
        [known] = answer["certificateHashData"]
        assert known["hashAlgorithm"] == "SHA256"
        assert int(known["serialNumber"], 16) == authority.certificate.serial_number
        other = CENTRAL if use == MANUFACTURER else MANUFACTURER
        assert await installed(s, other) == {"status": "NotFound"}
        # The same once more is no second one.
        assert await install(s, use, authority.pem) == ACCEPTED
        assert len((await installed(s, use))["certificateHashData"]) == 1


async def test_tc_075_2_cs_certificates_outlast_a_power_cut(autojump_clock: Any) -> None:
    async with stage() as s:
        await install(s, CENTRAL, root().pem)
        await s.power_cut()
        s.power_on()
        await s.until("1:Available")
        assert (await installed(s, CENTRAL))["status"] == "Accepted"


async def test_tc_075_1_cs_a_store_that_is_full_takes_no_more(autojump_clock: Any) -> None:
    async with stage(configuration={"CertificateStoreMaxLength": "1"}) as s:
        assert await install(s, CENTRAL, root("One").pem) == ACCEPTED
        assert await install(s, MANUFACTURER, root("Two").pem) == REJECTED


async def test_tc_075_2_cs_a_new_root_is_vouched_for_by_the_old_one_where_that_is_asked_for(
    autojump_clock: Any,
) -> None:
    async with stage(configuration={"AdditionalRootCertificateCheck": "true"}) as s:
        first = root("First")
        second = first.issue("Second", authority=True)
        third = second.issue("Third", authority=True)
        assert await install(s, CENTRAL, first.pem) == ACCEPTED
        assert await install(s, CENTRAL, root("Stranger").pem) == REJECTED
        assert await install(s, CENTRAL, second.pem) == ACCEPTED
        assert await install(s, CENTRAL, third.pem) == ACCEPTED
        # The last one and, to fall back on, the one before it.
        assert len((await installed(s, CENTRAL))["certificateHashData"]) == 2


async def test_tc_076_cs_delete_a_specific_certificate_from_the_charge_point(autojump_clock: Any) -> None:
    async with stage() as s:
        for each in ("One", "Two"):
            await install(s, MANUFACTURER, root(each).pem)
        one, two = (await installed(s, MANUFACTURER))["certificateHashData"]
        # Hex has no case.
        named = {**one, "issuerNameHash": one["issuerNameHash"].upper(), "serialNumber": one["serialNumber"].upper()}
        assert await s.call("DeleteCertificate", {"certificateHashData": named}) == ACCEPTED
        assert (await installed(s, MANUFACTURER))["certificateHashData"] == [two]
        assert await s.call("DeleteCertificate", {"certificateHashData": one}) == {"status": "NotFound"}


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
async def test_tc_076_cs_a_certificate_may_be_named_by_any_hash(autojump_clock: Any, algorithm: str) -> None:
    async with stage() as s:
        await install(s, MANUFACTURER, root().pem)
        store = s.memory.certificates
        assert store is not None
        [known] = [each for each in store.roots[0].hashes if each.algorithm == algorithm]
        named = {
            "hashAlgorithm": algorithm,
            "issuerNameHash": known.issuer_name_hash,
            "issuerKeyHash": known.issuer_key_hash,
            "serialNumber": known.serial_number,
        }
        assert await s.call("DeleteCertificate", {"certificateHashData": named}) == ACCEPTED


@pytest.mark.parametrize(
    "certificate",
    [
        "no certificate",
        root(end=datetime(2021, 1, 1, tzinfo=UTC)).pem,
        root("Signer").issue("Not a root", authority=True).pem,
        root(authority=False).pem,
        root("One").pem + root("Two").pem,
    ],
    ids=["no certificate", "expired", "not a root", "not an authority", "two"],
)
async def test_tc_078_cs_invalid_central_system_certificate_security_event(
    autojump_clock: Any, certificate: str
) -> None:
    async with stage() as s:
        assert await install(s, CENTRAL, certificate) == REJECTED
        [_, _, event] = await s.expect("InstallCertificate.req", "InstallCertificate.conf Rejected", EVENT)
        assert event.payload["type"] == "InvalidCentralSystemCertificate"
        assert await installed(s, CENTRAL) == {"status": "NotFound"}


# ---- its own ---------------------------------------------------------------------------------------------------------


async def renew(s: Stage) -> str:
    """Have a certificate asked for; returns the request."""
    answer = await s.call("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    assert answer == ACCEPTED
    await s.until("SignCertificate")
    await trio.sleep(1)
    s.forget()
    return str(s.central.said("SignCertificate")[-1]["csr"])


async def test_tc_074_cs_update_charge_point_certificate_by_request_of_central_system(autojump_clock: Any) -> None:
    async with stage(answers=SIGNED, configuration={"CpoName": "An operator"}) as s:
        operator = root("Operator")
        await install(s, CENTRAL, operator.pem)
        csr = await renew(s)
        subject = x509.load_pem_x509_csr(csr.encode()).subject
        assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "CP1"
        assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "An operator"
        chain = operator.grant(csr)
        assert await s.call("CertificateSigned", {"certificateChain": chain}) == ACCEPTED
        await trio.sleep(1)
        kept = s.memory.certificate
        assert kept is not None
        assert kept.chain == chain
        key = serialization.load_pem_private_key(kept.key.encode(), None)
        assert key.public_key() == x509.load_pem_x509_certificate(chain.encode()).public_key()
        assert "PRIVATE" not in repr(s.memory)
        assert events(s.central) == []
        # What was granted once isn't granted twice.
        assert await s.call("CertificateSigned", {"certificateChain": chain}) == REJECTED


@pytest.mark.parametrize(
    "flaw", ["no certificate", "another key", "expired", "not yet valid", "a stranger's", "too long"]
)
async def test_tc_077_cs_invalid_charge_point_certificate_security_event(autojump_clock: Any, flaw: str) -> None:
    async with stage(answers=SIGNED, configuration={"CertificateSignedMaxChainSize": "2000"}) as s:
        operator = root("Operator")
        await install(s, CENTRAL, operator.pem)
        csr = await renew(s)
        chain = {
            "no certificate": lambda: "no certificate",
            "another key": lambda: operator.issue("CP1").pem,
            "expired": lambda: operator.grant(csr, end=datetime(2021, 1, 1, tzinfo=UTC)),
            "not yet valid": lambda: operator.grant(csr, begin=datetime(2050, 1, 1, tzinfo=UTC)),
            "a stranger's": lambda: root("Operator").grant(csr),
            "too long": lambda: operator.grant(csr) + operator.pem * 10,
        }[flaw]()
        assert await s.call("CertificateSigned", {"certificateChain": chain}) == REJECTED
        [_, _, event] = await s.expect("CertificateSigned.req", "CertificateSigned.conf Rejected", EVENT)
        assert event.payload["type"] == "InvalidChargePointCertificate"
        assert s.memory.certificate is None
        # The request still stands: a good one may follow.
        assert await s.call("CertificateSigned", {"certificateChain": operator.grant(csr)}) == ACCEPTED


async def test_tc_077_cs_a_certificate_that_nobody_asked_for_is_rejected(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("CertificateSigned", {"certificateChain": root().issue("CP1").pem}) == REJECTED
        await trio.sleep(1)
        assert events(s.central) == ["InvalidChargePointCertificate"]


# ---- security events -------------------------------------------------------------------------------------------------


async def test_security_events_are_told_after_an_outage_and_a_reboot(autojump_clock: Any) -> None:
    async with stage() as s:
        s.central.answers[EVENT] = lambda _: SILENCE
        await install(s, CENTRAL, "no certificate")
        await trio.sleep(1)
        happened_at = s.central.said(EVENT)[0]["timestamp"]
        await s.power_cut()
        del s.central.answers[EVENT]
        s.power_on()
        await s.expect(
            *("InstallCertificate.req", "InstallCertificate.conf Rejected", EVENT),
            *("BootNotification", "0:Available", "1:Available", EVENT),
        )
        assert s.central.said(EVENT)[-1]["timestamp"] == happened_at


async def test_a_security_event_that_is_not_answered_is_told_three_times(autojump_clock: Any) -> None:
    async with stage(answers={EVENT: lambda _: SILENCE}) as s:
        await install(s, CENTRAL, "no certificate")
        await trio.sleep(3600)
        assert events(s.central) == ["InvalidCentralSystemCertificate"] * 3
        assert s.memory.notices == ()


async def test_a_csms_without_the_extension_is_not_told_of_a_start_up(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.call("Reset", {"type": "Hard"})
        await s.until("1:Available")
        await trio.sleep(60)
        assert events(s.central) == []


# From profile 2 on, over a stream that does without the TLS.
WITH_TLS: dict[str, Any] = {
    "configuration": {"SecurityProfile": "2"},
    "security": SecurityPlan(2, frozenset({0, 1, 2}), has_password=True),
    "booted": False,
}


def logged(s: Stage) -> list[str]:
    return [notice.word for notice in s.memory.security_log]


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_a_start_up_and_a_reset_are_told_from_profile_2_on(autojump_clock: Any, kind: str) -> None:
    async with stage(**WITH_TLS) as s:
        await s.until("1:Available")
        await s.call("Reset", {"type": kind})
        await trio.sleep(60)
        assert events(s.central) == ["StartupOfTheDevice", "ResetOrReboot", "StartupOfTheDevice"]


async def test_a_power_cut_is_a_start_up_and_no_reset(autojump_clock: Any) -> None:
    async with stage(**WITH_TLS) as s:
        await s.until("1:Available")
        await s.power_cut()
        s.power_on()
        await trio.sleep(60)
        assert events(s.central) == ["StartupOfTheDevice", "StartupOfTheDevice"]


async def test_a_clock_that_is_set_is_told_and_one_that_is_kept_right_is_not(autojump_clock: Any) -> None:
    late_s = 0.0

    def told(_: Any) -> Any:
        return {"currentTime": utc(trio.current_time() + late_s)}

    async with stage(**WITH_TLS, answers={"Heartbeat": told}) as s:
        await s.until("1:Available")
        for now_late_s, said in ((5.0, 0), (3600.0, 1), (3600.0, 1)):
            late_s = now_late_s
            await s.do(0, SendHeartbeat())
            await trio.sleep(10)
            assert events(s.central).count("SettingSystemTime") == said
        assert s.central.said(EVENT)[-1]["techInfo"] == "set by +3595 s"
        s.broken_rules()


async def test_what_is_not_critical_is_only_written_into_the_log(autojump_clock: Any) -> None:
    async with stage(**WITH_TLS) as s:
        await s.until("1:Available")
        for _ in range(3):
            await s.central.connections[CP].send_message("no message at all")
        await install(s, MANUFACTURER, root().pem)
        await give(s, NEW_PASSWORD)
        await trio.sleep(60)
        assert events(s.central) == ["StartupOfTheDevice"]
        assert logged(s) == [
            "StartupOfTheDevice",
            "InvalidMessages",
            "ReconfigurationOfSecurityParameters",
            "ReconfigurationOfSecurityParameters",
        ]
        s.broken_rules()
