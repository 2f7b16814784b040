"""The books as JSON lines."""

from pathlib import Path

import orjson
import pytest

from fleet.csms.records import (
    OddityRecord,
    Record,
    RecordFile,
    StartRecord,
    StopRecord,
    parse_record,
    read_books,
    read_records,
    render_record,
)
from fleet.errors import FleetError
from fleet.words import AuthorizationStatus, StopReason

AT = "2026-11-22T11:17:32.123Z"
START = StartRecord(AT, "CP0001", 1, 7, "TAG", AuthorizationStatus.ACCEPTED, 100, AT)
STOP = StopRecord(AT, "CP0001", 1, 7, "TAG", 100, 350, 250, AT, AT, StopReason.REMOTE, 3)
ODDITY = OddityRecord(AT, "CP0001", "orphan-stop", "no such transaction", 9)


@pytest.mark.parametrize("record", [START, STOP, ODDITY])
def test_a_record_reads_back_as_it_was_written(record: Record) -> None:
    line = render_record(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_record(line) == record


def test_a_stop_line_has_the_fields_that_are_documented() -> None:
    assert orjson.loads(render_record(STOP)) == {
        "kind": "stop",
        "recorded_at": AT,
        "charge_point": "CP0001",
        "connector": 1,
        "transaction_id": 7,
        "id_tag": "TAG",
        "meter_start_wh": 100,
        "meter_stop_wh": 350,
        "energy_wh": 250,
        "started_at": AT,
        "stopped_at": AT,
        "reason": "Remote",
        "meter_values": 3,
    }


@pytest.mark.parametrize(
    "line", [b"", b"no json", b"[]", b"{}", b'{"kind":"party"}', b'{"kind":"start"}', b'{"kind":"oddity","x":1}']
)
def test_a_line_that_is_no_record_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"not JSON|not a record"):
        parse_record(line)


def test_a_record_is_in_the_file_at_once(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "records.jsonl")
    file(START)
    assert list(read_records(file.path)) == [START]
    file(STOP)
    assert list(read_records(file.path)) == [START, STOP]
    file.close()


def test_a_line_cut_short_by_a_kill_is_taken_out_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(render_record(START) + render_record(STOP)[:-9])
    file = RecordFile(path)
    assert file.earlier() == [START]
    file(ODDITY)
    file.close()
    assert list(read_records(path)) == [START, ODDITY]


def test_somebody_elses_file_is_refused_by_its_line_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(render_record(START) + b"milk, bread\n")
    file = RecordFile(path)
    with pytest.raises(FleetError, match=r"notes\.txt, line 2: not JSON"):
        file.earlier()
    file.close()
    assert path.read_bytes().endswith(b"milk, bread\n")


@pytest.mark.parametrize("text", ["remember the milk", '{"name": "one line of configuration"}', "x" * 100_000])
def test_somebody_elses_file_of_one_unfinished_line_is_refused_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    file = RecordFile(path)
    with pytest.raises(FleetError, match=r"notes\.txt: ends with something that is no record"):
        file.earlier()
    file.close()
    assert path.read_text() == text


def test_a_device_has_no_past() -> None:
    file = RecordFile(Path("/dev/zero"))
    assert file.earlier() == []
    file.close()


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"cannot write records to .*: No such file or directory"):
        RecordFile(tmp_path / "missing" / "records.jsonl")
    with pytest.raises(FleetError, match=r"cannot write records to .*: Is a directory"):
        RecordFile(tmp_path)


def test_a_full_disk_is_one_clear_line() -> None:
    file = RecordFile(Path("/dev/full"))
    with pytest.raises(FleetError, match="cannot write records to /dev/full: No space left on device"):
        file(START)
    file.close()


def test_the_books_add_up(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    other = StartRecord(AT, "CP0002", 1, 8, "TAG", AuthorizationStatus.ACCEPTED, 0, AT)
    path.write_bytes(b"".join(render_record(each) for each in (START, other, STOP, ODDITY, ODDITY)))
    books = read_books(path)
    assert (books.started, books.stopped, books.energy_wh) == (2, 1, 250)
    assert books.transactions[7].stop == STOP
    assert books.transactions[8].stop is None
    assert books.oddities == {"orphan-stop": 2}


def test_books_with_a_stop_that_never_started_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(render_record(STOP))
    with pytest.raises(FleetError, match="a stop without its start: transaction 7"):
        read_books(path)
    with pytest.raises(FleetError, match="cannot read records from"):
        read_books(tmp_path / "missing.jsonl")
