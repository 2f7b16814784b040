"""Diagnostics and logs: OCPP 1.6 section 5.9 (TC_045), and GetLog of the security white paper (TC_079)."""

import itertools
from typing import Any

import pytest
import trio
from counterparts.script import Stage, stage, utc

from fleet.core.errands import Undone, Why
from fleet.core.reports import ErrandUndone

FOLDER = "ftp://uploader:secret@files.example/logs"
STATUS, LOG_STATUS = "DiagnosticsStatusNotification", "LogStatusNotification"
ASKED = ("GetDiagnostics.req", "GetDiagnostics.conf")
LOG_ASKED = ("GetLog.req", "GetLog.conf Accepted")


def statuses(said: list[Any]) -> list[str]:
    return [spoken.payload["status"] for spoken in said if spoken.action in (STATUS, LOG_STATUS)]


async def get_log(s: Stage, kind: str = "SecurityLog", request_id: int = 7, **log: Any) -> Any:
    payload = {"logType": kind, "requestId": request_id, "log": {"remoteLocation": FOLDER, **log}}
    return await s.call("GetLog", payload)


async def test_tc_045_1_cs_get_diagnostics(autojump_clock: Any) -> None:
    async with stage(connectors=2, configuration={"AuthorizationKey": "0123456789abcdef"}) as s:
        s.outside.files[FOLDER] = "folder"
        await s.charge(2)
        answer = await s.call("GetDiagnostics", {"location": FOLDER})
        assert statuses(await s.expect(*ASKED, STATUS, STATUS)) == ["Uploading", "Uploaded"]
        [(url, content)] = s.outside.delivered.items()
        assert url == f"{FOLDER}/{answer['fileName']}"
        text = content.decode()
        assert "CP1 diagnostics" in text
        assert "connector 2: Charging" in text
        assert "HeartbeatInterval = " in text
        assert "0123456789abcdef" not in text


async def test_tc_045_1_cs_only_what_happened_in_the_window_is_in_it(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[FOLDER] = "folder"
        booted_at = trio.current_time()
        await s.call("GetDiagnostics", {"location": FOLDER, "startTime": utc(booted_at + 60)})
        await trio.sleep(5)
        await s.call("GetDiagnostics", {"location": FOLDER, "stopTime": utc(booted_at + 60)})
        await trio.sleep(5)
        later, earlier = s.outside.delivered.values()
        assert b"StartupOfTheDevice" not in later
        assert b"StartupOfTheDevice" in earlier


async def test_tc_045_2_cs_get_diagnostics_upload_failed(autojump_clock: Any) -> None:
    async with stage() as s:
        assert "fileName" in await s.call("GetDiagnostics", {"location": FOLDER})
        said = await s.expect(*ASKED, STATUS, STATUS, quiet_s=600)
        assert statuses(said) == ["Uploading", "UploadFailed"]
        assert [report.errand for report in s.reports if isinstance(report, ErrandUndone)] == ["upload of diagnostics"]


async def test_tc_045_2_cs_get_diagnostics_upload_is_tried_again(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[FOLDER] = [Undone(Why.UNREACHABLE, "no connection"), Undone(Why.REFUSED, "full"), "folder"]
        await s.call("GetDiagnostics", {"location": FOLDER, "retries": 2, "retryInterval": 300})
        said = await s.expect(*ASKED, STATUS, STATUS, within_s=1000)
        assert statuses(said) == ["Uploading", "Uploaded"]
        at = [at for at, _ in s.outside.errands]
        # An attempt of a second each, and the interval.
        assert [later - earlier for earlier, later in itertools.pairwise(at)] == pytest.approx([301, 301])


async def test_diagnostics_that_are_asked_for_again_are_uploaded_once(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[FOLDER] = "folder"
        s.outside.transfer_s = 60
        await s.call("GetDiagnostics", {"location": FOLDER})
        await trio.sleep(10)
        await s.call("GetDiagnostics", {"location": FOLDER})
        said = await s.expect(*ASKED, STATUS, *ASKED, STATUS, STATUS, within_s=200, quiet_s=100)
        assert statuses(said) == ["Uploading", "Uploading", "Uploaded"]
        assert len(s.outside.delivered) == 1


@pytest.mark.parametrize(("kind", "name"), [("SecurityLog", "security"), ("DiagnosticsLog", "diagnostics")])
async def test_tc_079_cs_get_security_log(autojump_clock: Any, kind: str, name: str) -> None:
    async with stage() as s:
        s.outside.files[FOLDER] = "folder"
        answer = await get_log(s, kind)
        assert name in answer["filename"]
        said = await s.expect(*LOG_ASKED, LOG_STATUS, LOG_STATUS)
        assert [spoken.payload for spoken in said if spoken.action == LOG_STATUS] == [
            {"status": "Uploading", "requestId": 7},
            {"status": "Uploaded", "requestId": 7},
        ]
        content = s.outside.delivered[f"{FOLDER}/{answer['filename']}"]
        assert b"StartupOfTheDevice" in content
        assert (b"connector 1" in content) == (kind == "DiagnosticsLog")


@pytest.mark.parametrize(
    ("why", "told"),
    [
        (Why.REFUSED, "UploadFailure"),
        (Why.UNREACHABLE, "UploadFailure"),
        (Why.DENIED, "PermissionDenied"),
        (Why.UNSUPPORTED, "NotSupportedOperation"),
    ],
)
async def test_tc_079_cs_the_status_says_why_a_log_could_not_be_uploaded(
    autojump_clock: Any, why: Why, told: str
) -> None:
    async with stage() as s:
        s.outside.files[FOLDER] = Undone(why, "no")
        await get_log(s)
        assert statuses(await s.expect(*LOG_ASKED, LOG_STATUS, LOG_STATUS)) == ["Uploading", told]


async def test_tc_079_cs_a_second_request_cancels_the_first(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[FOLDER] = "folder"
        s.outside.transfer_s = 60
        await get_log(s, request_id=7)
        await trio.sleep(10)
        assert (await get_log(s, request_id=8))["status"] == "AcceptedCanceled"
        await trio.sleep(100)
        assert s.central.said(LOG_STATUS) == [
            {"status": "Uploading", "requestId": 7},
            {"status": "UploadFailure", "requestId": 7},
            {"status": "Uploading", "requestId": 8},
            {"status": "Uploaded", "requestId": 8},
        ]


async def test_what_becomes_of_an_upload_is_told_after_an_outage(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[FOLDER] = "folder"
        s.outside.transfer_s = 60
        await s.call("GetDiagnostics", {"location": FOLDER})
        await s.expect(*ASKED, STATUS)
        await s.go_offline()
        await trio.sleep(600)
        s.go_online()
        assert statuses(await s.expect(STATUS, within_s=600)) == ["Uploaded"]
