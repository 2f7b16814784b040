import os
from pathlib import Path

import pytest

from fleet.errors import ConfigurationError, FleetError
from fleet.observe.records import LINE_MAX_BYTES, read_records, require_records


@pytest.mark.parametrize("written", [True, False])
def test_what_is_no_file_is_refused_before_the_run_as_some_of_it_never_ends(tmp_path: Path, written: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (Path("/dev/zero"), Path("/dev/full"), tmp_path, pipe):
        with pytest.raises(ConfigurationError, match=rf"^--records {path}: expected a file$"):
            require_records(path, written=written)


@pytest.mark.parametrize("written", [True, False])
def test_a_folder_that_is_not_there_is_told_before_the_run(tmp_path: Path, written: bool) -> None:
    path = tmp_path / "none" / "records.jsonl"
    with pytest.raises(ConfigurationError, match=rf"^--records {path}: No such file or directory$"):
        require_records(path, written=written)


def test_another_csms_may_begin_its_records_later(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    require_records(path, written=False)
    assert not path.exists()
    path.write_text("{}\n")
    for written in (True, False):
        require_records(path, written=written)
    assert path.read_text() == "{}\n"


def test_records_that_became_shorter_are_not_taken_for_lost_transactions(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"kind": "start"}\n')
    with pytest.raises(FleetError, match=r"records\.jsonl has 18 bytes and had 100 before the run"):
        list(read_records(path, offset=100))


def test_a_line_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"{}\n" + b" " * LINE_MAX_BYTES)
    with pytest.raises(FleetError, match=r"line 2: expected a record, of less than 1000000 bytes"):
        list(read_records(path))
