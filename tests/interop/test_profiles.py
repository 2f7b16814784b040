"""Each profile beyond Core and Smart Charging, and the security extension, step by step with a CSMS by other hands.

One run of the fleet serves all tests of this module; nobody comes to charge, and each test has a charge point to
itself. What is said passes the JSON schemas of the `ocpp` package; files come from and go to servers of the test.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from counterparts.file_servers import PASSWORD, URL_USER, WebServer, ftp_server, web_server
from counterparts.fleet_run import FleetRun
from counterparts.orders import Orders, Refused
from counterparts.pki import root
from counterparts.process import Counterpart
from counterparts.wire import Call, Wire

CONFIGURATION = Path(__file__).with_name("profiles.toml")
CHARGE_POINTS = [f"CP{number:04}" for number in range(1, 13)]
INTERRUPTED = 105
DRAIN_TIMEOUT_S = 60.0
FIRMWARE = b"Firmware-Version: 2\n\nbits"


@define(eq=False)
class Site:
    """What there is to act with and to look at."""

    orders: Orders
    wire: Wire
    files: WebServer
    ftp_folder: Path
    ftp_port: int
    _unused: Iterator[str] = field(factory=lambda: iter(CHARGE_POINTS))

    def take(self) -> "Place":
        """A charge point for one test alone."""
        return Place(self, next(self._unused))


@define(eq=False)
class Place:
    """One charge point, as its CSMS has it."""

    site: Site
    name: str
    mark: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.mark = self.site.wire.mark

    def ask(self, action: str, **payload: Any) -> dict[str, Any]:
        """The payload of the answer."""
        return self.site.orders.ask(self.name, action, **payload)

    def status(self, action: str, **payload: Any) -> str:
        """The status that is the answer."""
        return str(self.ask(action, **payload)["status"])

    def hears(self, action: str, **payload: Any) -> Call:
        """The next such CALL; those before it are passed over from now on."""

        def next_one() -> Call | None:
            return next(iter(self.site.wire.said(self.name, action, self.mark, **payload)), None)

        call = self.site.wire.until(next_one, f"{action} {payload} of {self.name}", 20.0)
        self.mark = call.number
        return call

    def is_in(self, connector: int, status: str) -> None:
        """Wait until a connector has told this status."""
        wire = self.site.wire
        wire.until(lambda: wire.statuses[self.name, connector] == status, f"{self.name}/{connector} {status}", 20.0)


def in_s(seconds: float) -> str:
    """A timestamp."""
    instant = datetime.now(UTC) + timedelta(seconds=seconds)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The run; when all tests are through it is interrupted, and has to have broken no rule."""
    folder, ftp_folder = tmp_path_factory.mktemp("profiles"), tmp_path_factory.mktemp("ftp")
    counterpart = Counterpart(folder)
    orders = Orders(counterpart)
    try:
        with (
            web_server() as files,
            ftp_server(ftp_folder) as ftp_port,
            FleetRun(CONFIGURATION, counterpart) as run,
        ):
            files.files["/firmware.bin"] = FIRMWARE
            wire = Wire(folder / "frames.jsonl", run)
            wire.until(lambda: len(wire.statuses) == 3 * len(CHARGE_POINTS), "everybody booted")
            yield Site(orders, wire, files, ftp_folder, ftp_port)
            exit_code = run.interrupt(DRAIN_TIMEOUT_S)
            assert exit_code == INTERRUPTED, run.all_said
            assert counterpart.lines("log") == []
    finally:
        orders.close()
        counterpart.end()


# ---- local authorisation list ----------------------------------------------------------------------------------------


