"""The keys of one charge point: read, changed, refused, remembered, and shared where nothing is changed."""

from types import MappingProxyType

import pytest

from fleet.core import keys
from fleet.core.configuration import Configuration, settled
from fleet.core.keys import EVERY, Key, Kind
from fleet.core.orders import ConnectorSettings
from fleet.words import ConfigurationStatus, Measurand, Phase

ACCEPTED, REJECTED = ConfigurationStatus.ACCEPTED, ConfigurationStatus.REJECTED
SOME = "Energy.Active.Import.Register,Power.Active.Import,SoC"

# A value of each kind that isn't the default, and one that is never right.
GOOD = {
    Kind.INTEGER: "7",
    Kind.MEASURANDS: "Power.Active.Import,Voltage.L1",
    Kind.PHASE_ROTATION: "1.RTS",
    Kind.PROFILES: "Core,Reservation",
    Kind.PROTOCOLS: "HTTPS",
    Kind.RATES: "Power",
    Kind.TEXT: "sixteen characters and more",
}
BAD = {
    Kind.BOOLEAN: "maybe",
    Kind.INTEGER: "-1",
    Kind.MEASURANDS: "Speed",
    Kind.PHASE_ROTATION: "1.XYZ",
    Kind.TEXT: "a\nb",
}


def good(key: Key) -> str:
    """A valid value for the key that differs from its default."""
    if key.name == "SecurityProfile":
        return "2"
    return GOOD.get(key.kind) or ("false" if key.default == "true" else "true")


@pytest.mark.parametrize("key", EVERY, ids=lambda key: key.name)
def test_every_key_is_readable(key: Key) -> None:
    configuration = Configuration({}, {})
    known, unknown = configuration.items([key.name])
    assert known == [(key.name, key.readonly, None if key.write_only else key.default)]
    assert unknown == []
    assert configuration.get(key.name) == configuration.get(key.name.upper()) == key.default


@pytest.mark.parametrize("key", [key for key in EVERY if not key.readonly], ids=lambda key: key.name)
def test_every_writable_key_takes_a_good_value_and_refuses_a_bad_one(key: Key) -> None:
    memory: dict[str, str] = {}
    configuration = Configuration({}, memory)
    assert configuration.change(key.name, BAD.get(key.kind, "")) is REJECTED
    assert (configuration.get(key.name), memory) == (key.default, {})
    assert configuration.change(key.name.lower(), good(key)) is ACCEPTED
    assert configuration.get(key.name) == good(key)
    assert memory == {key.name: good(key)}


@pytest.mark.parametrize("key", [key for key in EVERY if key.readonly], ids=lambda key: key.name)
def test_no_read_only_key_is_written_by_the_csms_but_all_are_from_inside(key: Key) -> None:
    configuration = Configuration({}, {})
    assert configuration.change(key.name, good(key)) is REJECTED
    assert configuration.get(key.name) == key.default
    configuration.set(key.name, good(key))
    assert configuration.get(key.name) == good(key)


def test_an_unknown_key_is_not_supported() -> None:
    memory: dict[str, str] = {}
    assert Configuration({}, memory).change("Colour", "green") is ConfigurationStatus.NOT_SUPPORTED
    assert Configuration({}, memory).get("Colour") is None
    assert memory == {}


def test_a_key_that_needs_a_reboot_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    key = Key(6, "ConnectionTimeOut", Kind.INTEGER, "60", reboot_required=True)
    monkeypatch.setattr(keys, "KEYS", {key.name: key})
    assert Configuration({}, {}).change("ConnectionTimeOut", "30") is ConfigurationStatus.REBOOT_REQUIRED


def test_setting_from_inside_raises_one_clear_line() -> None:
    configuration = Configuration({}, {})
    with pytest.raises(ValueError, match=r"^HeartbeatInterval: expected a whole number from 0 to 2147483647, not 'x'$"):
        configuration.set("heartbeatinterval", "x")
    with pytest.raises(ValueError, match=r"^HeartbeatIntervall: no such .* did you mean HeartbeatInterval\?$"):
        configuration.set("HeartbeatIntervall", "1")


# ---- GetConfiguration ----


@pytest.mark.parametrize("names", [None, [], ()])
def test_no_names_means_all_keys_in_the_specifications_order(names: list[str] | None) -> None:
    known, unknown = Configuration({}, {}, connectors=2).items(names)
    assert [name for name, _, _ in known] == [key.name for key in EVERY if key.name != "AuthorizationKey"]
    assert unknown == []


