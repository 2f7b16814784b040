"""What a charge point keeps through a power cut, and through a second one before it is back from the first."""

from fleet.core.memory import ChargePointMemory
from fleet.core.transaction import Transaction


def charging(started_at: float) -> ChargePointMemory:
    memory = ChargePointMemory.blank(1)
    memory.connectors[0].transaction = Transaction("1", 1, "TAG", 0, started_at)
    return memory


def test_a_transaction_ended_when_the_supply_failed_first_not_when_it_failed_again() -> None:
    memory = charging(started_at=10.0)
    memory.power_cut(20.0)
    memory.power_cut(3000.0)
    assert memory.connectors[0].cut_at == 20.0


def test_a_power_cut_before_a_transaction_began_is_no_end_of_it() -> None:
    memory = charging(started_at=10.0)
    memory.connectors[0].cut_at = 5.0
    memory.power_cut(20.0)
    assert memory.connectors[0].cut_at == 20.0
