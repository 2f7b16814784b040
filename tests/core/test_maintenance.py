"""Requests that take an errand, and notices: what cuts and silence do to them."""

from typing import Any

import pytest
from counterparts.charge_point_bench import Bench
from counterparts.pki import root

from fleet.core.certificates import CertificateStore, KnownCertificate
from fleet.core.effects import CancelErrand, RunErrand
from fleet.core.errands import Deliver, Done, JudgeRoot, Recognised, Undone, Why
from fleet.core.notices import NOTICES_MAX, Notice, NoticeKind, notify
from fleet.errands.certificates import known
from fleet.words.security import CertificateUse

INSTALL = {"certificateType": "CentralSystemRootCertificate", "certificate": "PEM"}
STATUS = "DiagnosticsStatusNotification"


def booted() -> Bench:
    bench = Bench()
    bench.boot()
    return bench


def event(number: int) -> Notice:
    return Notice(NoticeKind.SECURITY, f"Event{number}", 0.0)


def events(bench: Bench) -> list[str]:
    return [frame[3]["type"] for frame in bench.frames if frame[0] == 2 and frame[2] == "SecurityEventNotification"]


def test_a_request_that_takes_an_errand_is_answered_when_it_is_over() -> None:
    bench = booted()
    assert bench.call("InstallCertificate", INSTALL) is None
    assert isinstance(bench.errands[0].errand, JudgeRoot)
    bench.end_errand(Undone(Why.INVALID, "no"))
    result = next(frame for frame in bench.frames if frame[0] == 3)
    assert result[2] == {"status": "Rejected"}


def test_an_answer_whose_way_back_was_cut_is_given_to_nobody_and_nothing_comes_of_it() -> None:
    bench = booted()
    bench.call("InstallCertificate", INSTALL)
    bench.cut()
    bench.connect()
    frames = len(bench.frames)
    bench.end_errand(Undone(Why.INVALID, "no"))
    assert all(frame[0] == 2 for frame in bench.frames[frames:])


def test_an_upload_goes_on_over_a_cut_and_is_told_after_it() -> None:
    bench = booted()
    bench.call("GetDiagnostics", {"location": "ftp://h/logs"})
    assert (bench.line, bench.payload) == (STATUS, {"status": "Uploading"})
    bench.answer({})
    bench.cut()
    assert isinstance(bench.end_errand(Done()), Deliver)
    bench.connect()
    assert (bench.line, bench.payload) == (STATUS, {"status": "Uploaded"})


def test_files_are_moved_with_the_roots_that_the_csms_had_installed_trusted() -> None:
    bench = booted()
    bench.call("InstallCertificate", INSTALL, Recognised(KnownCertificate(CertificateUse.CENTRAL_SYSTEM_ROOT, "R", ())))
    bench.call("GetDiagnostics", {"location": "https://h/logs"})
    errand = bench.end_errand(Done())
    assert isinstance(errand, Deliver)
    assert errand.roots == ("R",)


def test_an_errand_that_matters_no_more_is_called_off() -> None:
    bench = booted()
    for _ in range(2):
        bench.call("GetDiagnostics", {"location": "ftp://h/logs"})
        bench.answer({})
    first, second = (effect for effect in bench.effects if isinstance(effect, RunErrand))
    assert CancelErrand(first.token) in bench.effects
    assert CancelErrand(second.token) not in bench.effects


def test_notices_that_nobody_hears_are_bounded_and_the_oldest_goes_first() -> None:
    bench = Bench()
    for number in range(NOTICES_MAX + 5):
        notify(bench.machine, event(number), 0.0)
    assert bench.memory.notices[0].word == "Event5"
    assert len(bench.memory.notices) == NOTICES_MAX


def test_a_cut_costs_no_attempt_and_keeps_the_order() -> None:
    bench = booted()
    for number in range(3):
        notify(bench.machine, event(number), bench.now)
    for _ in range(5):
        bench.wait(1)
        bench.cut()
        bench.connect()
    for _ in range(3):
        bench.answer({})
    assert [notice.word for notice in bench.memory.notices] == []
    assert events(bench)[-3:] == ["Event0", "Event1", "Event2"]


def test_a_status_that_is_out_of_date_is_not_said_again() -> None:
    bench = booted()
    bench.call("GetDiagnostics", {"location": "ftp://h/logs"})
    bench.end_errand(Done())
    # Nobody answers Uploading; Uploaded is what there is to say then.
    bench.wait(31)
    assert bench.payload == {"status": "Uploaded"}
    bench.answer({})
    bench.wait(600)
    assert bench.lines.count(STATUS) == 2
    assert bench.memory.notices == ()


@pytest.mark.parametrize("secret", ["PRIVATE", "s3cret"])
def test_a_memory_shows_no_secret(secret: str) -> None:
    bench = booted()
    bench.memory.certificates = CertificateStore(pending_key="PRIVATE")
    bench.call("UpdateFirmware", {"location": "ftp://u:s3cret@h/f", "retrieveDate": "2030-01-01T00:00:00Z"})
    shown: Any = (bench.memory.certificates, bench.memory.update, bench.machine.upkeep)
    assert secret not in repr(shown)


def test_a_store_finds_what_it_has_by_hash_and_use() -> None:
    one, two = root("One"), root("Two")
    store = CertificateStore()
    for use in CertificateUse:
        store.install(known(use, one.certificate))
    store.install(known(CertificateUse.MANUFACTURER_ROOT, two.certificate))
    assert [len(store.of(use)) for use in CertificateUse] == [1, 2]
    assert store.delete(known(CertificateUse.MANUFACTURER_ROOT, one.certificate).hashes[1])
    assert [len(store.of(use)) for use in CertificateUse] == [0, 1]
