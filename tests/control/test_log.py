"""The log of one charge point: a line for each fact, and no secret in any."""

import logging
from collections.abc import Iterator

import pytest

from fleet.control.log import Log, logger, start_logging
from fleet.core.reports import (
    CredentialsSettled,
    ErrandUndone,
    IdTagRefused,
    PowerLimited,
    ProtocolViolated,
    RequestRefused,
)


@pytest.fixture
def log() -> Iterator[Log]:
    start_logging("warning")
    yield Log("ws://csms/CP1", verbose=False)
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def test_a_broken_rule_is_one_line_without_what_is_secret(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    log.report("CP1", ProtocolViolated("wrong-shape", """got '{"AuthorizationKey":"s3cret"}'""", 1.0))
    log.report("CP1", ProtocolViolated("clock-skew", "its clock is 60.0 s fast", 2.0))
    first, second = capsys.readouterr().err.splitlines()
    assert "CP1 CSMS breaks a rule: wrong-shape: " in first
    assert "s3cret" not in first
    assert second.endswith("CP1 CSMS breaks a rule: clock-skew: its clock is 60.0 s fast")


def test_which_credentials_it_is_let_in_with_is_told(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logger.setLevel(logging.INFO)
    log.report("CP1", CredentialsSettled(1.0, 2, adopted=True))
    log.report("CP1", CredentialsSettled(2.0, 2, adopted=False))
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("CP1 let in with the new credentials, security profile 2")
    assert second.endswith("CP1 not let in with the new credentials: keeps the old, security profile 2")


def test_an_id_tag_that_is_refused_is_told_with_the_reason(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logger.setLevel(logging.INFO)
    log.report("CP1", IdTagRefused(1, 1.0, "TAG2", "Blocked"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("CP1/1 id tag TAG2 refused: Blocked")


def test_why_a_file_was_not_moved_is_told(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logger.setLevel(logging.INFO)
    log.report("CP1", ErrandUndone("download of firmware", "the server answered 404 Not Found", 1.0))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("WARNING CP1 download of firmware failed: the server answered 404 Not Found")


def test_what_limits_the_power_and_why_a_profile_was_refused_is_told(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.setLevel(logging.INFO)
    log.report("CP1", PowerLimited(2, 1.0, 3_680.0))
    log.report("CP1", PowerLimited(2, 2.0, None))
    log.report("CP1", RequestRefused("SetChargingProfile", "a schedule needs at least one period", 3.0))
    limited, free, refused = capsys.readouterr().err.splitlines()
    assert limited.endswith("CP1/2 limited to 3.68 kW by charging profiles")
    assert free.endswith("CP1/2 limited by no charging profile any more")
    assert refused.endswith("CP1 SetChargingProfile refused: a schedule needs at least one period")
