"""Sampling instants are sums of floats: whichever way they round, samples come one after the other and time goes on."""

from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.vocabulary import EV, PlugIn, StartTransaction
from fleet.core.connector import Connector
from fleet.core.memory import ConnectorMemory
from fleet.core.orders import ConnectorSettings
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import MeterSampled


@given(
    start_at=st.floats(0, 1e7),
    interval_s=st.sampled_from((0.1, 0.3, 1.0, 7.0, 60.0, 900.0)),
    late=st.integers(0, 3),
)
def test_a_connector_that_wakes_at_or_just_after_a_sampling_instant_samples_once_and_goes_on(
    start_at: float, interval_s: float, late: int
) -> None:
    connector = Connector(
        1, ConnectorPlan(), ConnectorMemory(), ConnectorSettings(sample_interval_s=interval_s), lambda: "1"
    )
    connector.start(start_at)
    connector.handle(PlugIn(EV(battery_wh=1e9)), start_at)
    connector.handle(StartTransaction(), start_at)
    for _ in range(50):
        now = connector.deadline
        for _ in range(late):
            now += interval_s
        samples = [report for report in connector.tick(now) if isinstance(report, MeterSampled)]
        assert len(samples) in (1, 2)  # two where the last instant is `now` itself, give or take a rounding
        assert connector.deadline > now
