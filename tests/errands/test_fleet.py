"""A fleet whose errands go over real sockets: everybody at once."""

from counterparts.file_servers import web_server
from counterparts.world import QUIET, world

from fleet.errands.runner import Errands

CHARGE_POINTS = 100


async def test_a_hundred_charge_points_update_their_firmware_at_once() -> None:
    with web_server() as server:
        server.files["/fw/2.0.bin"] = b"Firmware-Version: 2.0\n\n" + bytes(100_000)
        async with (
            Errands() as errands,
            world(
                charge_points=CHARGE_POINTS,
                connectors=1,
                configuration=QUIET,
                run_errand=errands.run,
                install_s=0.1,
                reboot_s=0.1,
            ) as w,
        ):
            await w.booted()
            request = {"location": f"{server.url}/fw/2.0.bin", "retrieveDate": "2026-11-22T11:00:00Z"}
            for number in range(1, CHARGE_POINTS + 1):
                await w.central.ask(f"CP{number}", "UpdateFirmware", request)
            told = w.central.said
            installed = {"status": "Installed"}
            await w.until(lambda: told("FirmwareStatusNotification").count(installed) == CHARGE_POINTS, timeout_s=60)
            versions = [boot.get("firmwareVersion") for boot in told("BootNotification")]
            assert versions.count("2.0") == CHARGE_POINTS


async def test_a_hundred_charge_points_upload_their_diagnostics_at_once() -> None:
    with web_server() as server:
        async with (
            Errands() as errands,
            world(charge_points=CHARGE_POINTS, connectors=1, configuration=QUIET, run_errand=errands.run) as w,
        ):
            await w.booted()
            for number in range(1, CHARGE_POINTS + 1):
                await w.central.ask(f"CP{number}", "GetDiagnostics", {"location": f"{server.url}/logs"})
            told = w.central.said
            uploaded = {"status": "Uploaded"}
            await w.until(lambda: told("DiagnosticsStatusNotification").count(uploaded) == CHARGE_POINTS, timeout_s=60)
            assert len(server.received) == CHARGE_POINTS
            assert all(body.startswith(b"# CP") for body in server.received.values())
