"""The scenario files that a configuration names: read with it, so that a bad line is told before anything starts."""

from attrs import evolve

from fleet.commands.scenario import Scenario, ScenarioError
from fleet.control.scenario_file import read_scenario
from fleet.load.config import DriversConfig, RunConfig, ScenarioConfig
from fleet.load.planning import plans


def read_scenarios(config: RunConfig) -> list[Scenario]:
    """The scenarios of a configuration, in its order; raises ScenarioError with every bad line of all files."""
    if not config.scenario:
        return []
    ids = {plan.id for plan in plans(config)}
    found: list[Scenario] = []
    wrong: dict[str, None] = {}
    for wanted in config.scenario:
        try:
            found.append(read_scenario(wanted.file, ids.__contains__))
        except ScenarioError as error:
            wrong[str(error)] = None
    if wrong:
        raise ScenarioError("\n".join(wrong))
    return found


def alone(config: RunConfig, scenarios: tuple[ScenarioConfig, ...]) -> RunConfig:
    """A run in which nothing happens but these scenarios: no drivers, and over when they are."""
    return evolve(config, scenario=scenarios, drivers=DriversConfig(arrivals_per_s=0.0))


def lasting(config: RunConfig) -> RunConfig:
    """The run as long as its scenarios take when everybody answers at once; raises ScenarioError."""
    ramp_s = config.charge_point_count / config.csms.connect_rate_per_s
    ends_s = [
        (ramp_s if wanted.at_s is None else wanted.at_s) + scenario.duration_s
        for wanted, scenario in zip(config.scenario, read_scenarios(config), strict=True)
    ]
    return evolve(config, duration_s=max(1.0, *ends_s))
