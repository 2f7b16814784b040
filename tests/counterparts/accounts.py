"""The tests' own reading of the counterpart's records and of the wire: is every transaction there, once, and whole?

Nothing here asks the fleet: what it thinks of its run is in its exit code and its summary, and compared with this.
"""

import itertools
import json
from typing import Any

from attrs import frozen
from counterparts.wire import Call, Wire

Record = dict[str, Any]

REGISTER = "Energy.Active.Import.Register"


@frozen
class Account:
    """One transaction, closed."""

    start: Record
    stop: Record

    @property
    def energy_wh(self) -> int:
        return int(self.stop["meter_stop_wh"] - self.start["meter_start_wh"])


def accounts(records: list[Record]) -> list[Account]:
    """Every start with its one stop; AssertionError where one of them is missing, or says something else."""
    starts = {record["transaction_id"]: record for record in records if record["kind"] == "start"}
    stops = {record["transaction_id"]: record for record in records if record["kind"] == "stop"}
    kinds = [record["kind"] for record in records]
    assert (len(starts), len(stops)) == (kinds.count("start"), kinds.count("stop")), "an id came twice"
    assert starts.keys() == stops.keys(), (starts.keys() ^ stops.keys(), "is open, or was never opened")
    assert "orphan-stop" not in kinds
    assert all(record["same"] for record in records if record["kind"] == "repeated-stop")
    closed = [Account(starts[id], stops[id]) for id in sorted(starts)]
    for account in closed:
        same = ("charge_point", "connector", "id_tag", "meter_start_wh", "started_at")
        assert _shown(account.start, *same) == _shown(account.stop, *same), account
        assert account.energy_wh == account.stop["energy_wh"], account
        assert account.energy_wh >= 0, account
    assert len({start_of(account.start) for account in closed}) == len(closed), "one start, two transactions"
    return closed


def start_of(record: Record) -> tuple[Any, ...]:
    return tuple(record[name] for name in ("charge_point", "connector", "id_tag", "started_at"))


def assert_registers_are_continuous(closed: list[Account]) -> None:
    """Between two transactions a register stands still, also over resets: no Wh goes unbilled, none is billed twice."""
    by_connector: dict[tuple[str, int], list[Account]] = {}
    for account in closed:
        by_connector.setdefault((account.start["charge_point"], account.start["connector"]), []).append(account)
    for connector, here in by_connector.items():
        for before, after in itertools.pairwise(here):
            assert before.stop["meter_stop_wh"] == after.start["meter_start_wh"], (connector, before, after)


def assert_the_wire_says_the_same(wire: Wire, closed: list[Account]) -> None:
    """Start and stop as the charge points sent them are those in the records, and the samples lie between them."""
    by_id = {account.start["transaction_id"]: account for account in closed}
    sent: dict[int, set[str]] = {}
    registers: dict[int, float] = {}
    for calls in wire.of_transactions().values():
        for call in calls:
            if call.action == "StartTransaction":
                id = (call.result or {}).get("transactionId")
                if id is None:
                    continue  # said again: every start in the records is found by its answer
                account = by_id[id]
                assert _shown(call.payload, "meterStart", "timestamp") == _shown(
                    account.start, "meter_start_wh", "started_at"
                )
            else:
                id = call.payload["transactionId"]
                account = by_id[id]
                assert account.start["charge_point"] == call.charge_point, call
            sent.setdefault(id, set()).add(call.action)
            if call.action == "StopTransaction":
                assert _shown(call.payload, "meterStop", "timestamp") == _shown(
                    account.stop, "meter_stop_wh", "stopped_at"
                )
            for register_wh in register_values(call):
                before_wh = registers.get(id, float(account.start["meter_start_wh"]))
                assert before_wh <= register_wh, (call, "the meter fell")
                assert register_wh <= account.stop["meter_stop_wh"], (call, "above the meterStop")
                # Transaction data repeats what was sampled before.
                registers[id] = register_wh if call.action == "MeterValues" else before_wh
    assert sent.keys() == by_id.keys()
    assert all({"StartTransaction", "StopTransaction"} <= actions for actions in sent.values())


def register_values(call: Call) -> list[float]:
    """The values of the energy register in MeterValues, and the last one in a StopTransaction's transaction data."""
    found = [
        float(value["value"])
        for meter_value in call.payload.get("meterValue") or call.payload.get("transactionData") or ()
        for value in meter_value["sampledValue"]
        if value.get("measurand", REGISTER) == REGISTER and "phase" not in value
    ]
    return found if call.action == "MeterValues" else found[-1:]


def _shown(values: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(values[name] for name in names)


def assert_only_what_went_unanswered_came_again(wire: Wire, call_timeout_s: float = 30.0) -> int:
    """A transaction message comes again only where its answer was refused, or may have been lost with its connection.

    The counterpart writes down what it answers before the answer is on its way. So of a connection that was cut, or
    of a process that was killed, the last CALL may look answered and still have to come again, once connected. The
    same holds for an answer that came when the charge point had nearly or quite given up waiting for it.
    In any case it comes before anything else of this charge point's: nothing overtakes it. Returns how many came.
    """
    last = wire.last_calls()
    repeated = 0
    for calls in wire.of_transactions().values():
        seen: dict[str, int] = {}
        for index, call in enumerate(calls):
            key = json.dumps([call.action, call.payload], sort_keys=True)
            before = seen.get(key)
            seen[key] = index
            if before is None:
                continue
            repeated += 1
            earlier = calls[before]
            cut_off = last[earlier.charge_point, earlier.connection] is earlier and call.connection > earlier.connection
            late = earlier.answered_at is not None and earlier.answered_at - earlier.at > 0.8 * call_timeout_s
            assert earlier.result is None or cut_off or late, (earlier, call, "was answered, and came again")
            assert before == index - 1, (earlier, calls[index - 1], call, "was overtaken")
    return repeated
