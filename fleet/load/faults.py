"""What is to go wrong in a run, and when: `[[fault]]` of a configuration.

    [[fault]]
    at = "10m"
    target = "~20%"
    do = "cut"
    for = "45s"

`do` is a line of the one vocabulary without its target, the name of a network fault (`stall` is `impair stall`), or
`restart-csms`; so whatever can be typed can also be planned. A sample without a pattern is one of all charge points or
of all connectors, whichever the command is for.

Every instant is a function of the run's seed, the number of the fault and whom it strikes, not of what else happens:
the same run fails in the same way again, and one more fault leaves the others where they were. All of it is checked
with the file, targets included. `faulting.py` carries it out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from attrs import evolve, frozen

from fleet.commands.hazards import PowerCut
from fleet.commands.impairments import Impair
from fleet.commands.speech import Aim, Spoken
from fleet.commands.target import Address, Target, TargetError, parse_target
from fleet.commands.vocabulary import Command, InjectFault
from fleet.load.deeds import RESTART_CSMS, Deed, RestartCsms, deed, undoing
from fleet.load.settings import (
    Setting,
    expected,
    number,
    read_duration,
    read_positive_duration,
    read_rate,
    read_target,
)
from fleet.quantities import format_duration
from fleet.randomness import unit
from fleet.words import ConnectorStatus

EVERY_MIN_S = 1.0


def read_do(value: object) -> str:
    """A `do`, checked."""
    if not isinstance(value, str):
        raise expected("a command, a network fault or restart-csms", value)
    deed(value)
    return value


def read_every(value: object) -> float:
    """A period; shorter ones are no schedule but a load."""
    every_s = read_positive_duration(value)
    if every_s < EVERY_MIN_S:
        raise expected(f"a duration of at least {format_duration(EVERY_MIN_S)}", value)
    return every_s


def read_probability(value: object) -> float:
    """A share that is more than nothing."""
    share = number(0, 1)(value)
    if not share:
        raise expected("a number of more than 0, up to 1", value)
    return share


@frozen
class FaultConfig:
    """One `[[fault]]`: whom it befalls, when, and for how long.

    It strikes all of its target together, once at `at_s` after the run began or from there on `every_s` (each time up
    to `jitter_s` later); or each of its target for itself at seeded random instants, `rate_per_s`. Nothing strikes from
    `until_s` on, or once the load is over. What it began ends after `for_s`, at the latest with the load.
    `probability` is for network faults: the share of frames, chunks or attempts (see `NetworkFault`) that it strikes.
    """

    do: Annotated[str, Setting(read_do)] = ""
    target: Annotated[str | None, Setting(read_target)] = None
    at_s: Annotated[float | None, Setting(read_duration, "_s")] = None
    every_s: Annotated[float | None, Setting(read_every, "_s")] = None
    jitter_s: Annotated[float, Setting(read_duration, "_s")] = 0.0
    rate_per_s: Annotated[float | None, Setting(read_rate, "_per_s")] = None
    until_s: Annotated[float | None, Setting(read_duration, "_s")] = None
    for_s: Annotated[float | None, Setting(read_positive_duration, "_s")] = None
    probability: Annotated[float | None, Setting(read_probability)] = None


class FaultError(ValueError):
    """What is wrong with a `[[fault]]` as a whole; `key` is the one to look at."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@frozen
class Fault:
    """A fault that was understood. `number` counts those of a configuration, from 0; `target` is None for the CSMS.

    `undoing` ends what `deed` began; where `self_ending`, the charge point does that itself after `for_s`.
    """

    number: int
    config: FaultConfig
    deed: Deed
    target: Target | None
    undoing: Command | None
    self_ending: bool

    @property
    def for_s(self) -> float | None:
        """How long what it began lasts; None is to the end of the load."""
        if self.self_ending:
            own: float | None = getattr(self.deed, "for_s", None)
            return own
        return self.config.for_s

    @property
    def what(self) -> str:
        """What happens, and for how long."""
        config = self.config
        share = "" if config.probability is None else f" with probability {config.probability:g}"
        return f"{config.do}{share}" + ("" if config.for_s is None else f" for {format_duration(config.for_s)}")

    @property
    def whom(self) -> str:
        """Whom it befalls."""
        return "the CSMS" if self.target is None else self.target.render()

    @property
    def when(self) -> str:
        """When it strikes, for people."""
        config = self.config
        begins = "" if config.at_s is None else f" from {format_duration(config.at_s)} on"
        ends = "" if config.until_s is None else f" until {format_duration(config.until_s)}"
        if config.every_s is not None:
            jitter = f", up to {format_duration(config.jitter_s)} later," if config.jitter_s else ""
            return f"every {format_duration(config.every_s)}{jitter}{begins}{ends}"
        if config.rate_per_s is not None:
            return f"{config.rate_per_s * 3600:.4g}/h for each{begins}{ends}"
        return f"at {format_duration(config.at_s or 0.0)}"

    # ---- when it strikes ---------------------------------------------------------------------------------------------

    def instants_s(self, seed: int, end_s: float) -> Iterator[float]:
        """When all of its target are struck together, s after the run began, before `end_s`; none where it has a rate.

        In order, unless the jitter is larger than the period.
        """
        config = self.config
        if config.rate_per_s is not None:
            return
        if config.every_s is None:
            if config.at_s is not None and config.at_s < end_s:
                yield config.at_s
            return
        first_s = config.every_s if config.at_s is None else config.at_s
        end_s = end_s if config.until_s is None else min(end_s, config.until_s)
        turn = 0
        while (base_s := first_s + turn * config.every_s) < end_s:
            at_s = base_s + config.jitter_s * unit(seed, f"fault/{self.number}/{turn}/jitter")
            if at_s < end_s:
                yield at_s
            turn += 1

    def strikes_s(self, seed: int, end_s: float, address: Address) -> Iterator[float]:
        """When this one is struck by itself, a Poisson process; nothing where it has no rate."""
        config = self.config
        if config.rate_per_s is None:
            return
        at_s = config.at_s or 0.0
        end_s = end_s if config.until_s is None else min(end_s, config.until_s)
        turn = 0
        while True:
            drawn = unit(seed, f"fault/{self.number}/{address[0]}/{address[1]}/{turn}")
            at_s += -math.log1p(-drawn) / config.rate_per_s
            if at_s >= end_s:
                return
            yield at_s
            turn += 1


