"""The history: across shells, for nobody else's eyes, and never in the way."""

import os
from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory

from fleet.shell import history
from fleet.shell.history import history_path, open_history


def lines(path: Path) -> list[str]:
    """As another shell would see them, oldest first."""
    return list(reversed(list(open_history(path).load_history_strings())))


def test_another_shell_has_the_lines_of_the_last(tmp_path: Path) -> None:
    first = open_history(tmp_path / "fleet" / "history")
    first.append_string("plug CP1/1")
    first.append_string("stop */*")
    assert lines(tmp_path / "fleet" / "history") == ["plug CP1/1", "stop */*"]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "fleet" / "history"
    open_history(path).append_string("set AuthorizationKey=secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_line_that_begins_with_a_space_is_not_kept(tmp_path: Path) -> None:
    open_history(tmp_path / "history").append_string(" set CP1 AuthorizationKey secret")
    assert lines(tmp_path / "history") == []


def test_it_stands_in_the_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_path() == tmp_path / "fleet" / "history"


@pytest.mark.parametrize("state", ["", "relative/path"])
def test_without_a_state_directory_it_stands_at_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert history_path() == tmp_path / ".local" / "state" / "fleet" / "history"


def test_where_nothing_can_be_written_it_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert isinstance(open_history(tmp_path / "file" / "history"), InMemoryHistory)


def test_it_keeps_the_newest_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(history, "LINES_MAX", 3)
    first = open_history(tmp_path / "history")
    for number in range(10):
        first.append_string(f"line {number}")
    assert lines(tmp_path / "history") == ["line 7", "line 8", "line 9"]
    assert (tmp_path / "history").read_text().count("+line") == 3
    assert os.stat(tmp_path / "history").st_mode & 0o777 == 0o600


def test_a_line_with_a_password_is_not_kept(tmp_path: Path) -> None:
    first = open_history(tmp_path / "history")
    first.append_string("set CP1 AuthorizationKey a-password-to-keep-secret")
    first.append_string("get CP1 AuthorizationKey")
    assert lines(tmp_path / "history") == ["get CP1 AuthorizationKey"]
    assert "a-password" not in (tmp_path / "history").read_text()
