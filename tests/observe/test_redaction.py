"""Redaction: AuthorizationKey and the credentials of URLs never get out, and nothing else changes."""

import time
from typing import Any

import orjson
import pytest

from fleet.core.plan import ChargePointPlan
from fleet.core.reports import ProtocolViolated
from fleet.observe.board import Board
from fleet.observe.redaction import (
    Redaction,
    redacted,
    redacted_about,
    redacted_broken,
    redacted_line,
    redacted_violation,
)
from fleet.ocpp.errors import FrameError
from fleet.ocpp.frame import unpack


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cret"}],
            [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "***"}],
        ),
        ({"key": "authorizationKEY", "value": "s3cret"}, {"key": "authorizationKEY", "value": "***"}),
        (
            [3, "1", {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": "s3cret"}]}],
            [3, "1", {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": "***"}]}],
        ),
        ({"CP1": {"AuthorizationKey": "s3cret"}}, {"CP1": {"AuthorizationKey": "***"}}),
        ({"CP1": {"AuthorizationKey": None}}, {"CP1": {"AuthorizationKey": None}}),
        (
            {"Key": "AuthorizationKey", "Value": "s3cret", "x": ["s3cret"]},
            {"Key": "AuthorizationKey", "Value": "***", "x": "***"},
        ),
        (
            {"location": "ftp://name:s3cret@host/a", "retries": 3},
            {"location": "ftp://name:***@host/a", "retries": 3},
        ),
        (["see https://h/x?token=s3cret&b=1, please"], ["see https://h/x?token=***&b=1, please"]),
        ({"data": '{"key":"AuthorizationKey","value":"s3cret"}'}, {"data": '{"key":"AuthorizationKey","value":***}'}),
    ],
)
def test_the_values_of_secret_keys_are_masked(value: Any, shown: Any) -> None:
    assert redacted(value) == shown


@pytest.mark.parametrize(
    ("line", "said", "shown"),
    [
        ("get CP1 AuthorizationKey=s3cret", "no argument\nget CP1 AuthorizationKey=s3cret\n ^^^", "no argument\n"),
        ("set CP1 AuthorizationKey s3cret more", "expected nothing, got 's3cret'", "expected nothing, got '***'"),
        ("set CP1 HeartbeatInterval soon", "expected a number, got 'soon'", "expected a number, got 'soon'"),
    ],
)
def test_what_is_said_of_a_line_quotes_no_secret_of_it(line: str, said: str, shown: str) -> None:
    told = redacted_about(said, line)
    assert told.startswith(shown)
    assert "s3cret" not in told


def test_what_is_not_secret_is_not_even_copied() -> None:
    frame = [2, "1", "StatusNotification", {"connectorId": 1, "list": [{"key": "HeartbeatInterval", "value": "1"}]}]
    assert redacted(frame) is frame
    asked = [2, "1", "GetConfiguration", {"key": ["AuthorizationKey"]}]
    assert redacted(asked) is asked
    plain = [2, "1", "GetDiagnostics", {"location": "ftp://host:2121/a/b?c=d#e"}]
    assert redacted(plain) is plain


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("set CP1 AuthorizationKey s3cret", "set CP1 AuthorizationKey ***"),
        ("set CP1 AuthorizationKey=s3cret", "set CP1 AuthorizationKey=***"),
        ('set CP1 authorizationkey "s3 cret" # x', "set CP1 authorizationkey *** # x"),
        (
            'raw CP1 ChangeConfiguration {"key": "AuthorizationKey", "value": "s3cret"}',
            'raw CP1 ChangeConfiguration {"key": "AuthorizationKey", "value": ***}',
        ),
        ('raw CP1 X {"AuthorizationKey": "s3cret"}', 'raw CP1 X {"AuthorizationKey": ***}'),
        ('raw CP1 X {"AuthorizationKey": "a\\"s3cret"} x', 'raw CP1 X {"AuthorizationKey": ***} x'),
        ("raw CP1 X {'AuthorizationKey':'s3cret'}", "raw CP1 X {'AuthorizationKey':***}"),
        ('{\\"AuthorizationKey\\":\\"s3cret with space\\",\\"a\\":1}', '{\\"AuthorizationKey\\":***,\\"a\\":1}'),
        ("connect ws://CP1:s3cret@host/ocpp now", "connect ws://CP1:***@host/ocpp now"),
        ("connect ws://s3cret@host/ocpp", "connect ws://***@host/ocpp"),
        ("ftp://a:s3@cret@host", "ftp://a:***@host"),
        ("ftp://a:b/s3cret@host/x", "ftp://***@host/x"),
        ("two ftp://a:s3cret@h, ftp://b:s3cret@h", "two ftp://a:***@h, ftp://b:***@h"),
        ("set CP1 HeartbeatInterval 60", "set CP1 HeartbeatInterval 60"),
        ("mail a@b.c // or not", "mail a@b.c // or not"),
    ],
)
def test_a_line_keeps_its_secrets_too(line: str, shown: str) -> None:
    assert redacted_line(line) == shown
    assert "s3cret" not in redacted_line(line)


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1","ChangeConfiguration",{"value":"s3cret","ke',
        '[2,"1","Change\\u0043onfiguration",{"value":"s3cret"',
        "authorizationkey is s3cret",
        "ftp://a:s3cret@host",
        "ftp:\\/\\/a:s3cret@host",
    ],
)
def test_a_broken_frame_shows_no_secret(text: str) -> None:
    assert "s3cret" not in redacted_broken(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"AuthorizationKey":"s3cret"}',
        '[2,"1",5,{"value":"s3cret","key":"AuthorizationKey"}]',
        '[2,"1","ChangeConfiguration",{"value":"s3cret","key":"AuthorizationKe',
        '[9,"1","ftp://a:s3cret@host"]',
    ],
)
def test_what_is_told_of_a_frame_that_nobody_understands_shows_no_secret(text: str) -> None:
    with pytest.raises(FrameError) as caught:
        unpack(text)
    assert "s3cret" in caught.value.detail
    report = ProtocolViolated(caught.value.rule, caught.value.detail, 1.0)
    assert "s3cret" not in redacted_violation(report)
    board = Board([ChargePointPlan("CP1")])
    board.report("CP1", report)
    assert "s3cret" not in str(board.violations.cases)


