"""The configuration of a run, as frozen classes: what a TOML file says, what flags override, what defaults fill in.

A class here is a table in the file, a field is a key in it. A quantity that carries its own unit in the file loses the
unit in its key: `duration_s` is `duration = "30s"`, `arrivals_per_s` is `arrivals = "6/h"`; where the file has a plain
number the key keeps the unit, as in `power_w = 7200`. Every field's annotation carries its reader (`settings.py`).

`RunConfig()` with nothing said is `configs/quickstart.toml`: a busy half minute that shows every message. What only
becomes wrong together (two groups with the same ids, a tag pool smaller than the fleet) is found by `mistakes`, after
the command line had its say; `planning.py` then derives every charge point from its global index alone.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from attrs import evolve, field, frozen

from fleet.core.configuration import Configuration, settled
from fleet.core.keys import find, normal, unknown
from fleet.errors import ConfigurationError
from fleet.link.endpoint import mask
from fleet.load.distributions import Constant, Distribution, Uniform
from fleet.load.faults import FaultConfig, Roll
from fleet.load.faults import mistakes as fault_mistakes
from fleet.load.objectives import ObjectiveConfig, read_objective
from fleet.load.security import AUTO, KEY_FORMS
from fleet.load.security import mistakes as security_mistakes
from fleet.load.settings import (
    Mistakes,
    Setting,
    choice,
    distribution,
    expected,
    number,
    read_duration,
    read_flag,
    read_pattern,
    read_positive_duration,
    read_rate,
    read_rate_or_none,
    read_seed,
    read_target,
    read_url,
    read_whole_duration,
    text,
    whole,
)
from fleet.words import Current

DEFAULT_ID = "CP{:04}"
EVERYBODY = "*/*"
CONNECTORS_MAX = 100
CHARGE_POINTS_MAX = 1_000_000
# CiString20Type, CiString25Type (OCPP 1.6 sections 7.8, 7.9): IdToken, and a serial number.
_ID_TAG_LENGTH_MAX = 20
_SERIAL_LENGTH_MAX = 25
# Keys that are not to be set as such, and what is: a password is named and never written.
_ELSEWHERE = {"AuthorizationKey": "csms.password_env or csms.password_file", "SecurityProfile": "csms.security_profile"}


def configuration_text(value: object) -> str:
    """A value of an OCPP configuration key as OCPP writes it: a string, also for numbers and booleans."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise expected("a text, a whole number, true or false", value)


def read_configuration(value: object) -> Mapping[str, str]:
    """OCPP configuration keys with their values, each checked against OCPP 1.6 section 9.1."""
    if not isinstance(value, dict):
        raise expected("a table of OCPP configuration keys", value)
    read: dict[str, str] = {}
    wrong: list[tuple[str, str]] = []
    for name, setting in value.items():
        try:
            key, text_ = read_key(name, configuration_text(setting))
        except ValueError as error:
            wrong.append((name, str(error)))
            continue
        if key in read:
            wrong.append((name, f"expected {key} once, but it is set twice in different capitals"))
        read[key] = text_
    if wrong:
        raise Mistakes(wrong)
    return read


def read_key(name: str, value: str) -> tuple[str, str]:
    """One OCPP configuration key in the specification's capitals, with its value; ValueError says what was expected."""
    key = find(name)
    if key is None:
        raise ValueError(unknown(name))
    return key.name, normal(key, value)


def read_current(value: object) -> Current:
    """AC or DC."""
    return Current(choice("AC", "DC")(value))


def read_phases(value: object) -> int:
    """One phase or three."""
    if whole(1, 3)(value) == 2:
        raise expected("1 or 3", value)
    return whole(1, 3)(value)


Flag = Annotated[bool, Setting(read_flag)]
Share = Annotated[float, Setting(number(0, 1))]
Positive = Annotated[float, Setting(number(1))]
Count = Annotated[int, Setting(whole(1, CHARGE_POINTS_MAX))]
Duration = Annotated[float, Setting(read_duration, "_s")]
PositiveDuration = Annotated[float, Setting(read_positive_duration, "_s")]
Rate = Annotated[float, Setting(read_rate, "_per_s")]
RateOrNone = Annotated[float, Setting(read_rate_or_none, "_per_s")]
Pattern = Annotated[str, Setting(read_pattern)]
Text20 = Annotated[str, Setting(text(20))]
Name = Annotated[str, Setting(text(4096))]
Target = Annotated[str, Setting(read_target)]
StayDistribution = Annotated[Distribution, Setting(distribution(read_duration), "_s")]
EnergyDistribution = Annotated[Distribution, Setting(distribution(number(1), least=1.0))]
Objective = Annotated[ObjectiveConfig, Setting(read_objective)]
ShareDistribution = Annotated[Distribution, Setting(distribution(number(0, 1), most=1.0))]


