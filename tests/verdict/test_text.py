import re

import pytest
from attrs import evolve
from counterparts.summaries import HOSTILE, call, passed_summary, percentiles, sample_summary

from fleet.verdict.document import (
    FORMAT,
    VERSION,
    BooksResult,
    ChargePoints,
    Fate,
    Generator,
    ObjectiveResult,
    Result,
    Served,
    Summary,
    Transactions,
    Violation,
)
from fleet.verdict.text import render_text

QUIET = Summary(
    format=FORMAT,
    version=VERSION,
    fleet="0.1.0",
    result=Result.PASSED,
    exit_code=0,
    reasons=(),
    seed=42,
    target="ws://127.0.0.1:9000/",
    began_at="2026-11-22T14:18:49Z",
    duration_s=30.0,
    elapsed_s=30.0,
    objectives=(
        ObjectiveResult("p99(BootNotification) < 800ms", True, 0.1, "100 ms"),
        ObjectiveResult("lost_transactions == 0", True, 0.0, "0", built_in=True),
    ),
    charge_points=ChargePoints(
        count=2,
        connectors=4,
        connected=1,
        accepted=1,
        accepted_after_s=2.5,
        by_state={"starting": 1, "offline": 0, "drained": 1},
        connects=1,
        disconnects={},
        connect_failures={},
        restarts={},
        crashes={},
        given_up=0,
    ),
    messages=1,
    calls={"BootNotification": evolve(call(1, 0.1, queued_s=0.02), rate_per_s=1 / 30)},
    served={},
    durations={"boot": percentiles(2.5, 1, spread=0.0)},
    transactions=Transactions(1, 1, 1, 0, 0, 0, {"Local": 1}),
    transaction_messages={"StartTransaction": Fate(1, 0, 0, 0, 0), "StopTransaction": Fate(1, 0, 0, 0, 0)},
    books=BooksResult(True, 12_345, 12_345, 12_345, 12_345, 0, {}, ()),
    violations={},
    generator=Generator((), percentiles(0.0004, 600, spread=0.5), 0.03, 0.07, 1.25, 61.4, 0),
    visits={"served": 1, "turned_away": 2},
)


def row(text: str, name: str) -> list[str]:
    """The words of the one table row with this name."""
    (found,) = [line.split() for line in text.splitlines() if line.startswith(f"    {name} ")]
    return found


def test_a_quiet_run_reads_as_a_quiet_run() -> None:
    assert (
        render_text(QUIET)
        == """\
fleet: 2 charge points, 30s, seed 42, against ws://127.0.0.1:9000/

  objectives
    ✓ p99(BootNotification) < 800ms .... 100 ms
    ✓ lost_transactions == 0 ........... 0 (asked of every run)

  charge points ..... 1 of 2 connected, 1 accepted (the last after 2.5s), 4 connectors
  at the end ........ 1 starting, 1 drained
  connects .......... 1

  messages .......... 1, 0.033/s
    to the CSMS               count     rate  errors  timeouts  cut off           p50     p95     p99     max
    BootNotification              1  0.033/s       0         0        0   due   120ms   525ms   977ms   4.01s
                                                                         sent   100ms   268ms   405ms   1.04s

    durations                 count                                               p50     p95     p99     max
    boot                          1                                              2.5s    2.5s    2.5s    2.5s

  transactions ...... 1 started, 1 stopped, 1 delivered, 0 lost
  stopped by ........ 1 Local
  visits ............ 1 served, 2 turned away
    transaction messages              delivered     lost  repeated     late  out of order
    StartTransaction                          1        0         0        0             0
    StopTransaction                           1        0         0        0             0

  energy ............ 12,345 Wh metered = reported = acknowledged = recorded (12.3 kWh)
  books ............. balanced

  violations ........ none
  crashes ........... none
  given up .......... none

  generator ......... VALID, it kept up
  schedule lag ...... p50 0.4ms, p99 1.28ms, max 2.81ms
  loop at work ...... 3% of the time, 7% in the worst 10s
  used .............. 1.25s of CPU, 61 MiB of memory

PASSED
to repeat this run: --seed 42"""
    )


