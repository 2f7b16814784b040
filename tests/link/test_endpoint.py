"""Endpoints: the URL of OCPP-J section 3.1.1, and secrets that stay where they are."""

from base64 import b64encode

import pytest

from fleet.errors import ConfigurationError
from fleet.link.endpoint import Endpoint, basic_auth, endpoint_url, mask


@pytest.mark.parametrize(
    ("template", "charge_point_id", "url"),
    [
        ("ws://csms.example/ocpp", "CP0001", "ws://csms.example/ocpp/CP0001"),
        ("ws://csms.example/ocpp/", "CP0001", "ws://csms.example/ocpp/CP0001"),
        ("wss://csms.example", "CP0001", "wss://csms.example/CP0001"),
        ("ws://csms.example:9000/a/b?tenant=7", "CP0001", "ws://csms.example:9000/a/b/CP0001?tenant=7"),
        # The example of the specification: RDAM|123.
        ("wss://central.example/ocppj", "RDAM|123", "wss://central.example/ocppj/RDAM%7C123"),
        ("ws://csms.example/", "a/b c?ü", "ws://csms.example/a%2Fb%20c%3F%C3%BC"),
        ("ws://csms.example/{id}/ocpp16", "CP 1", "ws://csms.example/CP%201/ocpp16"),
        ("ws://csms.example/ws?cp={id}", "CP1", "ws://csms.example/ws?cp=CP1"),
        ("ws://{id}:key@csms.example/{id}", "CP1", "ws://CP1:key@csms.example/CP1"),
        ("ws://[::1]:9000/", "CP1", "ws://[::1]:9000/CP1"),
    ],
)
def test_the_charge_point_id_is_the_last_path_segment_or_replaces_the_placeholder(
    template: str, charge_point_id: str, url: str
) -> None:
    assert endpoint_url(template, charge_point_id) == url
    Endpoint(url)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("http://csms.example/", "ws:// or wss://"),
        ("csms.example:9000", "ws:// or wss://"),
        ("localhost", "ws:// or wss://"),
        ("ws:csms.example", "ws:// or wss://"),
        ("", "ws:// or wss://"),
        ("ws://", "names no host"),
        ("ws:///ocpp", "names no host"),
        ("ws://csms.example:port/", "cannot be read"),
        ("ws://csms.example:70000/", "cannot be read"),
        ("ws://csms.example:0/", "port 0"),
        ("ws://[::1/", "cannot be read"),
        ("ws://csms.example/#top", "fragment"),
        ("ws://csms.example/{id}#", "fragment"),
        ("ws://csms example/", "white space"),
        ("ws://csms.example/\n", "white space"),
        ("ws://" + "a" * 64 + ".example/", "not a host name"),
        ("ws://csms..example/", "not a host name"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_clear_error(template: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        endpoint_url(template, "CP0001")


def test_an_empty_id_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="id must not be empty"):
        endpoint_url("ws://csms.example/", "")


def test_a_url_is_taken_apart_as_http_wants_it() -> None:
    target = Endpoint("ws://csms.example/ocpp/CP%201?x=1").target()
    assert (target.secure, target.host, target.port) == (False, "csms.example", 80)
    assert (target.host_header, target.resource) == ("csms.example", "/ocpp/CP%201?x=1")
    target = Endpoint("WSS://[::1]:9000").target()
    assert (target.secure, target.host, target.port) == (True, "::1", 9000)
    assert (target.host_header, target.resource) == ("[::1]:9000", "/")
    assert Endpoint("wss://bücher.example/ü").target().host == "xn--bcher-kva.example"
    assert Endpoint("wss://bücher.example/ü").target().resource == "/%C3%BC"


def test_userinfo_becomes_basic_authentication_unless_a_header_says_otherwise() -> None:
    endpoint = Endpoint("ws://CP1:p%40ss@csms.example/CP1")
    assert endpoint.request_headers(endpoint.target()) == [basic_auth("CP1", "p@ss")]
    own = (b"authorization", b"Bearer abc")
    endpoint = Endpoint("ws://CP1:p%40ss@csms.example/CP1", headers=(own,))
    assert endpoint.request_headers(endpoint.target()) == [own]


@pytest.mark.parametrize("header", [(b"X-A\r\n", b"b"), (b"", b"b"), (b"X-A", b"b\r\nX-B: c"), (b"X-A", b"b\0")])
def test_headers_that_would_break_the_request_are_refused_without_quoting_them(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Endpoint("ws://csms.example/", headers=(header,))
    assert "X-B" not in str(caught.value)


@pytest.mark.parametrize("url", ["ws://CP1:s3cret@csms.example/CP1", "ws://s3cret@csms.example/"])
def test_no_repr_shows_a_secret(url: str) -> None:
    headers = (basic_auth("CP1", "s3cret"), (b"X-Api-Key", b"s3cret"))
    shown = repr(Endpoint(url, headers=headers))
    assert "s3cret" not in shown
    assert "@csms.example/" in shown


@pytest.mark.parametrize(
    "url",
    ["http://CP1:s3cret@csms.example/", "ws://CP1:s3cret@csms.example:x/", "CP1:s3cret@h", "ws://a:s3c/s3cret@h/"],
)
def test_no_error_shows_a_secret(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint_url(url, "CP1")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://csms/ocpp?token=s3cret", "ws://csms/ocpp?token=***"),
        ("wss://CP1:s3cret@csms/?cp={id}&api-key=s3cret&b#x", "wss://CP1:***@csms/?cp={id}&api-key=***&b#x"),
        ("ws://csms/a=b?tenant=7", "ws://csms/a=b?tenant=7"),
    ],
)
def test_a_url_that_people_read_shows_no_secret(url: str, shown: str) -> None:
    assert mask(url) == shown


def test_foreign_text_is_redacted_in_whatever_form_the_secret_comes_back() -> None:
    endpoint = Endpoint("ws://CP1:p%40ssword@csms.example/", headers=((b"X-Api-Key", b"k3y"),))
    token = basic_auth("CP1", "p@ssword")[1].decode()
    text = f"got {token}, {token.removeprefix('Basic ')}, p@ssword, p%40ssword and k3y from CP1"
    assert endpoint.redact(text) == "got ***, ***, ***, *** and *** from CP1"
    assert Endpoint("ws://csms.example/").redact("nothing to hide") == "nothing to hide"


def test_a_password_given_as_a_header_is_redacted_in_the_clear_too() -> None:
    endpoint = Endpoint("ws://csms.example/", headers=(basic_auth("CP1", "s3cret"),))
    assert endpoint.redact("bad password s3cret for CP1") == "bad password *** for CP1"


def test_a_password_that_is_no_text_is_redacted_in_either_form() -> None:
    secret = bytes(range(200, 220))
    endpoint = Endpoint("ws://csms/CP1", headers=(basic_auth("CP1", secret),))
    shown = endpoint.redact(f"{secret.hex()} {secret.hex().upper()} {b64encode(b'CP1:' + secret).decode()}")
    assert shown == "*** *** ***"
