"""Transaction ids that were given before, over a whole fleet."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import trio
from counterparts.scripted import SILENCE
from counterparts.world import QUIET, World, world
from hypothesis import given
from hypothesis import strategies as st

import fleet
from fleet.commands.vocabulary import PlugIn, StartTransaction, StopTransaction
from fleet.core.delivery_reports import TransactionBound, TransactionDelivered
from fleet.core.reports import ObservedReport, ProtocolViolated
from fleet.observe.board import Board
from fleet.observe.books import Books
from fleet.observe.observer import Observer
from fleet.observe.oracle import Oracle
from fleet.observe.rules import BOOK_RULES, CSMS_RULES


class Heard:
    """What the observer is told back."""

    wants: frozenset[type[ObservedReport]] = frozenset({ProtocolViolated})

    def __init__(self) -> None:
        self.observer = Observer(self)
        self.observer.add(Oracle(self.observer))
        self.told: list[tuple[str, str]] = []

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        assert isinstance(report, ProtocolViolated)
        self.told.append((charge_point_id, report.rule))

    def bind(self, charge_point_id: str, transaction_id: int, key: str = "a") -> None:
        self.observer.report(charge_point_id, TransactionBound(1, key, transaction_id, 9.0))


def test_ids_that_count_upwards_break_no_rule() -> None:
    heard = Heard()
    for number in range(1, 1000):
        heard.bind(f"CP{number % 7}", number)
    assert heard.told == []


def test_an_id_that_comes_again_at_the_same_charge_point_is_repeated_and_at_another_one_shared() -> None:
    heard = Heard()
    for charge_point_id in ("CP1", "CP1", "CP2", "CP1", "CP2", "CP3"):
        heard.bind(charge_point_id, 700_001)
    assert heard.told == [
        ("CP1", "repeated-transaction-id"),
        ("CP2", "shared-transaction-id"),
        ("CP1", "repeated-transaction-id"),
        ("CP2", "repeated-transaction-id"),
        ("CP3", "shared-transaction-id"),
    ]


def test_the_board_keeps_the_first_cases_with_the_id_and_who_had_it() -> None:
    board = Board([])
    observer = Observer(board)
    observer.add(Oracle(observer))
    for _ in range(10):
        observer.report("CP1", TransactionBound(2, "a", 7, 9.0))
    assert board.violations.counts == {"repeated-transaction-id": 9}
    assert (
        board.violations.cases["repeated-transaction-id"]
        == ["CP1: transaction id 7 for connector 2 was given to this charge point before"] * 3
    )


def test_beyond_its_pages_it_watches_no_more_and_forgets_nothing() -> None:
    told: list[str] = []

    class Told:
        def report(self, _: str, report: ObservedReport) -> None:
            assert isinstance(report, ProtocolViolated)
            told.append(report.rule)

    oracle = Oracle(Told(), pages_max=2)
    for transaction_id in (1, 1000, 5000, 5000, 2, 1000):
        oracle.report("CP1", TransactionBound(1, "a", transaction_id, 9.0))
    assert told == ["repeated-transaction-id"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["CP1", "CP2", "CP3"]), st.integers(-(2**63), 2**64) | st.integers(-70, 70)),
        max_size=60,
    )
)
def test_it_tells_what_a_plain_dictionary_would(bound: list[tuple[str, int]]) -> None:
    heard = Heard()
    expected: list[tuple[str, str]] = []
    owners: dict[int, set[str]] = {}
    for charge_point_id, number in bound:
        transaction_id = number if number < 2**63 else number - 2**64
        had = owners.setdefault(transaction_id, set())
        if charge_point_id in had:
            expected.append((charge_point_id, "repeated-transaction-id"))
        elif had:
            expected.append((charge_point_id, "shared-transaction-id"))
        had.add(charge_point_id)
        heard.bind(charge_point_id, number)
    assert heard.told == expected


# ---- a whole fleet ---------------------------------------------------------------------------------------------------


def watched(w: World) -> tuple[Board, Books]:
    """A board, books and the oracle over what the world's charge points report from now on."""
    board, books = Board(berth.plan for berth in w.fleet.berths.values()), Books()
    for listener in (board, books, Oracle(w.observer)):
        w.observer.add(listener)
    return board, books


async def charge(w: World, target: str) -> None:
    charge_point = target.partition("/")[0]
    before = len(w.reported(TransactionDelivered, charge_point))
    assert await w.do(target, PlugIn()) is None
    assert await w.do(target, StartTransaction("TAG")) is None
    await trio.sleep(60)
    assert await w.do(target, StopTransaction()) is None
    await w.until(lambda: len(w.reported(TransactionDelivered, charge_point)) > before)


async def test_a_csms_that_gives_everybody_the_id_zero_is_told_so_and_the_books_go_on(autojump_clock: Any) -> None:
    zero = {"transactionId": 0, "idTagInfo": {"status": "Accepted"}}
    async with world(2, configuration=QUIET, answers={"StartTransaction": lambda _: zero}) as w:
        board, books = watched(w)
        await w.booted()
        for target in ("CP1/1", "CP1/2", "CP2/1"):
            await charge(w, target)
        assert board.violations.counts == {
            "transaction-id-not-positive": 3,
            "repeated-transaction-id": 1,
            "shared-transaction-id": 1,
        }
        balance = books.compare()
        assert balance.balanced
        assert balance.acknowledged_wh == balance.metered_wh == 360


async def test_the_same_start_said_again_may_have_the_same_id(autojump_clock: Any) -> None:
    silent = iter([True, False, False])

    def answer(_: Any) -> Any:
        return SILENCE if next(silent) else {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}

    quick = {**QUIET, "TransactionMessageRetryInterval": "1"}
    async with world(1, configuration=quick, answers={"StartTransaction": answer}) as w:
        board, books = watched(w)
        await w.booted()
        await charge(w, "CP1/1")
        assert not board.violations
        assert (books.messages["StartTransaction"].delivered, books.messages["StartTransaction"].repeated) == (1, 1)
        assert books.compare().balanced
        await charge(w, "CP1/2")
        assert board.violations.counts == {"repeated-transaction-id": 1}


# ---- the rules -------------------------------------------------------------------------------------------------------

RULE = re.compile(
    r"""(?:Violated|ProtocolViolated|FrameError|_tell|_breach|findings\.add|violations\.add)\(\s*"""
    r"""(?:charge_point_id,\s*)?"([a-z-]+)\""""
)


def test_every_rule_that_the_code_knows_is_explained_and_no_other() -> None:
    known: Counter[str] = Counter()
    for path in Path(fleet.__file__).parent.rglob("*.py"):
        if path.parent.name != "csms":
            known.update(RULE.findall(path.read_text(encoding="utf-8")))
    assert set(known) == {*CSMS_RULES, *BOOK_RULES}