def test_in_a_narrow_terminal_latencies_stand_below_their_counts_and_tables_fit() -> None:
    text = render_text(QUIET, width=80)
    assert (
        """
    to the CSMS               count     rate  errors  timeouts  cut off
    BootNotification              1  0.033/s       0         0        0
      due    p50   120ms   p95   525ms   p99   977ms   max   4.01s
      sent   p50   100ms   p95   268ms   p99   405ms   max   1.04s

    durations                 count
    boot                          1
             p50    2.5s   p95    2.5s   p99    2.5s   max    2.5s
"""
        in text
    )
    many = sample_summary(served={"GetInstalledCertificateIds": Served(140, 0.2, {"Result": 140})})
    text = render_text(many, width=80)
    tables = [line for line in text.splitlines() if re.search(r"  p50 |\d +\d+ +\d|count|delivered  |Ids  ", line)]
    assert len(tables) > 20
    assert max(map(len, tables)) <= 80
    assert "GetInstalledCertificateIds" in "".join(tables)


def test_objectives_come_first_and_say_which_failed_and_with_what() -> None:
    lines = render_text(sample_summary()).splitlines()
    assert lines[2] == "  objectives"
    marks = [line[4] for line in lines[3:10]]
    assert "".join(marks) == "✗✓✓✓✗✓✗"
    assert re.fullmatch(r"    ✗ p99\(Authorize\) < 800ms \.+ >= 30 s", lines[3])


def test_the_last_lines_are_the_verdict_and_how_to_repeat_it() -> None:
    assert render_text(sample_summary(reasons=("a", "b", "c", "d", "e"))).splitlines()[-2:] == [
        "FAILED: a; b; c; and 2 more",
        "to repeat this run: --seed 8117443201",
    ]


@pytest.mark.parametrize("result", list(Result))
def test_each_result_is_said_in_capitals_with_its_reason(result: Result) -> None:
    line = render_text(evolve(QUIET, result=result, reasons=("so it was",))).splitlines()[-2]
    assert line == f"{result.value.upper()}: so it was"


def test_errors_timeouts_and_cut_off_calls_are_told_apart() -> None:
    codes = {"BadResult": 1, "InternalError": 3}
    heartbeat = call(12, 0.1, errors=4, timeouts=2, cut_off=1, codes=codes)
    text = render_text(evolve(QUIET, calls={"Heartbeat": evolve(heartbeat, rate_per_s=1.2)}))
    assert row(text, "Heartbeat")[:6] == ["Heartbeat", "12", "1.2/s", "4", "2", "1"]
    assert "\n      answered with InternalError 3, BadResult 1\n" in text


def test_a_percentile_among_those_that_waited_in_vain_is_a_lower_bound() -> None:
    text = render_text(sample_summary())
    assert row(text, "Authorize")[-5:] == ["due", "16ms", "70ms", ">30s", ">30s"]


def test_an_action_without_any_answer_has_a_row_without_percentiles() -> None:
    silent = evolve(call(3, 0.1), cut_off=3, due=None, sent=None)
    text = render_text(evolve(QUIET, calls={"Authorize": silent}))
    assert row(text, "Authorize")[-1] == "3"
    assert " due " not in text


def test_what_the_csms_asked_is_shown_with_the_codes_it_was_refused_with() -> None:
    text = render_text(evolve(QUIET, served={"TriggerMessage": Served(9, 0.3, {"Result": 7, "NotImplemented": 2})}))
    assert row(text, "TriggerMessage") == ["TriggerMessage", "9", "0.3/s", "2", "NotImplemented", "2"]


def test_books_that_do_not_balance_say_so_and_why() -> None:
    books = evolve(
        QUIET.books,
        balanced=False,
        recorded_wh=12_000,
        violations={"missing": 1, "duplicated": 4},
        findings=("CP1/1 transaction 7: missing", "and 3 more"),
    )
    text = render_text(evolve(QUIET, books=books))
    assert "  books ............. NOT BALANCED\n    CP1/1 transaction 7: missing\n    and 3 more\n" in text
    assert "12,345 Wh metered, 12,345 Wh reported, 12,345 Wh acknowledged, 12,000 Wh recorded" in text
    assert "  wrong in them ..... duplicated 4, missing 1\n" in text


def test_without_records_the_verdict_speaks_of_our_side_alone() -> None:
    text = render_text(evolve(QUIET, books=evolve(QUIET.books, recorded_wh=None)))
    assert "  books ............. balanced on our side; no records of the CSMS to compare with\n" in text
    assert "12,345 Wh metered = reported = acknowledged (" in text


