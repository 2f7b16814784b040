"""A summary of a run as it might have been: ten minutes of 500 charge points against a CSMS that stalls once and
restarts once. For whatever shows, writes or compares summaries; `sample_summary(result=...)` changes any field of it.
"""

import math
import random
from typing import Any

from attrs import evolve

from fleet.observe.board import STATES
from fleet.verdict.document import (
    FORMAT,
    VERSION,
    BooksResult,
    Call,
    ChargePoints,
    Event,
    Fate,
    Generator,
    ObjectiveResult,
    Percentiles,
    Result,
    Served,
    Summary,
    Timeline,
    Transactions,
    Violation,
)

ELAPSED_S = 612.4
HOSTILE = (
    "<script>alert('listening')</script><img src=http://127.0.0.1:9/x onerror=alert(1)> & \"quoted\" \x1b[31mred\x00"
)
"""What a CSMS might answer to find out who renders its words."""


def sample_summary(**changes: Any) -> Summary:
    """The run, with any field of `Summary` put otherwise."""
    return evolve(_failed_run(), **changes)


def passed_summary(**changes: Any) -> Summary:
    """The same run with every objective met, balanced books and a CSMS without fault."""
    run = _failed_run()
    calm = evolve(
        run,
        result=Result.PASSED,
        exit_code=0,
        reasons=(),
        objectives=(
            ObjectiveResult("p99(Authorize) < 800ms", True, 0.0976, "97.6ms"),
            ObjectiveResult("p95(boot) < 5s", True, 1.24, "1.24s"),
            ObjectiveResult("booted >= 99.9%", True, 1.0, "100 %"),
            ObjectiveResult("csms_violations == 0", True, 0.0, "0"),
            ObjectiveResult("lost_transactions == 0", True, 0.0, "0", built_in=True),
            ObjectiveResult("energy_difference_wh == 0", True, 0.0, "0 Wh", built_in=True),
        ),
        calls={**run.calls, "Authorize": call(2410, 0.016)},
        books=evolve(
            run.books,
            balanced=True,
            difference_wh=0,
            acknowledged_wh=run.books.reported_wh,
            recorded_wh=run.books.reported_wh,
            violations={},
            findings=(),
        ),
        violations={},
    )
    return evolve(calm, **changes)


def percentiles(scale_s: float, count: int, censored: int = 0, spread: float = 0.6) -> Percentiles:
    """A lognormal distribution with its median at `scale_s`; the censored waited for 30 s."""

    def at(z: float) -> float:
        return round(scale_s * math.exp(spread * z), 6)

    waited = 30.0
    share = censored / count
    values = {"p50_s": at(0), "p90_s": at(1.28), "p95_s": at(1.64), "p99_s": at(2.33), "p99_9_s": at(3.09)}
    ranks = {"p50_s": 0.5, "p90_s": 0.9, "p95_s": 0.95, "p99_s": 0.99, "p99_9_s": 0.999}
    bounds = tuple(name for name, rank in ranks.items() if rank > 1 - share) + (("max_s",) if censored else ())
    values |= dict.fromkeys((name for name in bounds if name != "max_s"), waited)
    return Percentiles(
        count=count,
        censored=censored,
        mean_s=at(spread / 2),
        **values,
        max_s=waited if censored else at(3.9),
        at_least=bounds,
    )


def call(
    count: int,
    median_s: float,
    *,
    errors: int = 0,
    timeouts: int = 0,
    cut_off: int = 0,
    queued_s: float = 0.0,
    codes: dict[str, int] | None = None,
) -> Call:
    """The CALLs of an action whose answers took `median_s`, and waited `queued_s` more before they were sent."""
    ranked = count - cut_off
    return Call(
        count=count,
        rate_per_s=round(count / ELAPSED_S, 4),
        errors=errors,
        timeouts=timeouts,
        cut_off=cut_off,
        error_codes=codes or ({"InternalError": errors} if errors else {}),
        due=percentiles(median_s + queued_s, ranked, timeouts, 0.9),
        sent=percentiles(median_s, ranked, timeouts),
    )


