"""The security of a run's configuration: what it comes to, what doesn't go together, and whom the links lead to."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from counterparts.certificates import pki

from fleet.core.credentials import Credentials, OwnCertificate
from fleet.core.dialects.v16 import Dialect16
from fleet.errors import ConfigurationError
from fleet.link.endpoint import CertificateFiles, Endpoint, basic_auth
from fleet.load.config import CsmsConfig, RunConfig, mistakes
from fleet.load.config_file import structure
from fleet.load.links import WebSocketLinks
from fleet.load.planning import plans
from fleet.load.security import files_of, guarded, means_of, profile_of, require_files
from fleet.words.security import CertificateUse

WS, WSS = "ws://csms.example/ocpp", "wss://csms.example/ocpp"
PASSWORD = "a-password-for-this-test"


def csms(**options: Any) -> CsmsConfig:
    return structure({"csms": options}, "test").csms


# ---- what it comes to ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "profile"),
    [
        ({}, 0),
        ({"url": WS}, 0),
        ({"url": WSS}, 0),
        ({"url": WS, "password_env": "X"}, 1),
        ({"url": "ws://CP:secret@csms.example/"}, 1),
        ({"url": WSS, "password_file": "x"}, 2),
        ({"url": WSS, "ca_file": "x"}, 0),
        ({"url": WSS, "tls": "x"}, 3),
        ({"url": WSS, "tls": "x", "password_env": "X"}, 2),
        ({"url": WSS, "client_cert": "{id}.pem"}, 3),
        ({"url": WS, "secure_url": WSS, "tls": "x"}, 0),
        ({"url": WS, "secure_url": WSS, "tls": "x", "security_profile": 3}, 3),
        ({"security_profile": 2}, 2),
    ],
)
def test_what_is_left_open_follows_from_what_is_given(options: dict[str, Any], profile: int) -> None:
    found = csms(**options)
    assert profile_of(found) == profile
    assert means_of(found).profile == profile
    assert mistakes(structure({"csms": options}, "test")) == []


@pytest.mark.parametrize(
    ("options", "profiles"),
    [
        ({"url": WS}, {0, 1}),
        ({"url": WS, "secure_url": WSS}, {0, 1, 2}),
        ({"url": WS, "secure_url": WSS, "tls": "x"}, {0, 1, 2, 3}),
        ({"url": WS, "secure_url": WSS, "client_cert": "x"}, {0, 1, 2, 3}),
    ],
)
def test_a_profile_can_be_raised_to_where_there_are_means_for_it(options: dict[str, Any], profiles: set[int]) -> None:
    assert means_of(csms(**options)).profiles == profiles


@pytest.mark.parametrize(
    ("options", "trusts"),
    [
        ({"url": WSS}, True),
        ({"url": WS, "secure_url": WSS}, False),
        ({"url": WS, "secure_url": WSS, "verify": False}, True),
    ],
)
def test_whom_the_system_trusts_vouches_for_a_csms_that_was_reached_so_from_the_beginning(
    options: dict[str, Any], trusts: bool
) -> None:
    assert means_of(csms(**options)).trusts_system is trusts


def test_charge_points_know_their_profile_as_a_configuration_key() -> None:
    config = structure({"csms": {"url": WSS, "tls": "x"}, "charge_points": [{"count": 2}, {"id": "X{}"}]}, "test")
    assert {plan.configuration["SecurityProfile"] for plan in plans(config)} == {"3"}
    assert len({id(plan.security) for plan in plans(config)}) == 1


def test_charge_points_come_with_the_root_that_vouches_for_the_csms_but_not_with_a_whole_systems(
    tmp_path: Path,
) -> None:
    root = pki(tmp_path / "pki").root.read_text()
    for text, count in ((root, 1), (root * 5, 0), ("nothing", 0)):
        file = tmp_path / f"{count}-{len(text)}.pem"
        file.write_text(text)
        config = structure({"csms": {"url": WSS, "ca_file": str(file)}, "charge_points": [{"count": 2}]}, "test")
        assert [len(plan.certificates) for plan in plans(config)] == [count] * 2
        assert {(known.use, known.pem) for known in plans(config)[0].certificates} <= {
            (CertificateUse.CENTRAL_SYSTEM_ROOT, root)
        }


# ---- what doesn't go together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ca_file": "x"}, "csms.ca_file: expected a wss:// url beside it"),
        ({"url": WS, "client_cert": "x"}, "csms.client_cert: expected a wss:// url beside it"),
        ({"url": WS, "tls": "x"}, "csms.tls: expected a wss:// url beside it"),
        ({"url": WS, "verify": False}, "csms.verify: expected a wss:// url beside it"),
        ({"url": WSS, "client_key": "x"}, "csms.client_key: expected client_cert beside it"),
        ({"url": WS, "secure_url": WS}, "csms.secure_url: expected a wss:// url"),
        ({"url": WSS, "secure_url": WSS}, "csms.secure_url: expected a ws:// url beside it"),
        (
            {"url": WS, "security_profile": 2},
            "csms.security_profile: expected a wss:// url, or secure_url, beside prof",
        ),
        (
            {"url": WSS, "security_profile": 1},
            "csms.security_profile: expected a ws:// url beside profile 1, or profile",
        ),
        ({"url": WSS, "security_profile": 3}, "csms.security_profile: expected client_cert, or tls, beside profile 3"),
        (
            {"url": WSS, "tls": "x", "password_env": "X", "security_profile": 3},
            "csms.security_profile: expected no password beside profile 3",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line_each(options: dict[str, Any], told: str) -> None:
    found = [f"{path}: {what}" for path, what in mistakes(structure({"csms": options}, "test"))]
    assert len(found) == 1
    assert found[0].startswith(told)


@pytest.mark.parametrize("profile", [-1, 4, "high", True])
def test_there_are_four_profiles(profile: object) -> None:
    with pytest.raises(ConfigurationError, match=r"csms.security_profile: expected a whole number from 0 to 3"):
        csms(security_profile=profile)


@pytest.mark.parametrize(
    ("key", "instead"),
    [("AuthorizationKey", "csms.password_env or csms.password_file"), ("SecurityProfile", "csms.security_profile")],
)
def test_a_password_is_written_into_no_file_and_a_profile_is_no_key_to_set(key: str, instead: str) -> None:
    value = "sixteen-letters-or-more" if key == "AuthorizationKey" else "2"
    config = structure({"charge_points": [{"configuration": {key: value}}]}, "test")
    assert mistakes(config) == [("charge_points[0].configuration", f"{key}: expected {instead} instead")]


@pytest.mark.parametrize(("url", "profile"), [(WS, 1), (WSS, 2)])
def test_a_profile_with_a_password_needs_one(url: str, profile: int) -> None:
    with (
        pytest.raises(ConfigurationError, match=rf"^csms.security_profile: profile {profile} needs a password: "),
        guarded(csms(url=url, security_profile=profile), None),
    ):
        pass
    with guarded(csms(url=url, security_profile=profile), PASSWORD) as guard:
        assert guard.password == PASSWORD
        assert PASSWORD not in repr(guard)


def test_a_certificate_that_is_not_there_is_told_before_anything_is_started(tmp_path: Path) -> None:
    layout = pki(tmp_path, "CP0001")
    config = csms(url=WSS, tls=str(tmp_path))
    require_files(config, ["CP0001"])
    with pytest.raises(ConfigurationError) as error:
        require_files(config, ["CP0001", "CP0002", "CP0003"])
    assert str(error.value) == f"csms.tls: no such file: {layout.charge_point('CP0002')} and 3 more"
    # Who shows none needs none.
    require_files(csms(url=WSS, tls=str(tmp_path), password_env="X"), ["CP0002"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ca_file": "/not/there.pem"}, "csms.ca_file: can't use /not/there.pem: No such file or directory"),
        (
            {"tls": "/not/there", "password_env": "HOME"},
            "csms.tls: can't use /not/there/root.pem: No such file or directory: expected a folder made by "
            "`fleet certs`",
        ),
        ({"ca_file": __file__}, f"csms.ca_file: can't use {__file__}: no certificate in PEM"),
    ],
)
def test_a_root_that_cannot_be_used_is_one_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        WebSocketLinks(WSS, csms(url=WSS, **options), 1, Dialect16.subprotocol)
    assert str(error.value) == told


def test_a_certificate_that_cannot_be_used_is_told_before_anything_is_started(tmp_path: Path) -> None:
    layout, other = pki(tmp_path / "pki", "CP0001", "CP0002"), pki(tmp_path / "other", "CP0002")
    config = csms(url=WSS, tls=str(layout.folder))
    layout.charge_point_key("CP0002").write_bytes(other.charge_point_key("CP0002").read_bytes())
    with pytest.raises(
        ConfigurationError, match=r"^csms.tls: can't use certificate .*CP0002.pem: key values mismatch$"
    ):
        require_files(config, ["CP0001", "CP0002"])
    layout.charge_point("CP0002").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"^csms.tls: can't use certificate .*CP0002.pem: "):
        require_files(config, ["CP0001", "CP0002"])
    require_files(config, ["CP0001"])


# ---- whom the links lead to ------------------------------------------------------------------------------------------


def endpoints(config: CsmsConfig, password: str | None = None, **options: Any) -> Any:
    """What a charge point's link begins with, and what it connects with when it has other credentials."""
    links = WebSocketLinks(config.url, config, 1, Dialect16.subprotocol, password, **options)
    (plan,) = plans(structure({"charge_points": [{"id": "CP 1"}]}, "test"))
    run: Any = links(plan, 1)
    endpoint_for = run.keywords["endpoint_for"]
    return run.args[0], lambda credentials, *roots: endpoint_for(credentials, roots)


