"""The world outside a charge point in virtual time: files by URL, and real cryptography without threads.

`files` says what is where: bytes are a file, an `Undone` is why there is none; what isn't in it is refused. `delivered`
is what came, by the URL of the file. A transfer takes `transfer_s`. For sockets see tests/errands.
"""

import hashlib
from typing import Any

import trio
from attrs import define, field

from fleet.core.errands import (
    HEAD_BYTES,
    Deliver,
    Done,
    Errand,
    Fetch,
    Fetched,
    JudgeOwnChain,
    JudgeRoot,
    JudgeSignature,
    JudgeSigner,
    MakeRequest,
    Outcome,
    Undone,
    Why,
)
from fleet.errands import certificates
from fleet.errands.places import ErrandFailed

NOT_THERE = Undone(Why.REFUSED, "the server answered 404 Not Found")


@define(eq=False)
class Outside:
    """An errand runner."""

    files: dict[str, Any] = field(factory=dict)
    delivered: dict[str, bytes] = field(factory=dict)
    errands: list[tuple[float, Errand]] = field(factory=list)
    transfer_s: float = 1.0

    async def run(self, errand: Errand) -> Outcome:
        self.errands.append((trio.current_time(), errand))
        match errand:
            case Fetch():
                await trio.sleep(self.transfer_s)
                return self._fetched(errand)
            case Deliver():
                await trio.sleep(self.transfer_s)
                return self._delivered(errand)
            case _:
                return judged(errand)

    def _fetched(self, errand: Fetch) -> Outcome:
        file = _next(self.files, errand.url)
        return file if isinstance(file, Undone) else fetched(file)

    def _delivered(self, errand: Deliver) -> Outcome:
        folder = _next(self.files, errand.url)
        if isinstance(folder, Undone):
            return folder
        self.delivered[f"{errand.url.rstrip('/')}/{errand.name}"] = errand.content
        return Done()


def _next(files: dict[str, Any], url: str) -> Any:
    """A list says what comes in turn, the last of it ever after."""
    found = files.get(url, NOT_THERE)
    if not isinstance(found, list):
        return found
    return found.pop(0) if len(found) > 1 else found[0]


def fetched(content: bytes) -> Fetched:
    """What is told of a file that was downloaded."""
    return Fetched(len(content), hashlib.sha256(content).digest(), content[:HEAD_BYTES])


def judged(errand: Errand) -> Outcome:
    """Cryptography at once."""
    try:
        match errand:
            case MakeRequest():
                return certificates.make_request(errand)
            case JudgeOwnChain():
                return certificates.judge_own_chain(errand)
            case JudgeSigner():
                return certificates.judge_signer(errand)
            case JudgeSignature():
                return certificates.judge_signature(errand)
            case JudgeRoot():
                return certificates.judge_root(errand)
    except ErrandFailed as failed:
        return Undone(failed.why, str(failed))
    raise TypeError(type(errand).__name__)