def sample_timeline(points: int = 600, interval_s: float = 1.0) -> Timeline:
    """The run over time: everybody boots within the first tenth; a stall at 40 %, a restart of the CSMS at 70 %."""
    numbers = random.Random("timeline")
    columns: dict[str, list[float | None]] = {}
    energy_wh = 0.0

    def put(name: str, value: float | None) -> None:
        columns.setdefault(name, []).append(None if value is None else round(value, 6))

    for index in range(points):
        share = index / points
        booted = min(500, round(500 * share / 0.1))
        stalled, away = 0.40 <= share < 0.42, 0.70 <= share < 0.72
        base = 0.012 * (1 + 0.25 * math.sin(share * 20)) * numbers.uniform(0.85, 1.2)
        answered = not away and index > 0
        due = base * (60 if stalled else 6 if 0.72 <= share < 0.76 else 1)
        for name, factor in (("p50_s", 1.0), ("p95_s", 2.4), ("p99_s", 4.6)):
            jitter = numbers.uniform(0.8, 1.3)
            put(f"due_{name}", due * factor * jitter if answered else None)
            put(f"sent_{name}", (due if not stalled else base * 9) * factor * 0.8 * jitter if answered else None)
        put("messages_per_s", 0.0 if away else booted * 0.14 * numbers.uniform(0.8, 1.2) * (3 if share < 0.1 else 1))
        put("errors_per_s", numbers.choice([0, 0, 0, 1, 2]) if answered and share > 0.5 else 0.0)
        put("timeouts_per_s", 3.0 if stalled and index % 3 == 0 else 0.0)
        charging = 0.35 * min(1.0, max(0.0, (share - 0.04) * 6)) * max(0.0, min(1.0, (1 - share) * 12))
        power_w = booted * charging * 11_000 * numbers.uniform(0.97, 1.03)
        energy_wh += power_w * interval_s / 3600
        put("power_w", power_w)
        put("energy_wh", energy_wh)
        put("transactions", round(booted * charging))
        put("outbox", 42 + index % 7 if away else 18.0 if stalled else 0.0)
        put("lag_p99_s", 0.0011 * numbers.uniform(0.6, 1.9) * (9 if 0.715 <= share < 0.73 else 1))
        put("utilisation", min(1.0, 0.18 + 0.3 * (share < 0.1) + 0.25 * (0.715 <= share < 0.73)) + base)
        given_up = 3 if share > 0.3 else 0
        drained = round((500 - given_up) * max(0.0, (share - 0.98) / 0.02))
        states = dict.fromkeys(STATES, 0)
        states["starting"] = 500 - booted
        states["given up"] = given_up
        states["drained"] = drained
        states["offline" if away else "registered"] = booted - given_up - drained
        for state, count in states.items():
            put(f"state:{state}", count)
    at_s = tuple(round((index + 1) * interval_s, 3) for index in range(points))
    return Timeline(at_s, {name: tuple(values) for name, values in columns.items()})


