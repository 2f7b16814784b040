"""The plans of a run's charge points: each a function of its global index and its group, and of nothing else.

So a charge point that a growing fleet adds is the one that a larger fleet would have begun with.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from fleet.core.certificates import KnownCertificate
from fleet.core.plan import ChargePointPlan, ConnectorPlan, SecurityPlan
from fleet.errors import ConfigurationError
from fleet.load.config import CsmsConfig, GroupConfig, RunConfig, numbered
from fleet.load.security import means_of, root_of
from fleet.words.security import CertificateUse

_FACTORY_ROOTS_MAX = 4


def plan_at(config: RunConfig, index: int) -> ChargePointPlan:
    """The charge point with this global index, counted from 1; beyond those configured, one more of the last group.

    Raises `ConfigurationError` where the last group's pattern can't name it.
    """
    first = 1
    for group in config.charge_points[:-1]:
        if index < first + group.count:
            break
        first += group.count
    else:
        group = config.charge_points[-1]
        name, last = group.id.format(index), first + group.count - 1
        if index > last and name in (group.id, group.id.format(last)):
            raise ConfigurationError(f"charge_points.id: {group.id!r} has no {{}} to name charge point {index} by")
    return _planned(group, range(index, index + 1), means_of(config.csms), _factory_roots(config.csms), {}, {})[0]


def plans(config: RunConfig) -> list[ChargePointPlan]:
    """Every charge point of the fleet, by global index; alike ones share their connector plan and configuration."""
    made: list[ChargePointPlan] = []
    connector_plans: dict[ConnectorPlan, ConnectorPlan] = {}
    configurations: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
    security, certificates = means_of(config.csms), _factory_roots(config.csms)
    for _, group, indices in numbered(config):
        made.extend(_planned(group, indices, security, certificates, connector_plans, configurations))
    return made


def _planned(
    group: GroupConfig,
    indices: range,
    security: SecurityPlan,
    certificates: tuple[KnownCertificate, ...],
    connector_plans: dict[ConnectorPlan, ConnectorPlan],
    configurations: dict[tuple[tuple[str, str], ...], Mapping[str, str]],
) -> list[ChargePointPlan]:
    """A group's charge points with these global indices; what is alike is taken from, or put into, the mappings."""
    plan = ConnectorPlan(
        power_max_w=group.power_w,
        current=group.current,
        phases=group.phases,
        voltage_v=group.voltage_v,
        fixed_cable=group.fixed_cable,
        finishing_s=group.finishing_s,
    )
    connectors = (connector_plans.setdefault(plan, plan),) * group.connectors
    configuration = group.configuration
    if security.profile:
        configuration = {**configuration, "SecurityProfile": str(security.profile)}
    configuration = configurations.setdefault(tuple(sorted(configuration.items())), configuration)
    return [
        ChargePointPlan(
            id=group.id.format(index),
            connectors=connectors,
            vendor=group.vendor,
            model=group.model,
            serial_number=group.serial_number and group.serial_number.format(index),
            firmware_version=group.firmware_version,
            configuration=configuration,
            reboot_s=group.reboot_s,
            install_s=group.install_s,
            security=security,
            certificates=certificates,
        )
        for index in indices
    ]


def _factory_roots(csms: CsmsConfig) -> tuple[KnownCertificate, ...]:
    """The root that vouches for the CSMS is one that a charge point comes with, as if it had been installed.

    So a certificate that it is given must be under it, as the white paper's certificate hierarchy wants, and it is told
    of like any other. A file of many is no operator's root but whom a system trusts.
    """
    root = root_of(csms)
    try:
        roots = () if root is None else _known_roots(root)
    except (OSError, ValueError):
        return ()  # who makes the connections says what is wrong with it
    return roots if len(roots) <= _FACTORY_ROOTS_MAX else ()


@lru_cache(maxsize=8)
def _known_roots(file: Path) -> tuple[KnownCertificate, ...]:
    # Only here: fleets without a PKI needn't load what reads certificates.
    from fleet.errands.certificates import known_roots

    return known_roots(CertificateUse.CENTRAL_SYSTEM_ROOT, file.read_text())