def test_a_local_list_is_sent_changed_and_emptied(site: Site) -> None:
    here = site.take()
    accepted = {"status": "Accepted"}
    assert here.ask("GetLocalListVersion") == {"listVersion": 0}
    entries = [{"idTag": "ONE", "idTagInfo": accepted}, {"idTag": "TWO", "idTagInfo": accepted | {"parentIdTag": "P"}}]
    full = {"updateType": "Full", "localAuthorizationList": entries}
    assert here.status("SendLocalList", listVersion=3, **full) == "Accepted"
    assert here.ask("GetLocalListVersion") == {"listVersion": 3}
    change = {"updateType": "Differential", "localAuthorizationList": [{"idTag": "ONE"}]}
    assert here.status("SendLocalList", listVersion=3, **change) == "VersionMismatch"
    assert here.status("SendLocalList", listVersion=4, **change) == "Accepted"
    assert here.ask("GetLocalListVersion") == {"listVersion": 4}
    twice = {"updateType": "Full", "localAuthorizationList": entries[:1] * 2}
    assert here.status("SendLocalList", listVersion=5, **twice) == "Failed"
    assert here.ask("GetLocalListVersion") == {"listVersion": 4}
    assert here.status("SendLocalList", listVersion=6, updateType="Full", localAuthorizationList=[]) == "Accepted"


# ---- reservation -----------------------------------------------------------------------------------------------------


def test_a_connector_is_reserved_until_it_is_cancelled_or_over(site: Site) -> None:
    here = site.take()
    reservation = {"connectorId": 1, "idTag": "ONE", "reservationId": 7}
    assert here.status("ReserveNow", **reservation, expiryDate=in_s(600)) == "Accepted"
    here.hears("StatusNotification", connectorId=1, status="Reserved")
    assert here.status("ReserveNow", **(reservation | {"reservationId": 8}), expiryDate=in_s(600)) == "Occupied"
    assert here.status("RemoteStartTransaction", idTag="OTHER", connectorId=1) == "Rejected"
    assert here.status("CancelReservation", reservationId=7) == "Accepted"
    here.hears("StatusNotification", connectorId=1, status="Available")
    assert here.status("CancelReservation", reservationId=7) == "Rejected"
    assert here.status("ReserveNow", **reservation, expiryDate=in_s(2)) == "Accepted"
    here.hears("StatusNotification", connectorId=1, status="Reserved")
    here.hears("StatusNotification", connectorId=1, status="Available")


# ---- remote trigger --------------------------------------------------------------------------------------------------


def test_every_message_can_be_triggered(site: Site) -> None:
    here = site.take()
    for trigger, connector, expected in (
        ("Heartbeat", None, {}),
        ("BootNotification", None, {"firmwareVersion": "1"}),
        ("StatusNotification", 2, {"connectorId": 2, "status": "Available"}),
        ("MeterValues", 1, {"connectorId": 1}),
        ("DiagnosticsStatusNotification", None, {"status": "Idle"}),
        ("FirmwareStatusNotification", None, {"status": "Idle"}),
    ):
        where = {} if connector is None else {"connectorId": connector}
        assert here.status("TriggerMessage", requestedMessage=trigger, **where) == "Accepted", trigger
        call = here.hears(trigger, **expected)
        if trigger == "MeterValues":
            (reading,) = call.payload["meterValue"]
            assert {value["context"] for value in reading["sampledValue"]} == {"Trigger"}
    assert here.status("TriggerMessage", requestedMessage="MeterValues", connectorId=99) == "Rejected"
    assert here.status("ExtendedTriggerMessage", requestedMessage="LogStatusNotification") == "Accepted"
    here.hears("LogStatusNotification", status="Idle")
    for trigger in ("Heartbeat", "BootNotification", "StatusNotification", "MeterValues"):
        assert here.status("ExtendedTriggerMessage", requestedMessage=trigger) == "Accepted", trigger
        here.hears(trigger)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_diagnostics_are_handed_in(site: Site, scheme: str) -> None:
    here = site.take()
    ftp = f"ftp://{URL_USER}127.0.0.1:{site.ftp_port}"
    answer = here.ask("GetDiagnostics", location=site.files.url if scheme == "http" else ftp)
    here.hears("DiagnosticsStatusNotification", status="Uploading")
    here.hears("DiagnosticsStatusNotification", status="Uploaded")
    name = answer["fileName"]
    content = site.files.received[f"/{name}"].decode() if scheme == "http" else (site.ftp_folder / name).read_text()
    assert here.name in content
    assert PASSWORD not in content


def test_a_log_is_handed_in_under_its_request_id(site: Site) -> None:
    here = site.take()
    log = {"remoteLocation": site.files.url}
    answer = here.ask("GetLog", logType="SecurityLog", requestId=5, log=log)
    assert answer["status"] == "Accepted"
    here.hears("LogStatusNotification", status="Uploading", requestId=5)
    here.hears("LogStatusNotification", status="Uploaded", requestId=5)
    assert f"/{answer['filename']}" in site.files.received