@frozen
class CsmsConfig:
    """The central system and how the fleet comes to it.

    `url` None means the embedded one, which answers after `latency_s`. `connect_rate_per_s` is the ramp. The interval
    in BootNotification's answer overrides the key HeartbeatInterval: `heartbeat_interval_s` is what the embedded CSMS
    says there, and what `fleet check` expects another to say. The password of HTTP basic authentication (whose name is
    the charge point's id) is named here, never written: by `password_env` or `password_file`. A lost connection is
    tried again after a random part of `backoff_base_s` doubled per failure, at most `backoff_max_s`.

    For TLS: `tls` is a folder made by `fleet certs`, in the place of `ca_file` (who vouches for the CSMS; else whom the
    system trusts), `client_cert` and `client_key` (what charge points show, `{id}` standing for theirs). `secure_url`
    is where security profiles 2 and 3 lead to, if `url` is without TLS. `security_profile` None is what all this comes
    to (`security.py`). `authorization_key_form` is how a password is written that the CSMS gives as AuthorizationKey:
    "auto" takes 32 to 40 hexadecimal digits for the bytes that they stand for, "text" takes it as it is.
    """

    url: Annotated[str | None, Setting(read_url)] = field(default=None, repr=lambda url: repr(url and mask(url)))
    connect_rate_per_s: Rate = 50.0
    call_timeout_s: PositiveDuration = 30.0
    heartbeat_interval_s: Annotated[float | None, Setting(read_whole_duration, "_s")] = None
    latency_s: Duration = 0.0
    backoff_base_s: PositiveDuration = 1.0
    backoff_max_s: PositiveDuration = 60.0
    password_env: Name | None = None
    password_file: Name | None = None
    ca_file: Name | None = None
    security_profile: Annotated[int | None, Setting(whole(0, 3))] = None
    secure_url: Annotated[str | None, Setting(read_url)] = field(default=None, repr=lambda url: repr(url and mask(url)))
    tls: Name | None = None
    client_cert: Name | None = None
    client_key: Name | None = None
    verify: Flag = True
    authorization_key_form: Annotated[str, Setting(choice(*KEY_FORMS))] = AUTO

    def password(self) -> str | None:
        """The password from where it is kept, None when there is none; raises ConfigurationError."""
        if self.password_env is not None:
            if not (password := os.environ.get(self.password_env)):
                raise ConfigurationError(f"csms.password_env: the environment has no {self.password_env}")
            return password
        if self.password_file is not None:
            try:
                return Path(self.password_file).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"csms.password_file: can't read {self.password_file}: {error}") from None
        return None


@frozen
class GroupConfig:
    """`count` charge points that are alike; `{}` in `id` and `serial_number` is the global index, counted from 1.

    `power_w` is the most each connector offers. `finishing_s`, `reboot_s` and `install_s` are as in `fleet.core.plan`.
    """

    id: Pattern = DEFAULT_ID
    count: Count = 1
    connectors: Annotated[int, Setting(whole(1, CONNECTORS_MAX))] = 2
    vendor: Text20 = "Fleet"
    model: Text20 = "Simulated"
    serial_number: Pattern | None = None
    firmware_version: Annotated[str | None, Setting(text(50))] = None
    power_w: Positive = 7_200.0
    current: Annotated[Current, Setting(read_current)] = Current.AC
    phases: Annotated[int, Setting(read_phases)] = 1
    voltage_v: Positive = 230.0
    fixed_cable: Flag = False
    finishing_s: Duration = 2.0
    reboot_s: Duration = 1.0
    install_s: Duration = 5.0
    configuration: Annotated[Mapping[str, str], Setting(read_configuration)] = field(factory=dict)


@frozen
class EvConfig:
    """The cars: see `fleet.commands.vocabulary.EV`. Their power is high so that the connector's limit decides."""

    battery_wh: EnergyDistribution = field(default=Constant(60_000.0))
    soc: ShareDistribution = field(default=Uniform(0.1, 0.6))
    power_max_w: EnergyDistribution = field(default=Constant(150_000.0))
    taper_from_soc: Annotated[float, Setting(number(0.01, 1))] = 0.8


