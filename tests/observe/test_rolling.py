"""A file that rolls: bounded in size and number, whole lines, and plain words for a path that can't be used."""

import os
from pathlib import Path

import pytest

from fleet.errors import ConfigurationError
from fleet.observe.rolling import RollingFile


def lines(*numbers: int) -> bytes:
    """Lines of ten bytes."""
    return b"".join(b"line %4d\n" % number for number in numbers)


def write(file: RollingFile, lines: bytes) -> None:
    file.write(lines, len(lines))


def test_a_file_that_is_large_becomes_the_first_of_the_old_ones(tmp_path: Path) -> None:
    file = RollingFile(tmp_path / "wire.jsonl", size_max_bytes=30, files_max=3)
    write(file, lines(1, 2))
    write(file, lines(3, 4))
    write(file, lines(5))
    write(file, lines(6, 7))
    file.close()
    assert (tmp_path / "wire.2.jsonl").read_bytes() == lines(1, 2, 3)
    assert (tmp_path / "wire.1.jsonl").read_bytes() == lines(4, 5, 6)
    assert (tmp_path / "wire.jsonl").read_bytes() == lines(7)
    assert file.lines == 7


def test_no_more_files_than_asked_for_whatever_is_written(tmp_path: Path) -> None:
    file = RollingFile(tmp_path / "wire.jsonl", size_max_bytes=30, files_max=2)
    write(file, lines(*range(1, 102)))
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wire.1.jsonl", "wire.jsonl"]
    assert (tmp_path / "wire.1.jsonl").read_bytes() == lines(97, 98, 99)
    assert (tmp_path / "wire.jsonl").read_bytes() == lines(100, 101)


def test_a_single_file_begins_anew_in_its_place(tmp_path: Path) -> None:
    file = RollingFile(tmp_path / "wire.jsonl", size_max_bytes=30, files_max=1)
    write(file, lines(1, 2, 3, 4))
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["wire.jsonl"]
    assert (tmp_path / "wire.jsonl").read_bytes() == lines(4)


def test_a_line_that_is_larger_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    file = RollingFile(tmp_path / "wire.jsonl", size_max_bytes=30, files_max=3)
    large = b"x" * 99 + b"\n"
    write(file, lines(1) + large + lines(2))
    file.close()
    assert (tmp_path / "wire.2.jsonl").read_bytes() == lines(1)
    assert (tmp_path / "wire.1.jsonl").read_bytes() == large
    assert (tmp_path / "wire.jsonl").read_bytes() == lines(2)


def test_what_an_earlier_run_left_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    for number in (1, 2, 3):
        file = RollingFile(path)
        write(file, lines(number))
        file.close()
    assert [(tmp_path / name).read_bytes() for name in ("wire.2.jsonl", "wire.1.jsonl", "wire.jsonl")] == [
        lines(1),
        lines(2),
        lines(3),
    ]


def test_old_files_that_somebody_took_away_are_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    file = RollingFile(path, size_max_bytes=10, files_max=4)
    write(file, lines(1, 2, 3))
    (tmp_path / "wire.1.jsonl").unlink()
    path.unlink()
    write(file, lines(4))
    file.close()
    assert path.read_bytes() == lines(4)
    assert (tmp_path / "wire.3.jsonl").read_bytes() == lines(1)


def test_a_link_stays_and_what_it_leads_to_rolls(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    link = tmp_path / "wire.jsonl"
    link.symlink_to(tmp_path / "big" / "real.jsonl")
    file = RollingFile(link, size_max_bytes=10, files_max=2)
    write(file, lines(1, 2))
    file.close()
    assert link.is_symlink()
    assert sorted(path.name for path in (tmp_path / "big").iterdir()) == ["real.1.jsonl", "real.jsonl"]


def test_a_device_is_written_to_and_never_moved() -> None:
    file = RollingFile(Path(os.devnull), size_max_bytes=10)
    write(file, lines(1, 2, 3))
    file.close()
    assert Path(os.devnull).is_char_device()
    assert file.lines == 3


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere/wire.jsonl", "No such file or directory"),
        ("folder", "Is a directory"),
        ("pipe", "nobody reads this pipe"),
    ],
)
def test_a_path_that_cant_be_written_is_one_clear_line(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError) as caught:
        RollingFile(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: can't write there: {why}"


def test_two_at_once_in_one_file_are_refused_and_the_first_is_left_in_peace(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    first = RollingFile(path, size_max_bytes=20)
    for _ in range(2):
        # Also after the first has rolled.
        with pytest.raises(ConfigurationError, match="another process writes there"):
            RollingFile(path)
        write(first, lines(1, 2, 3))
    first.close()
    assert path.read_bytes() == lines(2, 3)
    RollingFile(path).close()