def test_what_is_told_of_a_field_says_which_one() -> None:
    detail = "'ChangeConfiguration': TypeConstraintViolation: value: expected a string"
    assert redacted_violation(ProtocolViolated("bad-request", detail, 1.0)) == detail


@pytest.mark.parametrize("text", ["", "[2,", "hello \\u0041 \\/", '[2,"1","Heartbeat",{'])
def test_a_broken_frame_without_secrets_is_shown_as_it_is(text: str) -> None:
    assert redacted_broken(text) == text


def test_the_secrets_of_a_run_are_masked_the_longest_first() -> None:
    redaction = Redaction(["pass", "password", ""])
    assert redaction.value({"a": ["my password"], "pass": 1}) == {"a": ["my ***"], "***": 1}
    assert redaction.suspects('{"a":"password"}')
    assert not redaction.suspects('{"a":"word"}')


def test_what_is_suspected_is_all_that_can_hold_a_secret() -> None:
    """The look that saves the closer one must see everything that would be masked."""
    redaction = Redaction(["hunter2"])
    for value in (
        {"key": "AuthorizationKey", "value": "x"},
        {"AUTHORIZATIONKEY": "x"},
        {"authorization\u212aey": "x"},
        "ftp://a:b@c",
        "https://a/?sig=x",
        {"x": "hunter2"},
    ):
        assert redaction.value(value) != value
        assert redaction.suspects(orjson.dumps(value).decode())
    assert redaction.suspects('{"\\u0041uthorizationKey":1}')
    assert redaction.suspects('"ftp:\\/\\/a:b@c"')
    assert not redaction.suspects('[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"value":"12.5"}]}]')


@pytest.mark.parametrize(
    "part",
    [
        "authorizationkey ",
        " ",
        "\\",
        '"',
        "}",
        "//",
        "//a:b@",
        "&key",
        "?token=",
        "authorizationkey=\\",
        "\\u0041",
        "=",
        "@",
    ],
)
@pytest.mark.parametrize("beginning", ["", "authorizationkey", "https://?", 'authorizationkey="'])
def test_no_text_takes_long_to_look_at(part: str, beginning: str) -> None:
    """A CSMS chooses the text. Had any pattern to go back and forth over it, this would take minutes."""
    text = (beginning + part * 200_000)[:200_000]
    began = time.process_time()
    redacted_line(text)
    redacted_broken(text)
    assert time.process_time() - began < 5
