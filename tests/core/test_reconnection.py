"""Coming back with other credentials, as the machine decides it: its answers, its orders to the link, what it keeps."""

from typing import Any

import pytest
from counterparts.charge_point_bench import Bench

from fleet.commands.vocabulary import Disconnect, SetConfiguration
from fleet.core import reconnection
from fleet.core.answers import CertificateHash
from fleet.core.certificates import CertificateStore, KnownCertificate
from fleet.core.credentials import Credentials, OwnCertificate
from fleet.core.effects import Answer, CloseLink, SendFrame, UseCredentials
from fleet.core.instructions import Instruct
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan, ConnectorPlan, SecurityPlan
from fleet.core.reports import ConnectFailed, CredentialsSettled
from fleet.words import ConnectorStatus
from fleet.words.security import CertificateUse, HashAlgorithm

NEW, NEWER = "the-new-password-2", "the-newest-password-3"
EVERYWHERE = frozenset({0, 1, 2, 3})
ROOT = KnownCertificate(CertificateUse.CENTRAL_SYSTEM_ROOT, "R", ())


def bench(
    profile: int = 1,
    profiles: frozenset[int] = EVERYWHERE,
    *,
    has_password: bool = True,
    trusts_system: bool = True,
    certificates: tuple[KnownCertificate, ...] = (),
    memory: ChargePointMemory | None = None,
) -> Bench:
    plan = ChargePointPlan(
        "CP1",
        (ConnectorPlan(),),
        configuration={"SecurityProfile": str(profile)},
        security=SecurityPlan(profile, profiles, has_password, trusts_system),
        certificates=certificates,
    )
    return Bench(memory=memory, plan=plan)


def booted(*args: Any, **options: Any) -> Bench:
    made = bench(*args, **options)
    made.boot()
    made.effects.clear()
    return made


def change(on: Bench, key: str, value: str) -> str:
    status: str = on.call("ChangeConfiguration", {"key": key, "value": value})["status"]
    return status


def refused(on: Bench, reason: str = "http-401") -> None:
    on.hear(ConnectFailed(reason, "", 1.0))


def used(on: Bench) -> list[Credentials]:
    """What the link was told to connect with since the boot."""
    return [effect.credentials for effect in on.effects if isinstance(effect, UseCredentials)]


def came_back(on: Bench) -> bool:
    return any(isinstance(effect, CloseLink) for effect in on.effects)


# ---- another password ------------------------------------------------------------------------------------------------


def test_another_password_is_answered_first_and_then_used_on_a_new_connection() -> None:
    on = booted()
    assert change(on, "AuthorizationKey", NEW) == "Accepted"
    kinds = [type(deed) for deed in on.deeds]
    assert kinds == [SendFrame, UseCredentials, CloseLink]
    assert used(on) == [Credentials(1, NEW)]
    assert on.deeds[-1] == CloseLink(reconnect=True, pause_s=0)


def test_a_password_that_gets_it_in_is_kept_over_a_reboot() -> None:
    on = booted()
    change(on, "AuthorizationKey", NEW)
    on.cut()
    on.connect()
    assert on.told(CredentialsSettled) == [CredentialsSettled(0.0, 1, True)]
    assert on.memory.proposed is None
    again = bench(memory=on.memory)
    assert used(again) == [Credentials(1, NEW)]


def test_a_password_that_does_not_get_it_in_is_given_up_for_the_old_one() -> None:
    on = booted()
    change(on, "AuthorizationKey", NEW)
    on.cut()
    refused(on)
    assert used(on) == [Credentials(1, NEW), Credentials(1)]
    on.connect()
    assert on.told(CredentialsSettled) == [CredentialsSettled(0.0, 1, False)]
    assert on.memory.configuration == {}
    assert on.memory.proposed is None
    assert used(bench(memory=on.memory)) == []


def test_a_csms_that_has_the_new_password_only_gets_it_even_after_the_old_one_was_tried() -> None:
    on = booted()
    change(on, "AuthorizationKey", NEW)
    on.cut()
    for _ in range(3):
        refused(on, "refused")
    refused(on)
    on.connect()
    assert used(on) == [Credentials(1, NEW), Credentials(1), Credentials(1, NEW)]
    assert on.machine.configuration.authorization_key == NEW


def test_a_reboot_on_the_way_forgets_neither() -> None:
    on = booted()
    change(on, "AuthorizationKey", NEW)
    again = bench(memory=on.memory)
    assert used(again) == [Credentials(1, NEW)]
    refused(again)
    assert used(again) == [Credentials(1, NEW), Credentials(1)]


def test_a_second_password_before_the_first_was_tried_counts() -> None:
    on = booted()
    change(on, "AuthorizationKey", NEW)
    change(on, "AuthorizationKey", NEWER)
    assert used(on) == [Credentials(1, NEW), Credentials(1, NEWER)]
    on.cut()
    refused(on)
    assert used(on)[-1] == Credentials(1)


