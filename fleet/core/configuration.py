"""The configuration of one charge point: what its keys are worth now (OCPP 1.6 sections 5.3, 5.8 and 9).

Three layers, the first that knows a key wins: what was changed while it ran, by the CSMS or from inside; what the plan
says; the defaults. The last two are settled once for all charge points that are alike, and shared; only the changes are
a charge point's own. They lie in its memory, so that they outlive a reboot.

Keys are text for the CSMS and values for the machines: the properties below are the second view, read afresh at each
use, so that a change has effect at once.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from fleet.core.keys import EVERY, KEYS, Key, Kind, find, items, measurands, normal, unknown, validate
from fleet.core.orders import ConnectorSettings
from fleet.core.profile_store import Capabilities
from fleet.core.profiles import RateUnit
from fleet.words import ConfigurationStatus

__all__ = ["Configuration", "KeyValue", "settled", "validate"]

# As many connectors as fit the 500 characters of a value, in "NN.Unknown,".
_ROTATIONS_MAX = 45
_MAX_LENGTH = "MaxLength"


class KeyValue(NamedTuple):
    """One key in a GetConfiguration.conf (OCPP 1.6 section 7.29); a secret has no value there."""

    name: str
    readonly: bool
    value: str | None


class Configuration:
    """The keys of one charge point.

    `overrides` is the plan's share: names and values that differ from the defaults; one that is wrong raises ValueError
    (`validate` and `settled` find it earlier). `memory` holds the changes and is written to; `connectors` is how many
    the charge point has.
    """

    __slots__ = ("_changes", "_settled")

    def __init__(self, overrides: Mapping[str, str], memory: MutableMapping[str, str], connectors: int = 1) -> None:
        self._settled = settled(overrides, connectors)
        self._changes = memory

    # ---- as text ----

    def get(self, name: str) -> str | None:
        """The value of a key, None if there is no such key. For machines: it tells secrets too."""
        key = find(name)
        return None if key is None else self._text(key.name)

    def change(self, name: str, value: str) -> ConfigurationStatus:
        """ChangeConfiguration.req: nothing is changed unless Accepted or RebootRequired is returned (section 5.3)."""
        key = find(name)
        if key is None:
            return ConfigurationStatus.NOT_SUPPORTED
        if key.readonly:
            return ConfigurationStatus.REJECTED
        try:
            self._write(key, value)
        except ValueError:
            return ConfigurationStatus.REJECTED
        return ConfigurationStatus.REBOOT_REQUIRED if key.reboot_required else ConfigurationStatus.ACCEPTED

    def set(self, name: str, value: str) -> None:
        """Change a key from inside, read-only ones too; ValueError with one clear line if it can't be."""
        key = find(name)
        if key is None:
            raise ValueError(f"{name}: {unknown(name)}")
        try:
            self._write(key, value)
        except ValueError as error:
            raise ValueError(f"{key.name}: {error}") from None

    def items(self, names: Iterable[str] | None = None) -> tuple[list[KeyValue], list[str]]:
        """GetConfiguration.req: the keys asked for, and the names that are none (section 5.8).

        No names, or None, means all keys, but for the secret ones: those are known, without a value, when asked for.
        Names beyond GetConfigurationMaxKeys are answered as neither known nor unknown; a name that is asked for twice
        is answered once.
        """
        asked = None if names is None else list(names)[: self.get_configuration_max_keys]
        if not asked:
            return [self._item(key) for key in EVERY if not key.write_only], []
        known: dict[str, KeyValue] = {}
        strange: dict[str, None] = {}
        for name in asked:
            key = find(name)
            if key is None:
                strange[name] = None
            else:
                known[key.name] = self._item(key)
        return list(known.values()), list(strange)

    def _item(self, key: Key) -> KeyValue:
        return KeyValue(key.name, key.readonly, None if key.write_only else self._text(key.name))

    def _text(self, name: str) -> str:
        changed = self._changes.get(name)
        return self._settled[name] if changed is None else changed

    def _write(self, key: Key, value: str) -> None:
        text = normal(key, value)
        _check_list(key, text, self._text)
        if text == self._settled[key.name]:
            self._changes.pop(key.name, None)
        else:
            # The CSMS tells thousands of charge points the same: one copy of the text is enough.
            self._changes[key.name] = sys.intern(text)

    # ---- as values ----

    def connector_settings(self) -> ConnectorSettings:
        """What a connector obeys; equal configurations give the same object."""
        return _connector_settings(
            self._text("ConnectionTimeOut"),
            self._text("MeterValueSampleInterval"),
            self._text("MeterValuesSampledData"),
            self._text("MeterValuesAlignedData"),
            self._text("StopTxnSampledData"),
            self._text("StopTxnAlignedData"),
            self._text("StopTransactionOnEVSideDisconnect"),
            self._text("UnlockConnectorOnEVSideDisconnect"),
            self._text("MinimumStatusDuration"),
        )

    @property
    def allow_offline_tx_for_unknown_id(self) -> bool:
        """Whether an id tag that nobody knows may charge while offline."""
        return self._text("AllowOfflineTxForUnknownId") == "true"

    def charging_capabilities(self) -> Capabilities:
        """What this charge point takes of charging profiles (section 9.4); equal ones are one object."""
        return _charging_capabilities(
            self._text("NumberOfConnectors"),
            self._text("ChargeProfileMaxStackLevel"),
            self._text("ChargingScheduleAllowedChargingRateUnit"),
            self._text("ChargingScheduleMaxPeriods"),
            self._text("MaxChargingProfilesInstalled"),
        )

    def supports(self, profile: str) -> bool:
        """Whether a feature profile is among SupportedFeatureProfiles."""
        return profile in items(self._text("SupportedFeatureProfiles"))

    @property
    def authorization_cache_enabled(self) -> bool:
        """Whether answers about id tags are remembered."""
        return self._text("AuthorizationCacheEnabled") == "true"

    @property
    def authorize_remote_tx_requests(self) -> bool:
        """Whether a RemoteStartTransaction asks for authorisation like a local start."""
        return self._text("AuthorizeRemoteTxRequests") == "true"

    @property
    def clock_aligned_data_interval_s(self) -> int:
        """Time between clock-aligned readings, counted from midnight; 0 means none."""
        return int(self._text("ClockAlignedDataInterval"))

    @property
    def connection_timeout_s(self) -> int:
        """How long Preparing waits for the other half, cable or id tag."""
        return int(self._text("ConnectionTimeOut"))

    @property
    def get_configuration_max_keys(self) -> int:
        """How many keys one GetConfiguration.req may ask for."""
        return int(self._text("GetConfigurationMaxKeys"))

    @property
    def heartbeat_interval_s(self) -> int:
        """Silence after which a Heartbeat is due; 0 means none."""
        return int(self._text("HeartbeatInterval"))

    @property
    def local_auth_list_enabled(self) -> bool:
        """Whether there is a local list, to be sent and to be used."""
        return self._text("LocalAuthListEnabled") == "true" and self.supports("LocalAuthListManagement")

    @property
    def local_auth_list_max_length(self) -> int:
        """How many id tags the local list may hold."""
        return int(self._text("LocalAuthListMaxLength"))

    @property
    def local_authorize_offline(self) -> bool:
        """Whether a remembered id tag may charge while offline."""
        return self._text("LocalAuthorizeOffline") == "true"

    @property
    def local_pre_authorize(self) -> bool:
        """Whether a remembered id tag may charge while online, without waiting for the CSMS."""
        return self._text("LocalPreAuthorize") == "true"

    @property
    def max_energy_on_invalid_id_wh(self) -> int:
        """What still flows once the CSMS has refused the id tag of a transaction that isn't stopped."""
        return int(self._text("MaxEnergyOnInvalidId"))

    @property
    def number_of_connectors(self) -> int:
        """How many connectors the CSMS is told of."""
        return int(self._text("NumberOfConnectors"))

    @property
    def reserve_connector_zero_supported(self) -> bool:
        """Whether any connector may be reserved, as well as a certain one."""
        return self._text("ReserveConnectorZeroSupported") == "true"

    @property
    def reset_retries(self) -> int:
        """How often an unsuccessful reset is tried again."""
        return int(self._text("ResetRetries"))

    @property
    def security_profile(self) -> int:
        """With which security profile it connects, 0 to 3."""
        return int(self._text("SecurityProfile"))

    @property
    def authorization_key(self) -> str | None:
        """The password of HTTP basic authentication; None is the one that the charge point was put up with."""
        return self._text("AuthorizationKey") or None

    @property
    def send_local_list_max_length(self) -> int:
        """How many id tags one SendLocalList.req may hold."""
        return int(self._text("SendLocalListMaxLength"))

    @property
    def stop_transaction_on_invalid_id(self) -> bool:
        """Whether a transaction ends when the CSMS refuses its id tag."""
        return self._text("StopTransactionOnInvalidId") == "true"

    @property
    def transaction_message_attempts(self) -> int:
        """How often a transaction message is submitted before it's given up."""
        return int(self._text("TransactionMessageAttempts"))

    @property
    def transaction_message_retry_interval_s(self) -> int:
        """The wait before a resubmission, times the submissions so far (section 3.7.1)."""
        return int(self._text("TransactionMessageRetryInterval"))

    @property
    def websocket_ping_interval_s(self) -> int:
        """Time between WebSocket pings; 0 means none."""
        return int(self._text("WebSocketPingInterval"))