def understood(config: FaultConfig, number_: int) -> Fault:
    """What a `[[fault]]` comes to; raises FaultError."""
    if not config.do:
        raise FaultError("do", "missing: expected a command, a network fault or restart-csms")
    _check_times(config)
    done = deed(config.do)
    if isinstance(done, RestartCsms):
        for key, value in (("target", config.target), ("probability", config.probability)):
            if value is not None:
                raise FaultError(key, f"expected none: there is one CSMS, and {RESTART_CSMS} is all that befalls it")
        return Fault(number_, config, done, None, None, self_ending=False)
    if config.probability is not None:
        if not isinstance(done, Impair):
            raise FaultError("probability", f"expected none: only network faults have one, {_verb(done)} is none")
        done = evolve(done, probability=config.probability)
    undone_by = undoing(done)
    ends_itself = isinstance(done, Impair | InjectFault | PowerCut)
    if config.for_s is not None:
        if undone_by is None:
            raise FaultError("for", f"expected none: there is nothing that undoes {config.do!r}")
        if isinstance(done, Impair | InjectFault | PowerCut):
            if done.for_s is not None:
                raise FaultError("for", "expected a duration either here or in do, got both")
            done = evolve(done, for_s=config.for_s)
    return Fault(number_, config, done, _aimed(config, done), undone_by, ends_itself)


def all_understood(configs: Sequence[FaultConfig]) -> list[Fault]:
    """Those of a configuration that has no mistakes."""
    return [understood(config, number_) for number_, config in enumerate(configs)]


class Roll:
    """The directory of a fleet that does not run yet, by id how many connectors each has: nobody has a status."""

    def __init__(self, connectors: Mapping[str, int]) -> None:
        self._connectors = connectors
        self.ids = tuple(connectors)

    def known(self, charge_point_id: str) -> bool:
        """Is it of this fleet?"""
        return charge_point_id in self._connectors

    def connectors(self, charge_point_id: str) -> int:
        """How many connectors it has."""
        return self._connectors[charge_point_id]

    def status(self, _charge_point_id: str, _connector: int) -> ConnectorStatus | None:
        """Nobody knows."""
        return None


def mistakes(configs: Sequence[FaultConfig], roll: Roll, *, csms_is_embedded: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with them, for a fleet of these: (path, what was expected)."""
    for number_, config in enumerate(configs):
        path = f"fault[{number_}]"
        try:
            fault = understood(config, number_)
            if fault.target is not None:
                # Whatever their status will be then, and whoever is drawn.
                evolve(fault.target, statuses=(), sample=None).resolve(roll)
            elif not csms_is_embedded:
                yield f"{path}.do", f"{RESTART_CSMS}: expected the embedded CSMS, but csms.url names another"
        except FaultError as error:
            yield f"{path}.{error.key}", str(error)
        except TargetError as error:
            yield f"{path}.target", str(error)


def _check_times(config: FaultConfig) -> None:
    at_s, every_s, rate_per_s, until_s = config.at_s, config.every_s, config.rate_per_s, config.until_s
    if at_s is None and every_s is None and rate_per_s is None:
        raise FaultError("at", "missing: expected when it strikes: at, every or rate")
    if every_s is not None and rate_per_s is not None:
        raise FaultError("rate", "expected either every (all together) or rate (each for itself), got both")
    if config.jitter_s and every_s is None:
        raise FaultError("jitter", "expected every beside it")
    if until_s is not None:
        if every_s is None and rate_per_s is None:
            raise FaultError("until", "expected every or rate beside it; how long a fault lasts is for")
        if until_s <= (at_s or 0.0):
            raise FaultError("until", f"expected later than at, got {format_duration(until_s)}")


def _aimed(config: FaultConfig, command: Command) -> Target:
    """Whom it is for, in the sort that the command wants; raises FaultError."""
    aims = command.aims
    everywhere = "*/*" if aims is Aim.CONNECTOR else "*"
    text = config.target or everywhere
    # `~20%` of whatever the command is for: a fifth of the connectors would be far more than a fifth of the posts.
    target = parse_target(everywhere + text if text[0] in "@~" else text)
    if aims is Aim.CHARGE_POINT and target.aim is Aim.CONNECTOR:
        return target.of_charge_points()
    if aims is Aim.CONNECTOR and target.aim is Aim.CHARGE_POINT:
        raise FaultError("target", f"{expected('connectors', text)}: {_verb(command)} needs them, such as CP0001/1")
    return target


def _verb(command: Command) -> str:
    kind: type[Spoken] = type(command)
    return kind.verb