def test_the_same_password_once_more_is_a_reason_to_come_back_too() -> None:
    on = booted()
    change(on, "AuthorizationKey", NEW)
    on.cut()
    on.connect()
    on.effects.clear()
    assert change(on, "AuthorizationKey", NEW) == "Accepted"
    assert came_back(on)


@pytest.mark.parametrize("value", ["", "fifteen-letters", "x" * 41, "sixteen and a\ttab"])
def test_a_password_that_is_none_is_rejected_and_changes_nothing(value: str) -> None:
    on = booted()
    assert change(on, "AuthorizationKey", value) == "Rejected"
    assert [type(deed) for deed in on.deeds] == [SendFrame]


def test_with_certificates_a_password_is_only_kept() -> None:
    on = booted(3)
    assert change(on, "authorizationkey", NEW) == "Accepted"
    assert not came_back(on)
    assert on.machine.configuration.authorization_key == NEW


def test_the_password_is_told_to_nobody() -> None:
    on = booted()
    change(on, "AuthorizationKey", NEW)
    on.cut()
    on.connect()
    asked = on.call("GetConfiguration", {"key": ["AuthorizationKey"]})
    assert asked == {"configurationKey": [{"key": "AuthorizationKey", "readonly": False}]}
    everything = on.call("GetConfiguration", {})
    assert "SecurityProfile" in str(everything)
    for said in (everything, on.frames, on.facts, on.orders, on.effects):
        assert NEW not in repr(said)


# ---- a higher profile ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [2, 3])
def test_a_higher_profile_is_in_force_once_it_got_the_charge_point_in(profile: int) -> None:
    on = booted(1)
    assert change(on, "SecurityProfile", str(profile)) == "Accepted"
    assert used(on) == [Credentials(profile)]
    assert came_back(on)
    assert on.machine.configuration.security_profile == 1
    on.cut()
    on.connect()
    assert on.machine.configuration.security_profile == profile
    assert used(bench(1, memory=on.memory)) == [Credentials(profile)]


def test_a_profile_that_does_not_get_it_in_leaves_the_old_one() -> None:
    on = booted(1)
    change(on, "SecurityProfile", "3")
    on.cut()
    refused(on, "tls")
    on.connect()
    assert used(on) == [Credentials(3), Credentials(1)]
    assert on.machine.configuration.security_profile == 1
    assert on.told(CredentialsSettled) == [CredentialsSettled(0.0, 1, False)]


@pytest.mark.parametrize(("profile", "lower"), [(1, "0"), (2, "1"), (3, "2"), (3, "0")])
def test_no_profile_is_ever_lowered_by_the_csms(profile: int, lower: str) -> None:
    on = booted(profile)
    assert change(on, "SecurityProfile", lower) == "Rejected"
    assert not came_back(on)


def test_a_profile_on_trial_is_not_lowered_either() -> None:
    on = booted(1)
    change(on, "SecurityProfile", "3")
    assert change(on, "SecurityProfile", "2") == "Rejected"
    assert used(on) == [Credentials(3)]


@pytest.mark.parametrize("value", ["4", "-1", "two", ""])
def test_a_profile_that_is_none_is_rejected(value: str) -> None:
    assert change(booted(0), "SecurityProfile", value) == "Rejected"


def test_a_profile_that_it_has_no_means_for_is_rejected() -> None:
    on = booted(1, frozenset({0, 1, 2}))
    assert change(on, "SecurityProfile", "3") == "Rejected"
    assert change(on, "SecurityProfile", "2") == "Accepted"


@pytest.mark.parametrize("profile", ["2", "3"])
def test_tls_is_not_raised_to_by_the_csms_before_there_is_a_root_that_vouches_for_it(profile: str) -> None:
    on = booted(1, trusts_system=False)
    assert change(on, "SecurityProfile", profile) == "Rejected"
    on.memory.certificates = CertificateStore((KnownCertificate(CertificateUse.MANUFACTURER_ROOT, "M", ()),))
    assert change(on, "SecurityProfile", profile) == "Rejected"
    on.memory.certificates.install(ROOT)
    assert change(on, "SecurityProfile", profile) == "Accepted"


def test_a_root_from_the_factory_is_one_until_the_csms_has_it_deleted() -> None:
    on = booted(1, trusts_system=False, certificates=(ROOT,))
    assert change(on, "SecurityProfile", "2") == "Accepted"
    on = booted(1, trusts_system=False, certificates=(ROOT,))
    on.memory.certificates = CertificateStore()
    assert change(on, "SecurityProfile", "2") == "Rejected"


def test_somebody_who_stands_before_it_may_have_it_try_tls_without_a_root() -> None:
    assert told(booted(1, trusts_system=False), "SecurityProfile", "2") is None