def settled(overrides: Mapping[str, str], connectors: int = 1) -> Mapping[str, str]:
    """Every key with its value before anybody changes anything; equal arguments share one mapping.

    Raises ValueError, one line naming the key: unknown, bad value, twice in two spellings, another number of connectors
    than there are, a list longer than its MaxLength key allows, the phase rotation of a connector that isn't there.
    """
    return _settled(frozenset(overrides.items()), connectors)


@lru_cache(maxsize=256)
def _settled(overrides: frozenset[tuple[str, str]], connectors: int) -> Mapping[str, str]:
    values = {key.name: key.default for key in EVERY}
    values["NumberOfConnectors"] = str(connectors)
    values["ConnectorPhaseRotation"] = ",".join(f"{n}.Unknown" for n in range(min(connectors + 1, _ROTATIONS_MAX)))
    values["ConnectorPhaseRotationMaxLength"] = str(connectors + 1)
    overridden: list[Key] = []
    # Sorted, because a set has no order of its own and the first mistake is the one reported.
    for name, value in sorted(overrides):
        key = find(name)
        if key is None:
            raise ValueError(f"{name}: {unknown(name)}")
        if key in overridden:
            raise ValueError(f"{key.name}: expected once, but it is set twice in different capitals")
        try:
            values[key.name] = sys.intern(normal(key, value))
        except ValueError as error:
            raise ValueError(f"{key.name}: {error}") from None
        overridden.append(key)
    if values["NumberOfConnectors"] != str(connectors):
        raise ValueError(
            f"NumberOfConnectors: expected {connectors}, as that many there are, not {values['NumberOfConnectors']!r}: "
            "set 'connectors' to have more or fewer"
        )
    for key in overridden:
        try:
            _check_list(key, values[key.name], values.__getitem__)
        except ValueError as error:
            raise ValueError(f"{key.name}: {error}") from None
    return MappingProxyType(values)