@frozen
class DriversConfig:
    """Who comes to charge, and how they go about it.

    Drivers arrive as a Poisson process at `arrivals_per_s` (0: nobody comes), `per` fleet, going to any free
    connector, or per connector; who finds nothing free drives on. They leave after `stay_s`, or when the car has
    `energy_wanted_wh`, whichever comes first of those that are given. `order` is plug-first, identify-first, or mixed
    with `identify_first_share`. `pause_s` passes between one act and the next: cable, tag; tag, cable. `id_tags` is the
    size of the pool (None: one for each connector), so that no tag is in two transactions at once.
    """

    arrivals_per_s: RateOrNone = 0.125
    per: Annotated[str, Setting(choice("fleet", "connector"))] = "connector"
    energy_wanted_wh: EnergyDistribution | None = None
    stay_s: StayDistribution | None = field()
    order: Annotated[str, Setting(choice("plug-first", "identify-first", "mixed"))] = "plug-first"
    identify_first_share: Share = 0.5
    pause_s: StayDistribution = field(default=Uniform(0.2, 0.8))
    id_tag: Pattern = "TAG{:06}"
    id_tags: Count | None = None
    ev: EvConfig = EvConfig()

    @stay_s.default
    def _stay_default(self) -> Distribution | None:
        # Whoever says how much energy is wanted and nothing else means that the car decides.
        return None if self.energy_wanted_wh is not None else Uniform(3.0, 7.0)

    @property
    def share_identifying_first(self) -> float:
        """The share of drivers who identify before they plug in."""
        return {"plug-first": 0.0, "identify-first": 1.0}.get(self.order, self.identify_first_share)


@frozen
class ScenarioConfig:
    """A scenario to run beside the load: `file` has its lines, and those that name no target act on `target`.

    It begins `at_s` after the run does; None is once every charge point is registered.
    """

    file: Name = ""
    target: Target = EVERYBODY
    at_s: Annotated[float | None, Setting(read_duration, "_s")] = None


QUICKSTART_GROUP = GroupConfig(
    count=100,
    configuration={
        "MeterValueSampleInterval": "2",
        "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC",
    },
)


@frozen
class RunConfig:
    """A whole run. `seed` None: one is drawn and printed. `grace_s` is how long the drain at the end may take."""

    seed: Annotated[int | None, Setting(read_seed)] = None
    duration_s: PositiveDuration = 30.0
    grace_s: Duration = 30.0
    csms: CsmsConfig = CsmsConfig()
    charge_points: tuple[GroupConfig, ...] = (QUICKSTART_GROUP,)
    drivers: DriversConfig = DriversConfig()
    scenario: tuple[ScenarioConfig, ...] = ()
    fault: tuple[FaultConfig, ...] = ()
    objectives: tuple[Objective, ...] = ()

    @property
    def charge_point_count(self) -> int:
        """Charge points in all groups."""
        return sum(group.count for group in self.charge_points)

    @property
    def connector_count(self) -> int:
        """Connectors of all charge points."""
        return sum(group.count * group.connectors for group in self.charge_points)

    @property
    def id_tag_count(self) -> int:
        """Size of the pool of id tags."""
        return self.drivers.id_tags or self.connector_count

    def id_tag(self, index: int) -> str:
        """The tag with this index, counted from 0."""
        return self.drivers.id_tag.format(index + 1)


def overridden(
    config: RunConfig,
    *,
    charge_points: int | None = None,
    csms: Mapping[str, Any],
    groups: Mapping[str, Any],
    configuration: Mapping[str, str],
    run: Mapping[str, Any],
) -> RunConfig:
    """The configuration with what the command line says, which wins over the file.

    `csms`, `groups` and `run` are attributes of those classes; `groups` and the OCPP keys in `configuration` go to
    every group, and `charge_points` of them in all are shared out in proportion.
    """
    parts = config.charge_points if charge_points is None else resized(config.charge_points, charge_points)
    parts = tuple(evolve(group, configuration={**group.configuration, **configuration}, **groups) for group in parts)
    return evolve(config, csms=evolve(config.csms, **csms), charge_points=parts, **run)


def heartbeat_interval_s(group: GroupConfig, csms: CsmsConfig) -> float:
    """The interval in effect, as far as it can be known beforehand; 0 means no heartbeats.

    BootNotification's answer overrides the key HeartbeatInterval (OCPP 1.6 section 4.2).
    """
    if csms.heartbeat_interval_s is not None:
        return csms.heartbeat_interval_s
    return float(Configuration(group.configuration, {}, group.connectors).heartbeat_interval_s)


