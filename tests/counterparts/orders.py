"""Orders to the counterpart from several threads at once: each gets its own answer, in whatever order they come."""

import itertools
import json
import threading
from concurrent.futures import Future
from typing import Any, cast

from counterparts.process import Counterpart

ANSWER_TIMEOUT_S = 40.0  # the counterpart gives up after 30 s


class Refused(Exception):
    """A CALLERROR, or why there was no answer: (code, description)."""

    @property
    def code(self) -> str:
        return cast(str, self.args[0])


class Orders:
    """The control channel of a counterpart; from now on it is this object's alone."""

    def __init__(self, counterpart: Counterpart) -> None:
        self._counterpart = counterpart
        self._tags = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="answers to orders")
        self._reader.start()

    def order(self, **order: Any) -> Any:
        """The result of any order; raises Refused."""
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            tag = next(self._tags)
            self._waiting[tag] = answer
            self._counterpart.stdin.write(json.dumps({**order, "tag": tag}) + "\n")
            self._counterpart.stdin.flush()
        said = answer.result(ANSWER_TIMEOUT_S)
        if "error" in said:
            raise Refused(said["error"]["code"], said["error"]["description"])
        return said["result"]

    def ask(self, charge_point: str, action: str, **payload: Any) -> dict[str, Any]:
        """Have the central system send a request; the payload of the answer, or Refused."""
        return cast(dict[str, Any], self.order(charge_point=charge_point, action=action, payload=payload))

    def close(self) -> None:
        """No more orders: the counterpart ends."""
        self._counterpart.stdin.close()
        self._reader.join(ANSWER_TIMEOUT_S)

    def _read(self) -> None:
        for line in self._counterpart.stdout:
            answer = json.loads(line)
            self._waiting.pop(answer["tag"]).set_result(answer)
        for answer_ in self._waiting.values():
            answer_.set_exception(Refused("NotConnected", "the counterpart is gone"))