def _failed_run() -> Summary:
    return Summary(
        format=FORMAT,
        version=VERSION,
        fleet="0.1.0",
        result=Result.FAILED,
        exit_code=99,
        reasons=(
            "p99(Authorize) < 800ms: it was >= 30 s",
            "csms_violations == 0: it was 14",
            "the books don't balance: 1 finding",
        ),
        seed=8_117_443_201,
        target="ws://127.0.0.1:9000/ocpp/{id}",
        began_at="2026-11-22T14:18:49Z",
        duration_s=600.0,
        elapsed_s=ELAPSED_S,
        objectives=(
            ObjectiveResult("p99(Authorize) < 800ms", False, 30.0, ">= 30 s"),
            ObjectiveResult("p95(boot) < 5s", True, 1.24, "1.24 s"),
            ObjectiveResult("errors(StartTransaction) / calls(StartTransaction) < 0.1%", True, 0.0, "0 %"),
            ObjectiveResult("booted >= 99.9%", True, 1.0, "100 %"),
            ObjectiveResult("csms_violations == 0", False, 14.0, "14"),
            ObjectiveResult("lost_transactions == 0", True, 0.0, "0", built_in=True),
            ObjectiveResult("energy_difference_wh == 0", False, 1250.0, "1,250 Wh", built_in=True),
        ),
        charge_points=ChargePoints(
            count=500,
            connectors=1000,
            connected=500,
            accepted=500,
            accepted_after_s=61.3,
            by_state={"drained": 497, "given up": 3},
            connects=1012,
            disconnects={"reset": 497, "closed-1012": 12},
            connect_failures={"refused": 1310},
            restarts={"Reset": 4},
            crashes={},
            given_up=3,
        ),
        messages=45_208,
        calls={
            "BootNotification": call(1012, 0.021, cut_off=2),
            "Authorize": call(2410, 0.016, timeouts=31, errors=4, codes={"InternalError": 3, "GenericError": 1}),
            "StartTransaction": call(1802, 0.024, queued_s=0.02),
            "MeterValues": call(21_604, 0.011, errors=12, queued_s=0.003),
            "StopTransaction": call(1799, 0.027, queued_s=0.04),
            "StatusNotification": call(11_402, 0.009, cut_off=14),
            "Heartbeat": call(4_960, 0.006),
        },
        served={
            "RemoteStartTransaction": Served(140, 0.23, {"Accepted": 133, "Rejected": 7}),
            "TriggerMessage": Served(79, 0.13, {"NotImplemented": 79}),
        },
        durations={
            "connect_tcp": percentiles(0.0009, 1012),
            "connect_websocket": percentiles(0.004, 1012),
            "boot": percentiles(0.31, 1012, spread=0.85),
            "remote_start": percentiles(0.42, 131),
        },
        transactions=Transactions(
            started=1802,
            stopped=1799,
            delivered=1799,
            lost=0,
            open=0,
            abandoned=3,
            by_reason={"EVDisconnected": 1410, "Local": 220, "Remote": 160, "PowerLoss": 9},
        ),
        transaction_messages={
            "StartTransaction": Fate(1802, 0, 12, 37, 0),
            "MeterValues": Fate(21_590, 14, 0, 402, 0),
            "StopTransaction": Fate(1799, 0, 9, 31, 1),
        },
        books=BooksResult(
            balanced=False,
            metered_wh=13_418_250,
            reported_wh=13_418_250,
            acknowledged_wh=13_418_250,
            recorded_wh=13_417_000,
            difference_wh=1250,
            violations={"energy-differs": 1},
            findings=("CP0231/1 transaction 8812: 14,250 Wh reported, 13,000 Wh recorded",),
        ),
        violations={
            "clock-skew": Violation(12, ("CP0017: currentTime is 4.2 s ahead", "CP0044: currentTime is 4.1 s ahead")),
            "unknown-reply": Violation(2, ("CP0120: a CALLRESULT to an id that was never sent: 7f3a-91",)),
        },
        generator=Generator(
            reasons=(),
            lag=percentiles(0.0004, 12_248),
            utilisation=0.21,
            utilisation_peak=0.58,
            cpu_s=131.7,
            rss_mib=96.4,
            resource_failures=0,
        ),
        visits={"charged": 1640, "refused": 41, "remote": 121},
        timeline=sample_timeline(),
        events=(
            Event(0.0, "phase", "ramp: 500 charge points within 60s"),
            Event(61.3, "phase", "hold"),
            Event(182.0, "fault", "GroundFailure on CP0007/1"),
            Event(245.0, "command", "remote-start CP00*/1"),
            Event(430.0, "scenario", "storm.fleet: cut all"),
            Event(600.0, "drain", "drain: 61 transactions to end"),
        ),
    )