def test_a_secret_is_known_but_never_told() -> None:
    configuration = Configuration({}, {})
    assert configuration.change("AuthorizationKey", "a-secret-of-its-own") is ACCEPTED
    assert configuration.items(["authorizationkey"]) == ([("AuthorizationKey", False, None)], [])
    assert "a-secret-of-its-own" not in repr(configuration.items())
    assert configuration.authorization_key == "a-secret-of-its-own"


@pytest.mark.parametrize("value", ["fifteen-letters", "x" * 41, "", "sixteen-and\x00more"])
def test_a_secret_that_is_no_good_is_refused_without_being_shown(value: str) -> None:
    configuration = Configuration({}, {})
    assert configuration.change("AuthorizationKey", value) is REJECTED
    with pytest.raises(ValueError, match=r"^AuthorizationKey: expected ") as error:
        configuration.set("AuthorizationKey", value)
    assert not value or value not in str(error.value)


def test_unknown_names_are_given_back_as_they_came() -> None:
    known, unknown = Configuration({}, {}).items(["colour", "HEARTBEATINTERVAL", "Size", "HeartbeatInterval", "Size"])
    assert known == [("HeartbeatInterval", False, "60")]
    assert unknown == ["colour", "Size"]


def test_no_more_keys_are_answered_than_the_key_for_it_says() -> None:
    configuration = Configuration({"GetConfigurationMaxKeys": "2"}, {})
    known, unknown = configuration.items(["A", "HeartbeatInterval", "ResetRetries", "B"])
    assert ([name for name, _, _ in known], unknown) == (["HeartbeatInterval"], ["A"])


# ---- layers ----


def test_a_change_beats_the_plan_and_the_plan_beats_the_default() -> None:
    configuration = Configuration({"HeartbeatInterval": "300", "ResetRetries": "5"}, {"HeartbeatInterval": "10"})
    assert configuration.heartbeat_interval_s == 10
    assert configuration.reset_retries == 5
    assert configuration.connection_timeout_s == 60


def test_changes_outlive_a_reboot() -> None:
    memory: dict[str, str] = {}
    Configuration({}, memory).change("ConnectionTimeOut", "17")
    assert Configuration({}, memory).connection_timeout_s == 17


def test_changing_back_leaves_no_change_behind() -> None:
    memory: dict[str, str] = {}
    configuration = Configuration({"HeartbeatInterval": "300"}, memory)
    assert configuration.change("HeartbeatInterval", "10") is ACCEPTED
    assert configuration.change("HeartbeatInterval", "0300") is ACCEPTED
    assert (configuration.heartbeat_interval_s, memory) == (300, {})


