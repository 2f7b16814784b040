"""The fleet's errand runner: takes an errand of any charge point, does it, says what came of it.

Bounded in every direction, as a fleet sends a thousand at once: so many connections and threads, so large a file, so
long in all. What can go wrong on the way comes back as `Undone`; an exception from here is a bug.

httpx and cryptography are loaded when the first errand needs them: most runs have none, and start faster so.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar, assert_never

import trio

from fleet.core.errands import (
    Deliver,
    Errand,
    Fetch,
    JudgeOwnChain,
    JudgeRoot,
    JudgeSignature,
    JudgeSigner,
    MakeRequest,
    Outcome,
    Undone,
    Why,
)
from fleet.errands.places import ErrandFailed, Place, place

FILE_BYTES_MAX = 512 * 2**20
ERRAND_TIMEOUT_S = 3600.0
FTP_MAX, RECKONERS_MAX = 16, 2
"""Worker threads for FTP, which wait, and for keys and signatures, which reckon."""
ROOTS_MAX = 16
"""Sets of installed roots for which connections are kept: a fleet's CSMS installs the same everywhere."""
T = TypeVar("T")
Roots = tuple[str, ...]


def trust_also(context: ssl.SSLContext, roots: Roots) -> None:
    """Have these roots (PEM), which the CSMS had installed, vouch for whom we connect to, beside the others."""
    for root in roots:
        # They were judged before they were installed; should this library differ, it vouches for nobody.
        with suppress(ssl.SSLError):
            context.load_verify_locations(cadata=root)
    if roots:
        # A root that the former one signed counts by itself: the former one may have been deleted by now.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


class Errands:
    """Runs errands until it is closed. `tls` makes what verifies servers of files, when it is needed first.

    It is made once, and once more for each set of roots that the CSMS had charge points install.
    """

    def __init__(
        self, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context, file_bytes_max: int = FILE_BYTES_MAX
    ) -> None:
        self._make_tls = tls
        self._tls: dict[Roots, ssl.SSLContext] = {}
        self._file_bytes_max = file_bytes_max
        self._webs: dict[Roots, Any] = {}
        self._ftp_threads = trio.CapacityLimiter(FTP_MAX)
        self._reckoners = trio.CapacityLimiter(RECKONERS_MAX)
        self._loading = trio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            for web in self._webs.values():
                await web.aclose()

    async def run(self, errand: Errand) -> Outcome:
        """Do it; the outcome, which for anything that can go wrong in operation is `Undone`."""
        with trio.move_on_after(ERRAND_TIMEOUT_S):
            try:
                return await self._do(errand)
            except ErrandFailed as failed:
                return Undone(failed.why, str(failed))
        return Undone(Why.UNREACHABLE, f"it took longer than {ERRAND_TIMEOUT_S:g} s")

    async def _do(self, errand: Errand) -> Outcome:
        match errand:
            case Fetch() | Deliver():
                return await self._move(errand, place(errand.url))
            case MakeRequest():
                return await self._reckon("make_request", errand)
            case JudgeOwnChain():
                return await self._reckon("judge_own_chain", errand)
            case JudgeRoot():
                return await self._reckon("judge_root", errand)
            case JudgeSignature():
                return await self._reckon("judge_signature", errand)
            case JudgeSigner():
                return await self._judge_signer(errand)
            case _:
                assert_never(errand)

    # ---- files -------------------------------------------------------------------------------------------------------

    async def _move(self, errand: Fetch | Deliver, at: Place) -> Outcome:
        if at.scheme in ("http", "https"):
            async with self._web(errand.roots) as web:
                if isinstance(errand, Fetch):
                    return await web.fetch(at)  # type: ignore[no-any-return]
                return await web.deliver(at, errand.name, errand.content)  # type: ignore[no-any-return]
        if at.scheme in ("ftp", "ftps"):
            ftp = await self._load("fleet.errands.ftp")
            context = self._context(errand.roots)
            if isinstance(errand, Fetch):
                transfer = partial(ftp.fetch, at, context, self._file_bytes_max)
            else:
                transfer = partial(ftp.deliver, at, errand.name, errand.content, context)
            return await self._in_thread(transfer, self._ftp_threads)
        raise ErrandFailed(Why.UNSUPPORTED, f"no files are moved by {at.scheme[:20]!r}")

    @asynccontextmanager
    async def _web(self, roots: Roots = ()) -> AsyncIterator[Any]:
        """The client that trusts these roots too; what there is no room to keep is closed afterwards.

        Its module is loaded late, and so without types.
        """
        module = await self._load("fleet.errands.web")
        web = self._webs.get(roots)
        if web is None:
            web = module.Web(self._context(roots), self._file_bytes_max)
            if len(self._webs) < ROOTS_MAX:
                self._webs[roots] = web
        try:
            yield web
        finally:
            if self._webs.get(roots) is not web:
                with trio.CancelScope(shield=True):
                    await web.aclose()

    def _context(self, roots: Roots) -> ssl.SSLContext:
        context = self._tls.get(roots)
        if context is None:
            context = self._make_tls()
            trust_also(context, roots)
            if len(self._tls) < ROOTS_MAX:
                self._tls[roots] = context
        return context

    # ---- keys and certificates ---------------------------------------------------------------------------------------

    async def _reckon(self, name: str, errand: Errand) -> Outcome:
        module = await self._load("fleet.errands.certificates")
        return await self._in_thread(partial(getattr(module, name), errand), self._reckoners)

    async def _judge_signer(self, errand: JudgeSigner) -> Outcome:
        certificates = await self._load("fleet.errands.certificates")
        judge = partial(certificates.judge_signer, errand)
        lists: tuple[bytes, ...] = ()
        for url in await self._in_thread(partial(certificates.revocation_places, errand), self._reckoners):
            # A list that can't be had says nothing: a charge point that is cut off could never be updated otherwise.
            try:
                at = place(url)
                async with self._web() as web:
                    lists = (*lists, await web.read(at))
            except ErrandFailed:
                continue
        return await self._in_thread(partial(judge, lists), self._reckoners)

    # ---- threads -----------------------------------------------------------------------------------------------------

    async def _load(self, module: str) -> ModuleType:
        async with self._loading:
            return await trio.to_thread.run_sync(import_module, module)

    async def _in_thread(self, work: Callable[[], T], limiter: trio.CapacityLimiter) -> T:
        return await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