def test_troubles_are_listed_with_their_first_cases() -> None:
    charge_points = evolve(
        QUIET.charge_points,
        disconnects={"ping-timeout": 1, "reset": 2},
        connect_failures={"refused": 1},
        restarts={"HardReset": 1},
        crashes={"RuntimeError: bug": 2},
        given_up=1,
        given_up_for={"crashed too often": 1},
        cases={"RuntimeError: bug": ("CP1", "CP2"), "crashed too often": ("CP1",)},
    )
    violations = {"double-reply": Violation(5, ("CP1: id 7 was answered twice",))}
    text = render_text(evolve(QUIET, charge_points=charge_points, violations=violations))
    assert "  connects .......... 1, lost 3 (reset 2, ping-timeout 1)\n" in text
    assert "  failed connects ... 1 (refused 1)\n" in text
    assert "  restarts .......... 1 (HardReset 1)\n" in text
    assert "  violations ........ 5\n    double-reply: 5\n      CP1: id 7 was answered twice\n" in text
    assert "  crashes ........... 2\n    RuntimeError: bug: 2\n      CP1\n      CP2\n" in text
    assert "  given up .......... 1\n    crashed too often: 1\n      CP1\n" in text


def test_lost_readings_are_told_apart_from_lost_transactions() -> None:
    fates = {"MeterValues": Fate(90, 6, 1, 2, 3)}
    text = render_text(evolve(QUIET, transaction_messages=fates))
    assert "1 delivered, 0 lost\n" in text
    assert "  messages lost ..... 6 (MeterValues 6)\n" in text
    assert row(text, "MeterValues") == ["MeterValues", "90", "6", "1", "2", "3"]


def test_transactions_that_did_not_end_are_named() -> None:
    text = render_text(evolve(QUIET, transactions=Transactions(9, 7, 5, 1, 2, 1, {}, waiting=3)))
    assert "  transactions ...... 9 started, 7 stopped, 5 delivered, 1 lost, 2 still open\n" in text
    assert "  abandoned ......... 1 on charge points given up or taken out\n" in text
    assert "  still waiting ..... 3 transaction messages\n" in text


def test_a_generator_that_fell_behind_says_why() -> None:
    generator = evolve(QUIET.generator, reasons=("its tasks ran 4 s late",), resource_failures=12, trace_lost=7)
    text = render_text(evolve(QUIET, generator=generator))
    assert "  generator ......... INVALID\n    its tasks ran 4 s late\n" in text
    assert "  out of resources .. 12 connections" in text
    assert "  trace ............. 7 frames could not be written\n" in text


def test_colours_change_nothing_but_the_colour() -> None:
    for summary in (sample_summary(), passed_summary(), QUIET):
        painted = render_text(summary, colour=True)
        assert "\x1b[32m✓\x1b[0m" in painted
        assert re.sub(r"\x1b\[\d+m", "", painted) == render_text(summary)


def test_the_words_of_a_csms_cannot_move_the_cursor_or_break_a_line() -> None:
    foreign = HOSTILE + "\n" + "x" * 300
    summary = sample_summary(
        calls={foreign: call(5, 0.1, errors=1, codes={foreign: 1})},
        served={foreign: Served(1, 0.1, {foreign: 1})},
        reasons=(foreign,),
        target=foreign,
        violations={foreign: Violation(1, (foreign,))},
        books=evolve(QUIET.books, findings=(foreign,)),
    )
    text = render_text(summary)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\\x1b[31mred\\x00" in text


def test_no_table_is_wider_than_a_wide_terminal() -> None:
    longest = {"DiagnosticsStatusNotificationOfAVendor" * 3: call(123_456_789, 3599.0, timeouts=5)}
    for summary in (sample_summary(), sample_summary(calls=longest)):
        assert max(len(line) for line in render_text(summary).splitlines() if line.startswith("    ")) <= 122


def test_a_run_that_passes_for_want_of_an_objective_names_what_the_csms_did() -> None:
    broken = {"clock-skew": Violation(7, ()), "double-reply": Violation(2, ())}
    quiet = [each for each in passed_summary().objectives if "violations" not in each.objective]
    last = render_text(passed_summary(violations=broken, objectives=tuple(quiet))).splitlines()[-2]
    assert last == "PASSED, though the CSMS broke rules 9 times: ask for csms_violations == 0"
    asked = (*quiet, ObjectiveResult("csms_violations < 20", True, 9.0, "9"))
    assert render_text(passed_summary(violations=broken, objectives=asked)).splitlines()[-2] == "PASSED"
