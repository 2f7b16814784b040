"""Redaction: AuthorizationKey never gets out, and nothing else changes."""

from typing import Any

import pytest

from fleet.observe.redaction import redacted, redacted_line


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
    ],
)
def test_the_values_of_secret_keys_are_masked(value: Any, shown: Any) -> None:
    assert redacted(value) == shown


def test_what_is_not_secret_is_not_even_copied() -> None:
    frame = [2, "1", "StatusNotification", {"connectorId": 1, "list": [{"key": "HeartbeatInterval", "value": "1"}]}]
    assert redacted(frame) is frame


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("set CP1 AuthorizationKey s3cret", "set CP1 AuthorizationKey ***"),
        ("set CP1 AuthorizationKey=s3cret", "set CP1 AuthorizationKey=***"),
        ('set CP1 authorizationkey "s3 cret" # x', "set CP1 authorizationkey *** # x"),
        ('raw CP1 X {"AuthorizationKey": "s3cret"}', 'raw CP1 X {"AuthorizationKey": ***}'),
        (
            'raw CP1 ChangeConfiguration {"key": "AuthorizationKey", "value": "s3cret"}',
            'raw CP1 ChangeConfiguration {"key": "AuthorizationKey", "value": ***}',
        ),
        ("set CP1 HeartbeatInterval 60", "set CP1 HeartbeatInterval 60"),
    ],
)
def test_a_line_keeps_its_secrets_too(line: str, shown: str) -> None:
    assert redacted_line(line) == shown
    assert "s3cret" not in redacted_line(line)
