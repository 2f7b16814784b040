"""The books of a CSMS: every transaction that it was told of, and whatever doesn't add up.

A CSMS can't help being told twice: an answer that a cut swallowed makes the charge point say it again. So what counts
is not the message but what it says: the same start is the same transaction, and a second stop has to say the same as
the first.
"""

import itertools
from typing import Any

from attrs import define, field, frozen
from counterparts.scripted import ScriptedCentral

Payload = dict[str, Any]


@frozen
class Start:
    """What identifies a transaction to a CSMS that hasn't given it an id yet."""

    charge_point: str
    connector: int
    id_tag: str
    meter_start: int
    timestamp: str


@define(eq=False)
class Books:
    """Answers StartTransaction, StopTransaction and MeterValues at `central`, and keeps account.

    `starts` gives each start its transaction id, `stops` each id its StopTransaction; `repeats` counts what was told
    again; `faults` are one line each.
    """

    central: ScriptedCentral
    starts: dict[Start, int] = field(factory=dict)
    stops: dict[int, Payload] = field(factory=dict)
    repeats: int = 0
    faults: list[str] = field(factory=list)
    _registers: dict[tuple[str, int], float] = field(factory=dict)
    _ids: Any = field(factory=lambda: itertools.count(1))

    def open(self) -> "Books":
        """Keep the books from now on."""
        self.central.answers.update(StartTransaction=self._start, StopTransaction=self._stop, MeterValues=self._meter)
        return self

    def taken_over(self, central: ScriptedCentral) -> "Books":
        """The same books, kept at another central."""
        self.central = central
        return self.open()

    @property
    def running(self) -> list[Start]:
        """Started, and not stopped yet."""
        return [start for start, id in self.starts.items() if id not in self.stops]

    def energy_wh(self, charge_point: str | None = None) -> int:
        """All that was billed."""
        return sum(
            self.stops[id]["meterStop"] - start.meter_start
            for start, id in self.starts.items()
            if id in self.stops and charge_point in (None, start.charge_point)
        )

    def _start(self, payload: Payload) -> Payload:
        start = Start(
            self.central.heard[-1].charge_point,
            payload["connectorId"],
            payload["idTag"],
            payload["meterStart"],
            payload["timestamp"],
        )
        if start in self.starts:
            self.repeats += 1
        else:
            self._rise(start.charge_point, start.connector, start.meter_start)
            for other in self.running:
                if (other.charge_point, other.connector) == (start.charge_point, start.connector):
                    self.faults.append(f"{start} began while {other} was running")
            self.starts[start] = next(self._ids)
        return {"transactionId": self.starts[start], "idTagInfo": {"status": "Accepted"}}

    def _stop(self, payload: Payload) -> Payload:
        id = payload["transactionId"]
        start = self._known(id, "StopTransaction")
        if start is not None:
            if id not in self.stops:
                self._rise(start.charge_point, start.connector, payload["meterStop"])
                self.stops[id] = payload
            elif self.stops[id] == payload:
                self.repeats += 1
            else:
                self.faults.append(f"{start} was stopped twice: {self.stops[id]}, then {payload}")
        return {"idTagInfo": {"status": "Accepted"}}

    def _meter(self, payload: Payload) -> Payload:
        id = payload.get("transactionId")
        if id is not None:
            start = self._known(id, "MeterValues")
            if start is not None and id not in self.stops:
                for meter_value in payload["meterValue"]:
                    for value in meter_value["sampledValue"]:
                        if value["measurand"] == "Energy.Active.Import.Register":
                            self._rise(start.charge_point, start.connector, float(value["value"]))
            elif start is not None:
                self.faults.append(f"{start} was metered after its end")
        return {}

    def _known(self, id: int, action: str) -> Start | None:
        name = self.central.heard[-1].charge_point
        for start, known in self.starts.items():
            if known == id and start.charge_point == name:
                return start
        self.faults.append(f"{action} of {name} with transaction id {id}, which it was never given")
        return None

    def _rise(self, charge_point: str, connector: int, register_wh: float) -> None:
        key = (charge_point, connector)
        # A start and a stop are told in whole Wh, rounded down, a sample in thousandths.
        if register_wh < self._registers.get(key, 0.0) - 1.0:
            self.faults.append(f"the meter of {charge_point}/{connector} fell to {register_wh}")
        self._registers[key] = register_wh