def resized(groups: tuple[GroupConfig, ...], count: int) -> tuple[GroupConfig, ...]:
    """The groups with `count` charge points in all, shared out in proportion to what they had."""
    total = sum(group.count for group in groups)
    bounds, seen = [0], 0
    for group in groups:
        seen += group.count
        bounds.append(round(count * seen / total))
    shared = [(group, after - before) for group, before, after in zip(groups, bounds, bounds[1:], strict=False)]
    return tuple(evolve(group, count=part) for group, part in shared if part)


def mistakes(config: RunConfig) -> list[tuple[str, str]]:
    """What is wrong with settings that are right by themselves: (path, what was expected) each."""
    found = [*_group_mistakes(config), *_csms_mistakes(config.csms), *_driver_mistakes(config)]
    if config.fault and not found:
        found += fault_mistakes(config.fault, roll(config), csms_is_embedded=config.csms.url is None)
    unnamed = [number_ for number_, scenario in enumerate(config.scenario) if not scenario.file]
    return found + [(f"scenario[{number_}].file", "missing: expected a scenario's file") for number_ in unnamed]


def _group_mistakes(config: RunConfig) -> Iterator[tuple[str, str]]:
    if not config.charge_points:
        yield "charge_points", "expected at least one group"
    if config.charge_point_count > CHARGE_POINTS_MAX:
        yield "charge_points", f"expected at most {CHARGE_POINTS_MAX} charge points, got {config.charge_point_count}"
        return
    taken: dict[str, int] = {}
    for number_, group, indices in numbered(config):
        path = f"charge_points[{number_}]"
        for index in indices:
            name = group.id.format(index)
            if (other := taken.setdefault(name, number_)) != number_ or (index != indices[0] and name == group.id):
                where = f"charge_points[{other}]" if other != number_ else "this group"
                yield (
                    f"{path}.id",
                    f"expected ids of its own, but {name!r} is taken by {where} (use {{}} for the index)",
                )
                break
        for key, instead in _ELSEWHERE.items():
            if key in group.configuration:
                yield f"{path}.configuration", f"{key}: expected {instead} instead"
        try:
            settled(group.configuration, group.connectors)
        except ValueError as error:
            yield f"{path}.configuration", str(error)
        if group.serial_number and len(longest := group.serial_number.format(indices[-1])) > _SERIAL_LENGTH_MAX:
            yield f"{path}.serial_number", f"expected at most {_SERIAL_LENGTH_MAX} characters, got {longest!r}"


def _csms_mistakes(csms: CsmsConfig) -> Iterator[tuple[str, str]]:
    if csms.url is not None and csms.latency_s:
        yield "csms.latency", "expected no latency beside a url: only the embedded CSMS can be told to be slow"
    if csms.password_env is not None and csms.password_file is not None:
        yield "csms.password_file", "expected either password_env or password_file, got both"
    if csms.backoff_max_s < csms.backoff_base_s:
        yield "csms.backoff_max", f"expected no less than backoff_base ({csms.backoff_base_s:g} s)"
    yield from security_mistakes(csms)


def _driver_mistakes(config: RunConfig) -> Iterator[tuple[str, str]]:
    if config.id_tag_count < config.connector_count:
        yield (
            "drivers.id_tags",
            (
                f"expected at least {config.connector_count}, one for each connector, so that no tag is in two "
                f"transactions at once, got {config.id_tag_count}"
            ),
        )
    if config.id_tag_count > 1 and config.id_tag(0) == config.id_tag(1):
        yield "drivers.id_tag", f"expected a pattern with an index, such as 'TAG{{:06}}', got {config.drivers.id_tag!r}"
    if len(longest := config.id_tag(config.id_tag_count - 1)) > _ID_TAG_LENGTH_MAX:
        yield "drivers.id_tag", f"expected at most {_ID_TAG_LENGTH_MAX} characters (IdToken), got {longest!r}"
    if config.drivers.stay_s is None and config.drivers.energy_wanted_wh is None:
        yield "drivers.stay", "expected a stay or energy_wanted_wh, or drivers never leave"


def roll(config: RunConfig) -> Roll:
    """Everybody whom the configuration has, with how many connectors, for its faults to find."""
    return Roll(
        {group.id.format(index): group.connectors for _, group, indices in numbered(config) for index in indices}
    )


def numbered(config: RunConfig) -> Iterator[tuple[int, GroupConfig, range]]:
    """Each group with its number and the global indices (from 1) of its charge points."""
    first = 1
    for number_, group in enumerate(config.charge_points):
        yield number_, group, range(first, first + group.count)
        first += group.count
