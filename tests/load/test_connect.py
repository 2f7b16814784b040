"""`fleet connect`'s configuration: one charge point, a complete URL, nobody who drives."""

import argparse
import math

import pytest

from fleet.errors import ConfigurationError
from fleet.link.endpoint import endpoint_url
from fleet.load.config import RunConfig
from fleet.load.connect import add_arguments, resolve, url_template
from fleet.load.planning import plans


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("url", "charge_point_id", "complete"),
    [
        ("ws://localhost:8080/ocpp/CP001", "CP001", "ws://localhost:8080/ocpp/CP001"),
        ("ws://localhost:8080/ocpp", "CP001", "ws://localhost:8080/ocpp/CP001"),
        ("ws://localhost:8080/ocpp/", "CP001", "ws://localhost:8080/ocpp/CP001"),
        ("ws://localhost:8080", "CP001", "ws://localhost:8080/CP001"),
        ("ws://h/{id}/ocpp", "CP001", "ws://h/CP001/ocpp"),
        ("wss://h/ocpp/CP%20001", "CP 001", "wss://h/ocpp/CP%20001"),
        ("ws://h/ocpp/CP001?token=x", "CP001", "ws://h/ocpp/CP001?token=x"),
        ("ws://h/ocpp/XCP001", "CP001", "ws://h/ocpp/XCP001/CP001"),
        ("ws://CP001:secret@h/CP001", "CP001", "ws://CP001:secret@h/CP001"),
    ],
)
def test_an_id_that_the_url_ends_in_already_is_not_appended(url: str, charge_point_id: str, complete: str) -> None:
    assert endpoint_url(url_template(url, charge_point_id), charge_point_id) == complete


def test_the_defaults_are_the_seeds() -> None:
    config = resolve(parsed())
    (plan,) = plans(config)
    assert (plan.id, len(plan.connectors)) == ("CP001", 2)
    assert config.csms.url is not None
    assert endpoint_url(config.csms.url, plan.id) == "ws://localhost:8080/ocpp/CP001"
    assert config.drivers.arrivals_per_s == 0
    assert plan.connectors[0].power_max_w == 7_200


def test_at_its_menu_a_cable_that_stays_in_counts_as_preparing_after_two_seconds() -> None:
    (plan,) = plans(resolve(parsed("--interactive")))
    assert {connector.finishing_s for connector in plan.connectors} == {2}


def test_driven_by_a_tool_it_is_finishing_until_somebody_does_something() -> None:
    (plan,) = plans(resolve(parsed()))
    assert {connector.finishing_s for connector in plan.connectors} == {math.inf}


def test_how_long_it_may_take_to_leave_is_for_whoever_runs_it_to_say() -> None:
    assert resolve(parsed()).grace_s == RunConfig().grace_s
    assert resolve(parsed("--grace", "2s")).grace_s == 2


def test_it_comes_back_within_seconds_however_long_its_csms_was_away() -> None:
    assert resolve(parsed()).csms.backoff_max_s <= 3


def test_another_id_has_the_default_url_with_that_id() -> None:
    config = resolve(parsed("--id", "MY_CHARGE_POINT", "--connectors", "4", "--set", "HeartbeatInterval=30"))
    (plan,) = plans(config)
    assert (plan.id, len(plan.connectors)) == ("MY_CHARGE_POINT", 4)
    assert endpoint_url(str(config.csms.url), plan.id) == "ws://localhost:8080/ocpp/MY_CHARGE_POINT"
    assert plan.configuration == {"HeartbeatInterval": "30"}


def test_its_cables_may_be_fixed() -> None:
    for arguments, fixed in (((), False), (("--fixed-cable",), True)):
        (plan,) = plans(resolve(parsed(*arguments)))
        assert {connector.fixed_cable for connector in plan.connectors} == {fixed}


def test_its_cables_may_stay_in_for_longer_before_another_transaction_is_thought_of() -> None:
    (plan,) = plans(resolve(parsed("--finishing", "10m")))
    assert {connector.finishing_s for connector in plan.connectors} == {600}


def test_braces_in_an_id_are_its_own() -> None:
    (plan,) = plans(resolve(parsed("--id", "a{}b{0}")))
    assert plan.id == "a{}b{0}"


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ConfigurationError):
        resolve(parsed("--set", "ConnectorPhaseRotation=9.RST"))
