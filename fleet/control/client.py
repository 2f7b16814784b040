"""The other end of a control socket, for programs without a trio loop: the shell's thread, `fleet do`, a test kit.

One thread reads; whoever asks waits for the answer with their own number, so that a watch goes on while a command
runs, and a running command can be cancelled from another thread.
"""

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from fleet.commands.completion import Candidate
from fleet.control.answer import Answer
from fleet.control.glance import Glance
from fleet.errors import ConfigurationError, FleetError

Said = dict[str, Any]
OnEvent = Callable[[Said], None]

CONNECT_TIMEOUT_S = 5.0


class ControlClosed(FleetError):
    """The run at the other end is gone."""


class _Waiting:
    __slots__ = ("answer", "answered")

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.answer: Said | None = None


class ControlClient:
    """A connection to a run. All methods block; they may be called from any thread. Raises ControlClosed."""

    def __init__(self, path: Path | str) -> None:
        """Connect; raises ConfigurationError when nobody listens there or it isn't ours."""
        self.path = Path(path)
        self._socket = _connect(self.path)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._doing: set[int] = set()
        self._on_event: dict[int, OnEvent] = {}
        self._number = 0
        self.closed = threading.Event()
        """Set when the connection has ended, by either side."""
        self._thread = threading.Thread(target=self._read, name="control", daemon=True)
        self._thread.start()

    # ---- asking ------------------------------------------------------------------------------------------------------

    def execute(self, line: str) -> Answer:
        """Have a line carried out, however long it takes."""
        number, waiting = self._ask({"do": line}, doing=True)
        return Answer.from_dict(self._answer(number, waiting, None))

    def cancel(self) -> None:
        """Give up every line that is being carried out; `execute` then returns with how far it came."""
        with self._lock:
            doing = tuple(self._doing)
        for number in doing:
            self._ask({"cancel": number}, quietly=True)

    def complete(self, line: str, cursor: int, timeout_s: float = 2.0) -> list[Candidate]:
        """What may stand at the cursor; nothing when the answer takes too long to be of use."""
        said = self.request({"complete": line, "cursor": cursor}, timeout_s)
        return [Candidate(**each) for each in said.get("data") or ()]

    def glance(self, timeout_s: float = 5.0) -> Glance:
        """The fleet at one look."""
        return Glance.from_dict(self.request({"glance": True}, timeout_s)["data"])

    def watch(self, target: str | None, action: str | None, callback: OnEvent) -> int:
        """Live events, handed to `callback` in the reading thread; returns the number to end it with.

        Raises FleetError with the reason when the target can't be watched.
        """
        number, waiting = self._ask({"watch": {"target": target, "action": action}}, on_event=callback)
        said = self._answer(number, waiting, None)
        if not said.get("ok"):
            self._on_event.pop(number, None)
            raise FleetError(str(said.get("error")))
        return number

    def unwatch(self, number: int | None = None) -> None:
        """End one watch, or all."""
        for each in (number,) if number is not None else tuple(self._on_event):
            self._on_event.pop(each, None)
            self._ask({"unwatch": each}, quietly=True)

    def request(self, request: Said, timeout_s: float | None = None) -> Said:
        """Send any request of the protocol and return its answer; raises FleetError when it takes too long."""
        number, waiting = self._ask(request)
        return self._answer(number, waiting, timeout_s)

    def close(self) -> None:
        """Leave; the run goes on."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.closed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(CONNECT_TIMEOUT_S)

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _ask(
        self, request: Said, *, doing: bool = False, quietly: bool = False, on_event: OnEvent | None = None
    ) -> tuple[int, _Waiting]:
        waiting = _Waiting()
        with self._lock:
            self._number += 1
            number = self._number
            if not quietly:
                self._waiting[number] = waiting
            if doing:
                self._doing.add(number)
            if on_event is not None:
                self._on_event[number] = on_event
        try:
            with self._sending:
                self._socket.sendall(orjson.dumps({"id": number, **request}) + b"\n")
        except OSError:
            self._end()
            if not quietly:
                raise self._gone() from None
        if self.closed.is_set():
            waiting.answered.set()
        return number, waiting

    def _answer(self, number: int, waiting: _Waiting, timeout_s: float | None) -> Said:
        try:
            if not waiting.answered.wait(timeout_s):
                raise FleetError(f"no answer from {self.path} within {timeout_s:g} s")
        finally:
            with self._lock:
                self._waiting.pop(number, None)
                self._doing.discard(number)
        if waiting.answer is None:
            raise self._gone()
        return waiting.answer

    def _gone(self) -> ControlClosed:
        return ControlClosed(f"the run at {self.path} is gone")

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                self._take(lines)
        except (OSError, ValueError):
            pass
        finally:
            self._end()
            self._socket.close()

    def _take(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            said = orjson.loads(line)
            if "event" in said:
                on_event = self._on_event.get(said.get("watch"))
                if on_event is not None:
                    on_event(said["event"])
                continue
            with self._lock:
                waiting = self._waiting.get(said.get("id"))
            if waiting is not None:
                waiting.answer = said
                waiting.answered.set()

    def _end(self) -> None:
        self.closed.set()
        with self._lock:
            waiting = tuple(self._waiting.values())
        for each in waiting:
            each.answered.set()


def _connect(path: Path) -> socket.socket:
    try:
        if path.lstat().st_uid not in (os.geteuid(), 0):
            raise ConfigurationError(f"control socket {path}: it is somebody else's")
    except OSError as error:
        raise ConfigurationError(f"control socket {path}: {error.strerror}") from None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_TIMEOUT_S)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        if error.errno == errno.ECONNREFUSED:
            raise ConfigurationError(f"control socket {path}: nobody listens there any more") from None
        raise ConfigurationError(f"control socket {path}: {error.strerror or error}") from None
    connection.settimeout(None)
    return connection
