"""OCPP 1.6's words for the house's; only the dialects, of all the core, know the messages of a protocol version.

Stateless: one instance serves the whole fleet. What the Core profile says is here; the other profiles have modules of
their own beside this one, of which `Dialect16` is made. What of all this a charge point serves is `SERVED`.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from fleet.core.answers import (
    Acknowledged,
    AvailabilityWanted,
    Booted,
    CacheClearing,
    CentralAnswer,
    CentralRequest,
    DataReceived,
    IdTagJudged,
    KeyChange,
    KeysWanted,
    RemoteStart,
    RemoteStop,
    ResetWanted,
    TimeTold,
    TransactionAccepted,
    TransactionClosed,
    UnlockWanted,
)
from fleet.core.dialect import Said
from fleet.core.dialects import v16_charging, v16_firmware, v16_local, v16_security
from fleet.core.dialects.v16_values import id_tag_info, instant, yes_or_no
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import Reading, SampledValue, StatusChanged, TransactionStarted, TransactionStopped
from fleet.ocpp import v16, v16_types
from fleet.ocpp.converter import unstructure
from fleet.ocpp.errors import PayloadError
from fleet.words import (
    AvailabilityStatus,
    ConfigurationStatus,
    DataTransferStatus,
    Location,
    Measurand,
    ReadingContext,
    Unit,
    UnlockStatus,
)

_UNITS = {
    Measurand.CURRENT_EXPORT: Unit.A,
    Measurand.CURRENT_IMPORT: Unit.A,
    Measurand.CURRENT_OFFERED: Unit.A,
    Measurand.ENERGY_ACTIVE_EXPORT_REGISTER: Unit.WH,
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: Unit.WH,
    Measurand.ENERGY_ACTIVE_EXPORT_INTERVAL: Unit.WH,
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: Unit.WH,
    Measurand.POWER_ACTIVE_EXPORT: Unit.W,
    Measurand.POWER_ACTIVE_IMPORT: Unit.W,
    Measurand.POWER_OFFERED: Unit.W,
    Measurand.SOC: Unit.PERCENT,
    Measurand.TEMPERATURE: Unit.CELSIUS,
    Measurand.VOLTAGE: Unit.V,
}
"""Frequency and Power.Factor have no unit in OCPP 1.6 (section 7.45), so none is named for them."""
_LOCATIONS = {Measurand.SOC: Location.EV, Measurand.TEMPERATURE: Location.BODY}

SERVED = frozenset(
    {
        # Core
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "DataTransfer",
        "GetConfiguration",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "Reset",
        "UnlockConnector",
        # Firmware management
        "GetDiagnostics",
        "UpdateFirmware",
        # LocalAuthListManagement
        "GetLocalListVersion",
        "SendLocalList",
        # RemoteTrigger
        "ExtendedTriggerMessage",
        "TriggerMessage",
        # Reservation
        "CancelReservation",
        "ReserveNow",
        # Smart charging
        "ClearChargingProfile",
        "GetCompositeSchedule",
        "SetChargingProfile",
        # Security extension
        "CertificateSigned",
        "DeleteCertificate",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "SignedUpdateFirmware",
    }
)
"""The actions that `fleet.core.service` and the modules beside it have an answer to.