def _check_list(key: Key, text: str, value_of: Callable[[str], str]) -> None:
    """A list against the keys that bound it; ValueError if it's too long or speaks of a connector that isn't there."""
    length_key = key.name + _MAX_LENGTH
    if length_key not in KEYS:
        return
    listed = items(text)
    length_max = int(value_of(length_key))
    if len(listed) > length_max:
        raise ValueError(f"expected at most {length_max} items ({length_key}), not {len(listed)}")
    if key.kind is Kind.PHASE_ROTATION:
        connectors = int(value_of("NumberOfConnectors"))
        for item in listed:
            if int(item.partition(".")[0]) > connectors:
                raise ValueError(f"expected connectors from 0 to {connectors}, not {item!r}")


@lru_cache(maxsize=256)
def _connector_settings(
    connection_timeout: str,
    sample_interval: str,
    sampled_data: str,
    aligned_data: str,
    stop_sampled_data: str,
    stop_aligned_data: str,
    stop_on_ev_side_disconnect: str,
    unlock_on_ev_side_disconnect: str,
    minimum_status_duration: str,
) -> ConnectorSettings:
    return ConnectorSettings(
        connection_timeout_s=float(connection_timeout),
        sample_interval_s=float(sample_interval),
        sampled_data=measurands(sampled_data),
        aligned_data=measurands(aligned_data),
        stop_sampled_data=measurands(stop_sampled_data),
        stop_aligned_data=measurands(stop_aligned_data),
        stop_on_ev_side_disconnect=stop_on_ev_side_disconnect == "true",
        unlock_on_ev_side_disconnect=unlock_on_ev_side_disconnect == "true",
        minimum_status_duration_s=float(minimum_status_duration),
    )


@lru_cache(maxsize=256)
def _charging_capabilities(
    connectors: str, stack_level_max: str, rates: str, periods_max: str, installed_max: str
) -> Capabilities:
    units = {"Current": RateUnit.A, "Power": RateUnit.W}
    return Capabilities(
        connectors=int(connectors),
        stack_level_max=int(stack_level_max),
        units=frozenset(units[rate] for rate in items(rates)),
        periods_max=int(periods_max),
        installed_max=int(installed_max),
    )
