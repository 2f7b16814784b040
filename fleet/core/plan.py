"""What a charge point is made of, before it is switched on: the frozen plans that the machines are built from.

Plans are shared: a group of a thousand equal charge points has one `ConnectorPlan` and one configuration mapping.
"""

from collections.abc import Mapping

from attrs import field, frozen
from attrs.validators import ge, gt, in_

from fleet.core.certificates import KnownCertificate
from fleet.words import Current


@frozen
class ConnectorPlan:
    """One connector's hardware.

    `power_max_w` is the most it offers; `phases` (AC: 1 or 3) and `voltage_v` (phase to neutral for AC, at the cable
    for DC) turn power into currents; `finishing_s` is how long it stays Finishing before a plugged cable counts as
    Preparing again; a `fixed_cable` can't be taken out at the charge point's end.
    """

    power_max_w: float = field(default=7_200.0, validator=gt(0))
    current: Current = Current.AC
    phases: int = field(default=1, validator=in_((1, 3)))
    voltage_v: float = field(default=230.0, validator=gt(0))
    fixed_cable: bool = False
    finishing_s: float = field(default=2.0, validator=ge(0))


@frozen
class SecurityPlan:
    """With which security profile (0 to 3) it connects, and which it could: it knows a URL, roots and a certificate.

    `has_password`: it has one without being given an AuthorizationKey. `trusts_system`: whom this system trusts is
    trusted to vouch for the CSMS from the beginning on, so that TLS takes no root of the CSMS's own.
    """

    profile: int = 0
    profiles: frozenset[int] = frozenset({0, 1})
    has_password: bool = False
    trusts_system: bool = True


_UNSECURED = SecurityPlan()


@frozen
class ChargePointPlan:
    """One charge point: who it says it is, its connectors (numbered from 1), and its configuration keys.

    `configuration` maps OCPP key names to values that differ from the defaults; `reboot_s` is how long a reset takes,
    `install_s` how long the installation of new firmware; `certificates` are the roots that it trusts from the factory.
    """

    id: str
    connectors: tuple[ConnectorPlan, ...] = (ConnectorPlan(), ConnectorPlan())
    vendor: str = "Fleet"
    model: str = "Simulated"
    serial_number: str | None = None
    firmware_version: str | None = None
    configuration: Mapping[str, str] = field(factory=dict)
    reboot_s: float = field(default=1.0, validator=ge(0))
    security: SecurityPlan = _UNSECURED
    install_s: float = field(default=5.0, validator=ge(0))
    certificates: tuple[KnownCertificate, ...] = ()