Of the others that OCPP 1.6 knows, the CSMS hears NotSupported.
"""


_OTHER_ANSWERS: tuple[Callable[[object], CentralAnswer | None], ...] = (v16_firmware.answer, v16_security.answer)
_OTHER_REQUESTS: tuple[Callable[[object], CentralRequest | None], ...] = (
    v16_charging.request,
    v16_firmware.request,
    v16_local.request,
    v16_security.request,
)
_ACKNOWLEDGED = Acknowledged()
_HEARTBEAT = v16.HeartbeatRequest()


class Dialect16(
    v16_charging.SmartCharging16, v16_firmware.Firmware16, v16_local.LocalProfiles16, v16_security.Security16
):
    """OCPP 1.6 edition 2, JSON, with its security extension."""

    subprotocol = "ocpp1.6"
    catalogue = v16.CATALOGUE.serving(SERVED)
    actions = tuple(sorted(v16.CATALOGUE.names))
    """Every action's name, for whoever wants to offer them."""

    # ---- what the charge point says ----------------------------------------------------------------------------------

    def boot(self, plan: ChargePointPlan) -> Said:
        return "BootNotification", unstructure(
            v16.BootNotificationRequest(
                charge_point_vendor=plan.vendor,
                charge_point_model=plan.model,
                charge_point_serial_number=plan.serial_number,
                firmware_version=plan.firmware_version,
            )
        )

    def heartbeat(self) -> Said:
        return "Heartbeat", unstructure(_HEARTBEAT)

    def authorize(self, id_tag: str) -> Said:
        return "Authorize", unstructure(v16.AuthorizeRequest(id_tag))

    def status(self, report: StatusChanged, utc_s: float) -> Said:
        return "StatusNotification", unstructure(
            v16.StatusNotificationRequest(
                connector_id=report.connector,
                error_code=report.error_code,
                status=report.status,
                info=report.info,
                timestamp=instant(utc_s),
                vendor_error_code=report.vendor_error_code,
            )
        )

    def transaction_started(self, report: TransactionStarted, utc_s: float, reservation_id: int | None = None) -> Said:
        return "StartTransaction", unstructure(
            v16.StartTransactionRequest(
                connector_id=report.connector,
                id_tag=report.id_tag,
                meter_start=report.meter_start_wh,
                timestamp=instant(utc_s),
                reservation_id=reservation_id,
            )
        )

    def transaction_stopped(self, report: TransactionStopped, utc: Callable[[float], float]) -> Said:
        """The transaction id is left to the outbox, which knows it when the message goes out."""
        data = tuple(_meter_value(reading, utc(reading.at)) for reading in report.readings)
        said = unstructure(
            v16.StopTransactionRequest(
                meter_stop=report.meter_stop_wh,
                timestamp=instant(utc(report.at)),
                transaction_id=0,
                id_tag=report.id_tag,
                reason=report.reason,
                transaction_data=data or None,
            )
        )
        del said["transactionId"]
        return "StopTransaction", said

    def meter_values(self, connector: int, reading: Reading, utc_s: float) -> Said:
        """The transaction id, where there is one, is left to the outbox."""
        request = v16.MeterValuesRequest(connector, (_meter_value(reading, utc_s),))
        return "MeterValues", unstructure(request)

    def data_transfer(self, vendor_id: str, message_id: str | None, data: str | None) -> Said:
        return "DataTransfer", unstructure(v16.DataTransferRequest(vendor_id, message_id, data))

    def mistake(self, action: str, payload: dict[str, Any]) -> str | None:
        """Checked against the requests that are a charge point's to send."""
        served = v16.CENTRAL_CATALOGUE.served
        if action not in served:
            if action in v16.CATALOGUE.served:
                return f"{action} is for the CSMS to send"
            near = difflib.get_close_matches(action, served, n=1)
            return f"no action {action[:50]!r} in OCPP 1.6" + (f"; did you mean {near[0]}?" if near else "")
        try:
            v16.CENTRAL_CATALOGUE.request(action, payload)
        except PayloadError as error:
            return f"{action}: {error.description}"
        return None

    # ---- what the CSMS says ------------------------------------------------------------------------------------------

    def answer(self, response: object) -> CentralAnswer:
        match response:
            case v16.MeterValuesResponse() | v16.StatusNotificationResponse() | v16.DataTransferResponse():
                return _ACKNOWLEDGED
            case v16.HeartbeatResponse(current_time=current_time):
                return TimeTold(current_time.timestamp())
            case v16.AuthorizeResponse(id_tag_info=info):
                return IdTagJudged(id_tag_info(info))
            case v16.StartTransactionResponse(id_tag_info=info, transaction_id=transaction_id):
                return TransactionAccepted(transaction_id, id_tag_info(info))
            case v16.StopTransactionResponse(id_tag_info=info_or_none):
                return TransactionClosed(None if info_or_none is None else id_tag_info(info_or_none))
            case v16.BootNotificationResponse(status=status, current_time=current_time, interval=interval_s):
                return Booted(status, interval_s, current_time.timestamp())
            case _:
                for read in _OTHER_ANSWERS:
                    made = read(response)
                    if made is not None:
                        return made
                raise TypeError(f"no answer to a charge point: {response!r}")

    def request(self, request: object) -> CentralRequest:
        match request:
            case v16.RemoteStartTransactionRequest():
                given = request.charging_profile
                profile = None if given is None else v16_charging.profile(given)
                return RemoteStart(request.id_tag, request.connector_id, profile)
            case v16.RemoteStopTransactionRequest():
                return RemoteStop(request.transaction_id)
            case v16.ChangeAvailabilityRequest():
                return AvailabilityWanted(request.connector_id, request.type)
            case v16.ChangeConfigurationRequest():
                return KeyChange(request.key, request.value)
            case v16.GetConfigurationRequest():
                return KeysWanted(request.key or ())
            case v16.ClearCacheRequest():
                return CacheClearing()
            case v16.ResetRequest():
                return ResetWanted(request.type)
            case v16.UnlockConnectorRequest():
                return UnlockWanted(request.connector_id)
            case v16.DataTransferRequest():
                return DataReceived(request.vendor_id, request.message_id, request.data)
            case _:
                for read in _OTHER_REQUESTS:
                    made = read(request)
                    if made is not None:
                        return made
                raise TypeError(f"no request to a charge point: {request!r}")

    # ---- what the charge point answers -------------------------------------------------------------------------------

    def remote_start_response(self, accepted: bool) -> object:
        return v16.RemoteStartTransactionResponse(yes_or_no(accepted))

    def remote_stop_response(self, accepted: bool) -> object:
        return v16.RemoteStopTransactionResponse(yes_or_no(accepted))

    def availability_response(self, status: AvailabilityStatus) -> object:
        return v16.ChangeAvailabilityResponse(status)

    def key_change_response(self, status: ConfigurationStatus) -> object:
        return v16.ChangeConfigurationResponse(status)

    def keys_response(self, known: Sequence[tuple[str, bool, str | None]], unknown: Sequence[str]) -> object:
        return v16.GetConfigurationResponse(
            configuration_key=tuple(v16_types.KeyValue(key, readonly, value) for key, readonly, value in known),
            unknown_key=tuple(unknown) or None,
        )

    def cache_response(self, accepted: bool) -> object:
        return v16.ClearCacheResponse(yes_or_no(accepted))

    def reset_response(self, accepted: bool) -> object:
        return v16.ResetResponse(yes_or_no(accepted))

    def unlock_response(self, status: UnlockStatus) -> object:
        return v16.UnlockConnectorResponse(status)

    def transfer_response(self, status: DataTransferStatus) -> object:
        return v16.DataTransferResponse(status)


def _meter_value(reading: Reading, utc_s: float) -> v16_types.MeterValue:
    context = reading.context
    return v16_types.MeterValue(instant(utc_s), tuple(_sampled_value(value, context) for value in reading.values))


def _sampled_value(sampled: SampledValue, context: ReadingContext) -> v16_types.SampledValue:
    measurand = sampled.measurand
    value = sampled.value
    return v16_types.SampledValue(
        value=str(int(value)) if value.is_integer() else f"{value:.3f}",
        context=context,
        measurand=measurand,
        phase=sampled.phase,
        location=_LOCATIONS.get(measurand),
        unit=_UNITS.get(measurand),
    )
