"""The energy side of a connector: who lets how much power flow to the car, and what the meter says of it.

Power flows while both sides agree: the charge point offers (`limit_w`, `profile_w`, not suspended, not at the end of
what an invalidated id tag is still given) and the car takes (cable in, not suspended, not full). Which side doesn't is
the connector's status during a transaction; where neither does, SuspendedEVSE takes precedence.

All of it goes through a contactor, which may stick. Open, it lets nothing through, though both sides agree and the
status says so. Closed, it can't be opened any more: what flows when it should goes on until the car has enough or is
unplugged, transaction or not.

`flow` is the only place that sets a curve on the meter. A curve knows when it ends, so that between two changes there
is nothing to do: no tick, however long a transaction lasts.
"""

import math

from attrs import define, evolve

from fleet.commands.vocabulary import EV, SetEV
from fleet.core.ev import curve
from fleet.core.memory import Cable, ConnectorMemory
from fleet.core.meter import ROUNDING_WH
from fleet.core.plan import ConnectorPlan
from fleet.core.sampling import MeterState
from fleet.words import ConnectorStatus, RelayFault


@define
class Supply:
    """The power path of one connector. Instants are on the monotonic clock, in s.

    `limit_w` bends what the connector offers, None for its own limit; `profile_w` is what charging profiles leave of it
    (OCPP 1.6 section 3.13), in a transaction or before one; `cap_wh` is what has passed the meter when the
    charge point stops offering, inf for never; a car that is `ev_unheard` is offered nothing.
    """

    plan: ConnectorPlan
    memory: ConnectorMemory
    limit_w: float | None = None
    profile_w: float = math.inf
    ev_suspended: bool = False
    evse_suspended: bool = False
    ev_unheard: bool = False
    cap_wh: float = math.inf

    def reset(self) -> None:
        """A new transaction: nobody has suspended anything yet."""
        self.ev_suspended = self.evse_suspended = self.ev_unheard = False
        self.cap_wh = math.inf

    def flow(self, at: float) -> ConnectorStatus:
        """Let flow what may flow from now on, until the meter's `ends_at`; says which status that is."""
        memory = self.memory
        meter = memory.meter
        passed_wh = meter.passed_wh(at)
        limit_w = self.offered_w(passed_wh)
        if limit_w <= 0:
            self.open(at)
            return ConnectorStatus.SUSPENDED_EVSE
        ev = memory.ev
        if self.ev_suspended or memory.cable is not Cable.PLUGGED or ev is None:
            self.open(at)
            return ConnectorStatus.SUSPENDED_EV
        taken_wh = passed_wh - memory.plugged_wh
        if self.cap_wh < math.inf:
            # The end of the allowance is one more reason to stop asking, so the curve finds its instant for us.
            allowed_wh = taken_wh + self.cap_wh - passed_wh
            wanted_wh = math.inf if ev.energy_wanted_wh is None else ev.energy_wanted_wh
            ev = evolve(ev, energy_wanted_wh=min(wanted_wh, allowed_wh))
        ahead = curve(ev, _soc(ev, taken_wh), taken_wh, limit_w)
        # What would be over at this very instant, as floats go, is over.
        if ahead.wanted_wh <= ROUNDING_WH or at + ahead.ends_at <= at:
            meter.stop(at)
            return ConnectorStatus.SUSPENDED_EV
        if memory.relay is RelayFault.OPEN:
            meter.stop(at)
        else:
            meter.start(ahead, at)
        return ConnectorStatus.CHARGING

    def open(self, at: float) -> None:
        """Let nothing flow any more; contacts that are welded can't but let a car go on that still takes."""
        memory = self.memory
        welded = memory.relay is RelayFault.CLOSED
        if welded and memory.cable is Cable.PLUGGED and not self.ev_suspended and at < memory.meter.ends_at:
            return
        memory.meter.stop(at)

    def change_ev(self, order: SetEV, at: float) -> str | None:
        """Another car, as far as `order` says: it counts from now what it takes, beginning with what it has now."""
        memory = self.memory
        ev = memory.ev
        if memory.cable is not Cable.PLUGGED or ev is None:
            return "No car is plugged in"
        passed_wh = memory.meter.passed_wh(at)
        taken_wh = passed_wh - memory.plugged_wh
        wanted_wh = ev.energy_wanted_wh
        memory.ev = EV(
            battery_wh=_said(order.battery_wh, ev.battery_wh),
            soc=_said(order.soc, _soc(ev, taken_wh)),
            power_max_w=_said(order.power_max_w, ev.power_max_w),
            energy_wanted_wh=order.energy_wanted_wh
            if order.energy_wanted_wh is not None or wanted_wh is None
            else max(0.0, wanted_wh - taken_wh),
            taper_from_soc=_said(order.taper_from_soc, ev.taper_from_soc),
        )
        memory.plugged_wh = passed_wh
        return None

    def offered_w(self, passed_wh: float) -> float:
        """The power that the charge point offers when so much has passed the meter, in W."""
        if self.evse_suspended or self.ev_unheard or passed_wh >= self.cap_wh - ROUNDING_WH:
            return 0.0
        own_w = min(self.plan.power_max_w, self.profile_w)
        return own_w if self.limit_w is None else min(own_w, self.limit_w)

    def state(self, at: float, since_wh: float) -> MeterState:
        """What there is to sample; `since_wh` is the register's value at the reading before this one."""
        memory = self.memory
        register_wh, passed_wh = memory.meter.register_wh(at), memory.meter.passed_wh(at)
        ev = memory.ev if memory.cable is Cable.PLUGGED else None
        return MeterState(
            register_wh,
            memory.meter.power_w(at),
            register_wh - since_wh,
            None if ev is None else _soc(ev, passed_wh - memory.plugged_wh),
            0.0 if memory.transaction is None else self.offered_w(passed_wh),
        )


def _soc(ev: EV, taken_wh: float) -> float:
    return min(1.0, ev.soc + taken_wh / ev.battery_wh)


def _said(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
