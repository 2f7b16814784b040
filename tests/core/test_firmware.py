"""A firmware update as a machine: its stages, its waits, and what a file is to it."""

import math
from typing import Any

import pytest

from fleet.core.answers import FilePlace, FirmwareWanted, SignedFirmwareWanted
from fleet.core.errands import Done, Fetch, Fetched, JudgeSignature, Undone, Why
from fleet.core.firmware import Activate, Alarm, Begin, Image, PutBack, Stage, Step, TakeOut, Tell, Update
from fleet.words import FirmwareStatus as S
from fleet.words.security import SecurityEvent

URL = "http://files.example/fw/model-2.1.bin"
UTC_S = 1_795_348_800.0
FILE = Fetched(1000, b"digest", b"\x7fELF")
LOST = Undone(Why.UNREACHABLE, "no connection")


def update(
    retries: int | None = None, interval_s: int | None = None, at_utc_s: float = UTC_S, url: str = URL
) -> Update:
    return Update(FirmwareWanted(FilePlace(url, retries, interval_s), at_utc_s), install_s=10)


def signed(at_utc_s: float = UTC_S, install_utc_s: float | None = None) -> Update:
    wanted = SignedFirmwareWanted(7, FilePlace(URL), at_utc_s, "PEM", "c2ln", install_utc_s)
    return Update(wanted, install_s=10)


def proceed(machine: Update, now: float, *, idle: bool = True) -> list[Step]:
    return machine.proceed(now, UTC_S + now, idle=idle)


def downloaded(machine: Update, file: Fetched = FILE) -> Update:
    proceed(machine, 0)
    machine.ended(file, 5)
    if machine.signed:
        machine.ended(Done(), 6)
    return machine


def test_an_update_is_downloaded_installed_and_activated() -> None:
    machine = update()
    assert proceed(machine, 0) == [Tell(S.DOWNLOADING), Begin(Fetch(URL))]
    assert machine.deadline == math.inf
    assert machine.ended(FILE, 5) == [Tell(S.DOWNLOADED)]
    assert proceed(machine, 5) == [TakeOut(), Tell(S.INSTALLING)]
    assert machine.deadline == 15
    assert proceed(machine, 14.9) == []
    assert proceed(machine, 15) == [Activate("model-2.1")]
    assert machine.installing


def test_nothing_is_downloaded_before_its_date() -> None:
    machine = update(at_utc_s=UTC_S + 3600)
    assert proceed(machine, 0) == []
    assert machine.deadline == 3600
    assert proceed(machine, 3600)[0] == Tell(S.DOWNLOADING)


def test_a_clock_that_is_set_moves_the_date() -> None:
    machine = update(at_utc_s=UTC_S + 3600)
    proceed(machine, 0)
    # The CSMS says that it is half an hour later than the charge point believed.
    assert machine.proceed(10, UTC_S + 1810, idle=True) == []
    assert machine.deadline == 10 + 1790


def test_a_download_is_tried_again_as_often_as_was_asked_for_and_told_to_have_failed_once() -> None:
    machine = update(retries=2, interval_s=30)
    proceed(machine, 0)
    for attempt in (1, 2):
        assert machine.ended(LOST, attempt * 100) == []
        assert machine.deadline == attempt * 100 + 30
        assert proceed(machine, attempt * 100 + 29) == []
        assert proceed(machine, attempt * 100 + 30) == [Begin(Fetch(URL))]
    assert machine.ended(LOST, 300) == [Tell(S.DOWNLOAD_FAILED)]
    assert machine.over


def test_without_retries_the_first_failure_is_the_last() -> None:
    machine = update()
    proceed(machine, 0)
    assert machine.ended(LOST, 1) == [Tell(S.DOWNLOAD_FAILED)]


def test_a_retry_that_succeeds_goes_on_as_if_nothing_had_been() -> None:
    machine = update(retries=1, interval_s=0)
    proceed(machine, 0)
    machine.ended(LOST, 1)
    assert proceed(machine, 1) == [Begin(Fetch(URL))]
    assert machine.ended(FILE, 2) == [Tell(S.DOWNLOADED)]