def test_alike_charge_points_share_all_but_their_changes() -> None:
    overrides = MappingProxyType({"meterValueSampleInterval": "5", "MeterValuesSampledData": SOME})
    assert settled(overrides, 2) is settled(dict(overrides), 2)
    assert settled(overrides, 2) is not settled(overrides, 3)
    one, other = Configuration(overrides, {}, 2), Configuration(overrides, {}, 2)
    assert one.connector_settings() is other.connector_settings()
    one.change("MinimumStatusDuration", "3")
    assert other.connector_settings() == ConnectorSettings(
        sample_interval_s=5,
        sampled_data=(
            (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None),
            (Measurand.POWER_ACTIVE_IMPORT, None),
            (Measurand.SOC, None),
        ),
    )


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"HeartbeatIntervall": "1"}, "HeartbeatIntervall: no such .*; did you mean HeartbeatInterval"),
        ({"HeartbeatInterval": "soon"}, "HeartbeatInterval: expected a whole number"),
        ({"HeartbeatInterval": "1", "heartbeatinterval": "2"}, "HeartbeatInterval: expected once"),
        (
            {"MeterValuesSampledData": SOME, "MeterValuesSampledDataMaxLength": "2"},
            r"Data: expected at most 2 items \(",
        ),
        ({"ConnectorPhaseRotation": "3.RST"}, "ConnectorPhaseRotation: expected connectors from 0 to 2, not '3.RST'"),
        ({"NumberOfConnectors": "3"}, "NumberOfConnectors: expected 2, .*, not '3': set 'connectors'"),
    ],
)
def test_a_wrong_override_is_one_clear_line(overrides: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        Configuration(overrides, {}, 2)
    assert "\n" not in str(raised.value)


# ---- what depends on other keys and on the charge point ----


def test_the_number_of_connectors_may_be_said_again_as_it_is() -> None:
    assert Configuration({"numberofconnectors": "02"}, {}, 2).number_of_connectors == 2


@pytest.mark.parametrize("connectors", [1, 2, 12, 400])
def test_the_number_of_connectors_is_told_and_each_has_a_rotation(connectors: int) -> None:
    configuration = Configuration({}, {}, connectors)
    assert configuration.number_of_connectors == connectors
    rotation = configuration.get("ConnectorPhaseRotation")
    assert rotation is not None
    assert rotation.startswith("0.Unknown,1.Unknown")
    assert len(rotation) <= 500
    assert configuration.change("ConnectorPhaseRotation", rotation) is ACCEPTED
    assert configuration.change("ConnectorPhaseRotation", f"{connectors}.RST") is ACCEPTED
    assert configuration.change("ConnectorPhaseRotation", f"{connectors + 1}.RST") is REJECTED


def test_a_list_longer_than_its_max_length_is_rejected_as_a_whole() -> None:
    configuration = Configuration({"MeterValuesSampledDataMaxLength": "2"}, {})
    assert configuration.change("MeterValuesSampledData", SOME) is REJECTED
    assert configuration.change("MeterValuesAlignedData", SOME) is ACCEPTED
    assert configuration.change("MeterValuesSampledData", "SoC,Voltage") is ACCEPTED


def test_one_measurand_that_cannot_be_measured_rejects_the_list_as_a_whole() -> None:
    configuration = Configuration({}, {})
    assert configuration.change("MeterValuesSampledData", "SoC,Energy.Reactive.Import.Register") is REJECTED
    assert configuration.get("MeterValuesSampledData") == "Energy.Active.Import.Register"


# ---- as values ----


def test_the_default_connector_settings_are_those_of_the_orders() -> None:
    assert Configuration({}, {}).connector_settings() == ConnectorSettings()


def test_every_key_that_a_connector_obeys_reaches_its_settings() -> None:
    configuration = Configuration({}, {})
    for name, value in {
        "ConnectionTimeOut": "1",
        "MeterValueSampleInterval": "2",
        "MeterValuesSampledData": "Voltage.L1",
        "MeterValuesAlignedData": "SoC",
        "StopTxnSampledData": "Frequency",
        "StopTxnAlignedData": "Temperature",
        "StopTransactionOnEVSideDisconnect": "false",
        "UnlockConnectorOnEVSideDisconnect": "false",
        "MinimumStatusDuration": "3",
    }.items():
        assert configuration.change(name, value) is ACCEPTED
    assert configuration.connector_settings() == ConnectorSettings(
        connection_timeout_s=1,
        sample_interval_s=2,
        sampled_data=((Measurand.VOLTAGE, Phase.L1),),
        aligned_data=((Measurand.SOC, None),),
        stop_sampled_data=((Measurand.FREQUENCY, None),),
        stop_aligned_data=((Measurand.TEMPERATURE, None),),
        stop_on_ev_side_disconnect=False,
        unlock_on_ev_side_disconnect=False,
        minimum_status_duration_s=3,
    )


PROPERTIES = {
    "AllowOfflineTxForUnknownId": "allow_offline_tx_for_unknown_id",
    "AuthorizationCacheEnabled": "authorization_cache_enabled",
    "AuthorizeRemoteTxRequests": "authorize_remote_tx_requests",
    "ClockAlignedDataInterval": "clock_aligned_data_interval_s",
    "ConnectionTimeOut": "connection_timeout_s",
    "GetConfigurationMaxKeys": "get_configuration_max_keys",
    "HeartbeatInterval": "heartbeat_interval_s",
    "LocalAuthorizeOffline": "local_authorize_offline",
    "LocalPreAuthorize": "local_pre_authorize",
    "MaxEnergyOnInvalidId": "max_energy_on_invalid_id_wh",
    "NumberOfConnectors": "number_of_connectors",
    "ResetRetries": "reset_retries",
    "StopTransactionOnInvalidId": "stop_transaction_on_invalid_id",
    "TransactionMessageAttempts": "transaction_message_attempts",
    "TransactionMessageRetryInterval": "transaction_message_retry_interval_s",
    "WebSocketPingInterval": "websocket_ping_interval_s",
}


@pytest.mark.parametrize(("name", "attribute"), PROPERTIES.items())
def test_a_change_is_seen_by_the_machines_at_once(name: str, attribute: str) -> None:
    configuration = Configuration({}, {})
    key = keys.KEYS[name]
    for value in (key.default, good(key)):
        configuration.set(name, value)
        assert getattr(configuration, attribute) == (int(value) if key.kind is Kind.INTEGER else value == "true")
