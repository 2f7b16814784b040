"""A real Prometheus scrapes a real run, and is then asked everything that the dashboards and rules ask.

The CSMS misbehaves and things are done to the fleet meanwhile, so that there is something to be seen in every panel:
errors, timeouts, lost connections, violations, transactions lost, charge points that crash. A query that finds nothing
here has a typo in it, or asks for a metric that nobody exports.
"""

import math
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import field, frozen
from counterparts.grafana import DASHBOARDS, PROMETHEUS, Question, filled_in, label_queries, questions
from counterparts.misbehaving import MisbehavingCentral
from counterparts.prometheus import Prometheus, Sample, free_port, real_part

HERE = Path(__file__).parent
SCRAPE_INTERVAL_S = 1.0
RATE_INTERVAL = "10s"
"""What Grafana would make of the interval above for a run as short as this, and a little more."""
GIVEN_UP = "CP0004"
DONE_TO_IT = (
    "meter CP0001/1 3.6kW",
    "fault CP0003/1 GroundFailure",
    "drain CP0005",
    f"run {HERE / 'chores.fleet'}",
)
ENOUGH = (
    # One of everything is seldom enough: it may have been between the last two scrapes.
    "sum(fleet_call_cut_offs_total) > 3",
    "sum(fleet_call_timeouts_total) > 3",
    "sum(fleet_transaction_messages_lost_total) > 3",
    'fleet_transactions_total{outcome="lost"} > 3',
    "fleet_reboots_total > 1",
    'fleet_connects_total{outcome="handshake"} > 3',
    'sum(fleet_messages_total{direction="received",type="call"}) > 10',
    "max_over_time(fleet_outbox_oldest_seconds[1m]) > 0",
    # So long that there is something to look back on.
    "count_over_time(fleet_build_info[1m]) > 15",
)
INCOMPLETE = 98


@frozen
class Soak:
    """The run is over, and Prometheus has what it said. Instants in s since 1970."""

    prometheus: Prometheus
    began_at: float
    ended_at: float
    said: str = field(repr=False)
    exit_code: int

    def answers(self, question: Question) -> list[Sample]:
        """What Grafana would get to see, without what is no number."""
        expr = filled_in(question.expr, RATE_INTERVAL)
        if question.instant:
            # While the last scrapes are fresh: later the series are stale.
            found = self.prometheus.at(expr, self.ended_at - 2 * SCRAPE_INTERVAL_S)
        else:
            found = self.prometheus.over(expr, self.began_at, self.ended_at)
        numbers = [Sample(one.labels, tuple(v for v in one.values if not math.isnan(v))) for one in found]
        return [one for one in numbers if one.values]


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soak]:
    """A fleet that has a hard time, for half a minute or until everything has happened."""
    real_part("prometheus")
    folder = tmp_path_factory.mktemp("soak")
    metrics_port = free_port()
    rules = PROMETHEUS / "rules.yml"
    with Prometheus(folder, free_port(), f"127.0.0.1:{metrics_port}", rules, f"{SCRAPE_INTERVAL_S:g}s") as prometheus:
        yield trio.run(carry_out, prometheus, folder, metrics_port)


async def carry_out(prometheus: Prometheus, folder: Path, metrics_port: int) -> Soak:
    """The CSMS, the run, and what is done to it; over when the run is."""
    began_at = prometheus.now()
    control, out = folder / "control", folder / "fleet.out"
    async with trio.open_nursery() as nursery:
        central = MisbehavingCentral(nursery, heartbeat_interval_s=2)
        url = f"ws://127.0.0.1:{await central.listen()}/ocpp"
        nursery.start_soon(central.misbehave)
        with out.open("w") as said:
            command = [sys.executable, "-m", "fleet", "run", str(HERE / "run.toml"), "--url", url, "--seed", "42"]
            command += ["--metrics", f"127.0.0.1:{metrics_port}", "--linger", "4s", "--control", str(control)]
            run = await nursery.start(partial(trio.run_process, command, stdout=said, stderr=said, check=False))
            with trio.fail_after(120):
                seen = partial(until, prometheus, run)
                await seen('sum(fleet_charge_points{state="registered"}) > 20')
                for line in DONE_TO_IT:
                    done = await do(control, line)
                    assert done.returncode == 0, (line, done.stdout, done.stderr)
                # Until nobody starts it again; while it is being started there is nobody to crash.
                crash = partial(do, control, f"crash {GIVEN_UP}/1")
                await seen('fleet_charge_points{state="given up"} > 0', crash)
                for query in ENOUGH:
                    await seen(query)
                # Nobody interrupts it, so it lingers.
                await do(control, "quit")
                exit_code = await run.wait()
        ended_at = prometheus.now()
        nursery.cancel_scope.cancel()
    return Soak(prometheus, began_at, ended_at, out.read_text(), exit_code)


