"""The keeper: writes down what charge points remember, soon after it changed, many of them at once.

A batch is written by a worker thread while the fleet goes on; the next one takes whatever has changed meanwhile, of
each charge point as it is in that instant. Batches follow each other by `BATCH_S` at least: that is how long a frame
waits at most, and what makes writing cheap, as a commit costs the same for one message as for fifty.

When a batch can't be written, because the disk is full or gone, nothing is written any more and nothing leaves any
gate: whoever has the run is told, and ends it. What the CSMS has been told by then is on the disk.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import trio
from attrs import frozen

from fleet.actors.keeping import Gate
from fleet.clock import Clock
from fleet.core.delivery_reports import TransactionRestored
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan
from fleet.errors import ConfigurationError
from fleet.state.codec import Codec, Unreadable
from fleet.state.folder import Batch, Folder, Unwritable
from fleet.state.page import OFF, ON, MemoryPage, Writing
from fleet.state.restored import LIVES_MAX, after_power_cut, owed

Elsewhere = Callable[[Callable[[Batch], None], Batch], Awaitable[None]]

BATCH_S = 0.05
ALIVE_S = 0.5
"""So often at least it is noted that the run is alive: by so much at most a power cut is dated too early."""
AT_ONCE_MAX = 200
"""Pages looked at before other tasks have their turn."""
SWEEP_S = 30.0
"""In so long every memory is looked at once, for what changed without anybody having said so."""


@frozen
class Returned:
    """A charge point as an earlier run left it. `owed` are transactions that the CSMS is to be told more of."""

    memory: ChargePointMemory
    powered: bool
    owed: tuple[TransactionRestored, ...]


class StateKeeper:
    """A `fleet.actors.keeping.Keeper` over an open folder."""

    def __init__(
        self,
        folder: Folder,
        clock: Clock,
        now: float,
        *,
        cars_gone: bool = False,
        elsewhere: Elsewhere = trio.to_thread.run_sync,
    ) -> None:
        """Read what an earlier run left; raises ConfigurationError where that can't be.

        `cars_gone`: the drivers of that run have left with their cars. `elsewhere` is where writing blocks nobody.
        """
        self.failure: str | None = None
        """Why nothing is written any more."""
        self.returned: dict[str, Returned] = {}
        """Whom an earlier run left, by id."""
        self._folder = folder
        self._elsewhere = elsewhere
        self._clock = clock
        self._writing = Writing(Codec(clock.offset_s))
        self._pages: dict[str, MemoryPage] = {}
        self._todo: list[MemoryPage] = []
        self._noticed = trio.Event()
        self._swept = 0
        self._numbers: dict[str, Sequence[int]] = {}
        self._last_number = 0
        found = folder.found
        if strangers := found.messages.keys() - found.parts.keys():
            raise ConfigurationError(f"{folder.path}: the state is damaged: nothing but messages of {min(strangers)}")
        cut_at = folder.last_utc_s - clock.offset_s
        for charge_point_id, parts in found.parts.items():
            rows = found.messages.get(charge_point_id, [])
            try:
                memory, power = self._writing.read(parts, [data for _, data in rows])
            except Unreadable as error:
                raise ConfigurationError(
                    f"{folder.path}: the state is damaged: {charge_point_id}: {error}: use another folder"
                ) from None
            numbers = self._numbers[charge_point_id] = [number for number, _ in rows]
            self._last_number = max(self._last_number, *numbers, 0)
            after_power_cut(memory, cut_at if power == ON else None, now, folder.runs, cars_gone=cars_gone)
            self.returned[charge_point_id] = Returned(memory, power != OFF, owed(memory, now))
            self.page(charge_point_id, memory).come_back(power)
        found.parts.clear()
        found.messages.clear()

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    # ---- for actors --------------------------------------------------------------------------------------------------

    def memory(self, plan: ChargePointPlan) -> ChargePointMemory:
        """What it remembers of an earlier run; nothing, where that never came to switch it on."""
        returned = self.returned.get(plan.id)
        if returned is not None:
            if len(returned.memory.connectors) != len(plan.connectors):
                # It had been taken away, and is put up now with others.
                returned.memory.put_up_again(len(plan.connectors))
            return returned.memory
        memory = ChargePointMemory.blank(len(plan.connectors))
        memory.incarnation = (self._folder.runs - 1) * LIVES_MAX
        return memory

    def page(self, charge_point_id: str, memory: ChargePointMemory) -> MemoryPage:
        """Its page; who comes back after having been removed has the one it had."""
        page = self._pages.get(charge_point_id)
        if page is None:
            numbers = self._numbers.pop(charge_point_id, ())
            page = self._pages[charge_point_id] = MemoryPage(self, self._writing, charge_point_id, memory, numbers)
        page.turn_over(memory)
        return page

    def notice(self, page: MemoryPage) -> None:
        """There is something to be written."""
        if not self._todo:
            self._noticed.set()
        self._todo.append(page)

    def next_number(self) -> int:
        """For the row of one more message."""
        self._last_number += 1
        return self._last_number

    # ---- the task ----------------------------------------------------------------------------------------------------

    async def run(self, failed: Callable[[], None]) -> None:
        """Write until cancelled, or until that fails: then `failed` is called, and nothing is written any more."""
        next_at = sweep_at = trio.current_time()
        while True:
            with trio.move_on_after(ALIVE_S):
                await self._noticed.wait()
            await trio.sleep_until(next_at)
            now = trio.current_time()
            next_at = now + BATCH_S
            if now >= sweep_at:
                self._sweep()
                sweep_at = now + ALIVE_S
            if not await (self._write() if self._todo else self._live_on(now)):
                failed()
                return

    async def finish(self) -> None:
        """Write what is left, and close the folder."""
        while self._todo and self.failure is None:
            await self._write()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._folder.close)

    async def _live_on(self, now: float) -> bool:
        """Nothing to write; False when not even that can be noted."""
        try:
            self._folder.stamp(self._clock.utc(now))
        except OSError as error:
            self.failure = f"{self.path}: {error.strerror}"
        return self.failure is None

    async def _write(self) -> bool:
        """One batch; False when it can't be written. Who has begun it ends it: its pages count as looked at."""
        with trio.CancelScope(shield=True):
            await self._write_all()
        return self.failure is None

    async def _write_all(self) -> None:
        pages, self._todo = self._todo, []
        self._noticed = trio.Event()
        batch = Batch()
        gates: list[Gate] = []
        for number, page in enumerate(pages, 1):
            gate = page.collect(batch)
            if gate is not None:
                gates.append(gate)
            if number % AT_ONCE_MAX == 0:
                await trio.lowlevel.checkpoint()
        # Not before the last page was looked at: nothing in the batch is later than that.
        batch.utc_s = self._clock.utc(trio.current_time())
        try:
            await self._elsewhere(self._folder.write, batch)
        except Unwritable as error:
            self.failure = str(error)
            return
        for page in pages:
            page.under_way = False
        for gate in gates:
            gate.open()

    def _sweep(self) -> None:
        """Look at some more memories, so that each has its turn within `SWEEP_S`."""
        pages = tuple(self._pages.values())
        count = min(len(pages), int(len(pages) * ALIVE_S / SWEEP_S) + 1)
        for _ in range(count):
            self._swept = (self._swept + 1) % len(pages)
            pages[self._swept].changed()