def test_a_password_that_the_csms_gave_goes_before_the_one_of_the_run() -> None:
    first, endpoint_for = endpoints(csms(url=WS), PASSWORD)
    assert first == Endpoint(f"{WS}/CP%201", headers=(basic_auth("CP 1", PASSWORD),))
    given = endpoint_for(Credentials(1, "what-the-csms-gave"))
    assert given.headers == (basic_auth("CP 1", "what-the-csms-gave"),)
    assert "what-the-csms-gave" not in repr(given)


@pytest.mark.parametrize(
    ("form", "password"), [({}, bytes(range(20))), ({"authorization_key_form": "text"}, bytes(range(20)).hex())]
)
def test_a_password_that_the_csms_gave_in_hex_is_shown_as_bytes_unless_told_otherwise(
    form: dict[str, str], password: str | bytes
) -> None:
    _, endpoint_for = endpoints(csms(url=WS, **form), PASSWORD)
    given = endpoint_for(Credentials(1, bytes(range(20)).hex()))
    assert given.headers == (basic_auth("CP 1", password),)


def test_the_password_of_the_run_is_a_password_and_no_authorization_key() -> None:
    first, _ = endpoints(csms(url=WS), "00ff" * 10)
    assert first.headers == (basic_auth("CP 1", "00ff" * 10),)