async def do(control: Path, line: str) -> subprocess.CompletedProcess[bytes]:
    """One line said to the run."""
    return await trio.run_process(
        [sys.executable, "-m", "fleet", "do", "--control", str(control), line],
        check=False,
        capture_stdout=True,
        capture_stderr=True,
    )


async def until(
    prometheus: Prometheus, run: trio.Process, query: str, meanwhile: Callable[[], Awaitable[object]] | None = None
) -> None:
    """Until Prometheus has an answer; `meanwhile` is done before it is asked again."""
    while not await trio.to_thread.run_sync(prometheus.at, query, prometheus.now()):
        assert run.poll() is None, f"the run is over, and not yet {query}"
        await (meanwhile() if meanwhile is not None else trio.sleep(0.2))


def nothing_in(soak: Soak, asked: list[Question]) -> list[str]:
    """The questions to which there was no answer, or none but that it never happened."""
    found = []
    for question in asked:
        answers = soak.answers(question)
        if not answers:
            found.append(f"no data: {question}")
        elif any("none" in one.labels.values() for one in answers) and len(answers) == 1:
            found.append(f"never happened: {question}")
        elif not any(value for one in answers for value in one.values):
            found.append(f"only zeros: {question}")
    return found


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_returns_data(soak: Soak, path: Path) -> None:
    assert nothing_in(soak, list(questions(path))) == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_variable_of_a_dashboard_offers_something(soak: Soak, path: Path) -> None:
    for name, match, label in label_queries(path):
        selector = filled_in(match, RATE_INTERVAL)
        assert soak.prometheus.label_values(label, selector, soak.began_at, soak.ended_at), name


def test_every_rule_is_evaluated_without_an_error(soak: Soak) -> None:
    rules = soak.prometheus.rules()
    assert len(rules) >= 20
    assert [(rule["name"], rule["health"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def test_every_recording_rule_records_something(soak: Soak) -> None:
    recorded = [rule["name"] for rule in soak.prometheus.rules() if rule["type"] == "recording"]
    assert nothing_in(soak, [Question(name, name) for name in recorded]) == []


def test_what_every_alert_compares_is_there(soak: Soak) -> None:
    asked = []
    for rule in soak.prometheus.rules():
        if rule["type"] == "alerting":
            # Without the comparisons: there is no run that raises all alarms at once.
            parts = re.split(r"\s+and on\s*\(\w+\)\s+", rule["query"])
            asked += [Question(rule["name"], re.sub(r" (?:[<>]=?|==) [\d.]+$", "", part)) for part in parts]
    assert len(asked) > 10
    assert all(not re.search(r" [<>=]=? ", question.expr) for question in asked), asked
    assert [line for line in nothing_in(soak, asked) if not line.startswith("only zeros")] == []


def test_the_alarms_that_this_run_must_raise_were_raised(soak: Soak) -> None:
    raised = soak.prometheus.over('ALERTS{alertstate="firing"}', soak.began_at, soak.ended_at)
    assert {one.labels["alertname"] for one in raised} >= {
        *("FleetBooksDoNotBalance", "FleetCsmsBreaksRules", "FleetChargePointsGivenUp"),
    }


def test_marks_are_at_the_time_of_the_event(soak: Soak) -> None:
    kinds = set()
    marks = [question for question in questions(DASHBOARDS[0]) if "marks of" in question.where]
    for question in marks:
        for one in soak.answers(question):
            kinds.add(one.labels["kind"])
            assert all(soak.began_at * 1000 < value < soak.ended_at * 1000 for value in one.values)
    assert kinds == {"command", "scenario", "fault", "phase", "drain"}


def test_no_scrape_failed_while_the_run_was_there(soak: Soak) -> None:
    (up,) = soak.prometheus.over("up", soak.began_at, soak.ended_at)
    first = up.values.index(1)
    # The last may be that of an exporter that has just left.
    assert set(up.values[first:-2]) == {1.0}


def test_what_prometheus_scraped_is_what_the_run_says_at_its_end(soak: Soak) -> None:
    def last(query: str) -> int:
        (one,) = soak.prometheus.at(query, soak.ended_at - 2 * SCRAPE_INTERVAL_S)
        return round(one.values[0])

    assert soak.exit_code == INCOMPLETE, soak.said
    found = re.search(
        r"transactions \.+ ([\d,]+) started, ([\d,]+) stopped, ([\d,]+) delivered, ([\d,]+) lost", soak.said
    )
    assert found is not None, soak.said
    started, stopped, delivered, lost = (int(figure.replace(",", "")) for figure in found.groups())
    assert last("fleet_transactions_started_total") == started
    assert last("sum(fleet_transactions_stopped_total)") == stopped
    assert last('fleet_transactions_total{outcome="delivered"}') == delivered
    assert last('fleet_transactions_total{outcome="lost"}') == lost