def test_where_tls_is_trusted_already_the_profile_is_raised_without_a_root_of_the_csms() -> None:
    assert change(booted(2, trusts_system=False), "SecurityProfile", "3") == "Accepted"
    assert change(booted(0, trusts_system=True), "SecurityProfile", "2") == "Accepted"


def test_a_profile_with_a_password_needs_one() -> None:
    on = booted(0, has_password=False)
    assert change(on, "SecurityProfile", "1") == "Rejected"
    assert change(on, "AuthorizationKey", NEW) == "Accepted"
    assert change(on, "SecurityProfile", "1") == "Accepted"
    assert used(on)[-1] == Credentials(1, NEW)


def test_the_profile_that_it_has_already_changes_nothing() -> None:
    on = booted(2)
    assert change(on, "SecurityProfile", "2") == "Accepted"
    assert not came_back(on)


# ---- another certificate ---------------------------------------------------------------------------------------------


def test_a_certificate_that_was_signed_is_shown_and_kept_once_it_got_the_charge_point_in() -> None:
    signed = OwnCertificate("chain", "key")
    on = booted(3)
    reconnection.use_certificate(on.machine, signed)
    on.status(ConnectorStatus.PREPARING)
    assert used(on) == [Credentials(3, None, signed)]
    on.cut()
    on.connect()
    assert on.memory.certificate == signed
    assert used(bench(3, memory=on.memory)) == [Credentials(3, None, signed)]


def test_where_no_certificate_is_shown_it_waits_for_the_profile_that_does() -> None:
    signed = OwnCertificate("chain", "key")
    on = booted(2)
    reconnection.use_certificate(on.machine, signed)
    assert on.memory.certificate == signed
    change(on, "SecurityProfile", "3")
    assert used(on) == [Credentials(3, None, signed)]


# ---- by somebody who stands before it --------------------------------------------------------------------------------


def told(on: Bench, key: str, value: str) -> str | None:
    on.hear(Instruct(0, SetConfiguration(key, value), token=7))
    answers = [effect for effect in on.effects if isinstance(effect, Answer)]
    return answers[-1].refusal


def test_from_inside_a_profile_may_be_lowered_too() -> None:
    on = booted(2)
    assert told(on, "SecurityProfile", "1") is None
    assert used(on) == [Credentials(1)]


def test_what_is_refused_inside_says_why_without_the_secret() -> None:
    on = booted(1, frozenset({0, 1}))
    assert told(on, "AuthorizationKey", "short") == "AuthorizationKey: expected 16 to 40 characters, not 5"
    assert told(on, "SecurityProfile", "2") == "SecurityProfile: CP1 has no way to connect with security profile 2"


def test_whose_network_cable_is_out_does_not_come_back_before_it_is_in() -> None:
    on = booted()
    on.instruct(Disconnect())
    on.cut()
    on.effects.clear()
    assert told(on, "AuthorizationKey", NEW) is None
    assert not came_back(on)
    assert used(on) == [Credentials(1, NEW)]


# ---- roots -----------------------------------------------------------------------------------------------------------


def trusted(on: Bench) -> list[tuple[str, ...]]:
    """The roots that the link was told to trust since the boot."""
    return [effect.roots for effect in on.effects if isinstance(effect, UseCredentials)]


def known_root(pem: str) -> KnownCertificate:
    known_by = CertificateHash(HashAlgorithm.SHA256, pem, pem, "1")
    return KnownCertificate(CertificateUse.CENTRAL_SYSTEM_ROOT, pem, (known_by,))


def test_a_root_that_was_installed_counts_from_the_next_connection_on_and_with_whatever_is_shown() -> None:
    on = booted()
    on.memory.certificates = CertificateStore((known_root("ROOT"),))
    reconnection.roots_changed(on.machine)
    on.call("ClearCache", {})
    assert trusted(on) == [("ROOT",)]
    assert not came_back(on)
    change(on, "AuthorizationKey", NEW)
    assert used(on)[-1] == Credentials(1, NEW)
    # One that changes while credentials are on trial changes nothing about whose turn it is.
    on.memory.certificates.install(known_root("ANOTHER"))
    reconnection.roots_changed(on.machine)
    on.cut()
    refused(on)
    assert used(on)[-2:] == [Credentials(1, NEW), Credentials(1)]
    assert trusted(on) == [("ROOT",), ("ROOT",), ("ROOT", "ANOTHER"), ("ROOT", "ANOTHER")]


def test_installed_roots_count_after_a_reboot_too() -> None:
    memory = booted().memory
    memory.certificates = CertificateStore((known_root("ROOT"),))
    again = bench(memory=memory)
    assert (used(again), trusted(again)) == ([Credentials(1)], [("ROOT",)])