def test_nothing_is_installed_while_a_transaction_runs() -> None:
    machine = downloaded(update())
    assert proceed(machine, 5, idle=False) == [TakeOut()]
    assert machine.deadline == math.inf
    assert proceed(machine, 3000, idle=False) == []
    assert proceed(machine, 3600, idle=True) == [Tell(S.INSTALLING)]


@pytest.mark.parametrize(
    ("file", "url"),
    [
        (Fetched(0, b"", b""), URL),
        (Fetched(40, b"", b"Firmware-Version: 2\nInstall: fail\n\n\0\0"), URL),
        (FILE, f"{URL}?install=fail"),
    ],
    ids=["empty", "says so", "asked for so"],
)
def test_a_file_that_cant_be_installed_brings_the_connectors_back(file: Fetched, url: str) -> None:
    machine = downloaded(update(url=url), file)
    proceed(machine, 5)
    assert proceed(machine, 15) == [Tell(S.INSTALLATION_FAILED), PutBack()]
    assert machine.over


@pytest.mark.parametrize(
    ("url", "head", "version"),
    [
        (URL, b"\x7fELF\x01\x00", "model-2.1"),
        (URL, b"Firmware-Version: 3.0-rc1\r\n\r\n\x00\x01", "3.0-rc1"),
        ("ftp://u:p@h/a%20b.tar.gz?x=1", b"", "a b.tar"),
        ("http://h/firmware", b"", "firmware"),
        ("http://h/", b"", "unknown"),
        (URL, b"Firmware-Version: " + b"9" * 80, "9" * 50),
        (URL, b"Firmware-Version: \x1b[31m\n", "model-2.1"),
    ],
)
def test_a_firmware_is_called_what_it_says_or_after_its_file(url: str, head: bytes, version: str) -> None:
    assert Image.of(url, Fetched(len(head), b"", head)).version == version


def test_signed_firmware_is_verified_before_it_is_installed() -> None:
    machine = signed()
    assert proceed(machine, 0) == [Tell(S.DOWNLOADING), Begin(Fetch(URL))]
    assert machine.ended(FILE, 5) == [Tell(S.DOWNLOADED), Begin(JudgeSignature("PEM", "c2ln", b"digest"))]
    assert proceed(machine, 5) == []
    assert machine.ended(Done(), 6) == [Tell(S.SIGNATURE_VERIFIED)]
    assert proceed(machine, 6) == [TakeOut(), Tell(S.INSTALLING)]
    assert proceed(machine, 16) == [Tell(S.INSTALL_REBOOTING), Activate("model-2.1")]


def test_signed_firmware_with_a_wrong_signature_is_not_installed() -> None:
    machine = signed()
    proceed(machine, 0)
    machine.ended(FILE, 5)
    steps = machine.ended(Undone(Why.INVALID, "another key"), 6)
    assert steps == [Tell(S.INVALID_SIGNATURE), Alarm(SecurityEvent.INVALID_FIRMWARE_SIGNATURE)]
    assert machine.over


def test_signed_firmware_says_what_it_waits_for() -> None:
    machine = signed(at_utc_s=UTC_S + 60, install_utc_s=UTC_S + 600)
    assert proceed(machine, 0) == [Tell(S.DOWNLOAD_SCHEDULED)]
    assert proceed(machine, 1) == []
    proceed(machine, 60)
    machine.ended(FILE, 65)
    machine.ended(Done(), 65)
    assert proceed(machine, 65) == [Tell(S.INSTALL_SCHEDULED)]
    assert machine.deadline == 600
    # Drivers charge on until the installation is due.
    assert proceed(machine, 599.9) == []
    assert proceed(machine, 600) == [TakeOut(), Tell(S.INSTALLING)]


def test_an_outcome_that_nobody_waits_for_changes_nothing() -> None:
    machine = update(at_utc_s=UTC_S + 60)
    proceed(machine, 0)
    assert machine.ended(FILE, 1) == []
    assert machine.stage is Stage.WAITING


def test_no_repr_shows_where_the_firmware_is() -> None:
    machine: Any = update(url="http://user:secret@h/f")
    assert "secret" not in repr(machine)