def test_diagnostics_that_nobody_takes_fail(site: Site) -> None:
    here = site.take()
    here.ask("GetDiagnostics", location=f"{site.files.url}/full", retries=0)
    here.hears("DiagnosticsStatusNotification", status="UploadFailed")


def test_firmware_is_fetched_and_installed(site: Site) -> None:
    here = site.take()
    assert here.ask("UpdateFirmware", location=f"{site.files.url}/nothing.bin", retrieveDate=in_s(0), retries=0) == {}
    here.hears("FirmwareStatusNotification", status="DownloadFailed")
    assert here.ask("UpdateFirmware", location=f"{site.files.url}/firmware.bin", retrieveDate=in_s(0)) == {}
    for status in ("Downloading", "Downloaded", "Installing"):
        here.hears("FirmwareStatusNotification", status=status)
    here.hears("BootNotification", firmwareVersion="2")
    here.hears("FirmwareStatusNotification", status="Installed")


# ---- certificates ----------------------------------------------------------------------------------------------------


def test_a_root_certificate_is_installed_found_and_deleted(site: Site) -> None:
    here = site.take()
    use = "ManufacturerRootCertificate"
    assert here.ask("GetInstalledCertificateIds", certificateType=use) == {"status": "NotFound"}
    authority = root("Interop")
    assert here.status("InstallCertificate", certificateType=use, certificate=authority.pem) == "Accepted"
    found = here.ask("GetInstalledCertificateIds", certificateType=use)
    (known,) = found["certificateHashData"]
    assert int(known["serialNumber"], 16) == authority.certificate.serial_number
    assert here.status("DeleteCertificate", certificateHashData=known) == "Accepted"
    assert here.status("DeleteCertificate", certificateHashData=known) == "NotFound"


def test_a_charge_point_gets_a_certificate_for_the_key_it_made(site: Site) -> None:
    here = site.take()
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    assert here.status("ExtendedTriggerMessage", **trigger) == "Accepted"
    csr = here.hears("SignCertificate").payload["csr"]
    authority = root("Interop")
    use = {"certificateType": "CentralSystemRootCertificate"}
    assert here.status("InstallCertificate", **use, certificate=authority.pem) == "Accepted"
    assert here.status("CertificateSigned", certificateChain=root("Stranger").grant(csr)) == "Rejected"
    here.hears("SecurityEventNotification", type="InvalidChargePointCertificate")
    assert here.status("CertificateSigned", certificateChain=authority.grant(csr)) == "Accepted"


def test_signed_firmware_is_installed_if_its_signature_is_right(site: Site) -> None:
    here = site.take()
    maker = root("Maker")
    assert (
        here.status("InstallCertificate", certificateType="ManufacturerRootCertificate", certificate=maker.pem)
        == "Accepted"
    )
    signer = maker.issue("Release 2")
    numbers = itertools.count(1)

    def update(signature: str) -> int:
        number = next(numbers)
        firmware = {
            "location": f"{site.files.url}/firmware.bin",
            "retrieveDateTime": in_s(0),
            "signingCertificate": signer.pem,
            "signature": signature,
        }
        assert here.status("SignedUpdateFirmware", requestId=number, firmware=firmware) == "Accepted"
        return number

    first = update(signer.sign(b"something else"))
    here.hears("SignedFirmwareStatusNotification", status="InvalidSignature", requestId=first)
    second = update(signer.sign(FIRMWARE))
    for status in ("Downloaded", "SignatureVerified", "Installing", "InstallRebooting"):
        here.hears("SignedFirmwareStatusNotification", status=status, requestId=second)
    here.hears("BootNotification", firmwareVersion="2")
    here.hears("SignedFirmwareStatusNotification", status="Installed", requestId=second)


def test_what_no_schema_allows_is_not_even_sent(site: Site) -> None:
    here = site.take()
    with pytest.raises(Refused) as refused:
        here.ask("ReserveNow", connectorId=1)
    assert refused.value.code == "BadOrder"