def test_a_raised_profile_leads_to_the_secure_url(tmp_path: Path) -> None:
    layout = pki(tmp_path, "CP 1")
    config = csms(url=WS, secure_url="wss://secure.example/{id}/x", tls=str(tmp_path))
    first, endpoint_for = endpoints(config, PASSWORD)
    assert (first.url, first.ssl_context, first.certificate) == (f"{WS}/CP%201", None, None)
    second, third = endpoint_for(Credentials(2)), endpoint_for(Credentials(3))
    assert second.url == third.url == "wss://secure.example/CP%201/x"
    assert (second.headers, second.certificate) == (first.headers, None)
    # No password where a certificate is shown; and what is loaded for that is for nobody else.
    assert (third.headers, third.certificate) == (
        (),
        CertificateFiles(layout.charge_point("CP 1"), layout.charge_point_key("CP 1")),
    )
    assert second.ssl_context is not third.ssl_context
    assert endpoint_for(Credentials(3)).ssl_context is third.ssl_context


def test_those_who_trust_the_same_roots_share_a_context_and_a_root_that_is_none_vouches_for_nobody(
    tmp_path: Path,
) -> None:
    pki(tmp_path / "first")
    second = pki(tmp_path / "second").root.read_text()
    first, endpoint_for = endpoints(csms(url=WSS, tls=str(tmp_path / "first"), password_env="X"), PASSWORD)
    with_both = endpoint_for(Credentials(2), second)
    assert len(first.ssl_context.get_ca_certs()) == 1
    assert len(with_both.ssl_context.get_ca_certs()) == 2
    assert endpoint_for(Credentials(2), second).ssl_context is with_both.ssl_context
    assert endpoint_for(Credentials(2)).ssl_context is first.ssl_context
    assert len(endpoint_for(Credentials(2), "no certificate at all").ssl_context.get_ca_certs()) == 1


def test_a_certificate_that_the_csms_signed_goes_before_the_file(tmp_path: Path) -> None:
    pki(tmp_path, "CP 1")
    signed = OwnCertificate("chain", "key")
    _, endpoint_for = endpoints(csms(url=WSS, tls=str(tmp_path)))
    assert endpoint_for(Credentials(3, None, signed)).certificate is signed


def test_the_id_in_a_pattern_leaves_no_folder() -> None:
    config = csms(url=WSS, client_cert="certs/{id}.pem", client_key="keys/{id}.key")
    assert files_of(config, "../a/b") == CertificateFiles(Path("certs/..%2Fa%2Fb.pem"), Path("keys/..%2Fa%2Fb.key"))
    assert files_of(csms(url=WSS, client_cert="{id}.pem"), "A") == CertificateFiles(Path("A.pem"), Path("A.pem"))


def test_certificates_and_names_are_verified_unless_told_otherwise(tmp_path: Path) -> None:
    layout = pki(tmp_path)
    first, _ = endpoints(csms(url=WSS, ca_file=str(layout.root)))
    assert first.ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert first.ssl_context.check_hostname
    other, _ = endpoints(csms(url=WSS, verify=False))
    assert other.ssl_context.verify_mode is ssl.CERT_NONE


# ---- the embedded CSMS -----------------------------------------------------------------------------------------------


def test_the_embedded_csms_needs_only_the_number() -> None:
    with guarded(CsmsConfig(security_profile=3), None) as guard:
        assert guard.issue is not None
        assert guard.options[:2] == ("--security-profile", "3")
        folder = Path(str(guard.csms.tls))
        assert (folder / "csms.pem").exists()
        assert "PRIVATE KEY" in guard.issue("CP0001").key
        assert "PRIVATE KEY" not in repr(guard.issue("CP0001"))
    assert not folder.exists()


def test_its_password_is_made_up_and_passes_by_the_environment() -> None:
    with guarded(CsmsConfig(security_profile=2), None) as guard:
        assert guard.password is not None
        assert len(guard.password) >= 16
        assert guard.password not in guard.options
        assert guard.password in guard.environment.values()
        assert guard.password not in repr(guard)


def test_without_a_profile_nothing_is_asked_for() -> None:
    with guarded(RunConfig().csms, None) as guard:
        assert (guard.options, guard.password, guard.issue) == ((), None, None)
