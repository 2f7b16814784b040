"""Percentiles against the sorted list, and against the HdrHistogram library whose buckets they are."""

import math
import random
from collections.abc import Callable

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from fleet.observe.durations import Durations, coarse_middle_s, merged

SHARES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)
DISTRIBUTIONS: dict[str, Callable[[random.Random], float]] = {
    "uniform": lambda chance: chance.uniform(0, 2),
    "lognormal": lambda chance: chance.lognormvariate(-4, 1.2),
    "bimodal": lambda chance: chance.gauss(0.005, 0.0005) if chance.random() < 0.97 else chance.gauss(2, 0.1),
    "microseconds": lambda chance: chance.uniform(0, 50e-6),
    "hours": lambda chance: chance.uniform(600, 40_000),
}
some_seconds = st.floats(0, 100_000)
some_observations = st.lists(st.tuples(some_seconds, st.booleans()), min_size=1, max_size=60)


def of(*seconds: float, censored: tuple[float, ...] = ()) -> Durations:
    durations = Durations()
    for value in seconds:
        durations.record(value)
    for value in censored:
        durations.censor(value)
    return durations


def observed(observations: list[tuple[float, bool]]) -> Durations:
    return of(
        *(s for s, in_vain in observations if not in_vain), censored=tuple(s for s, in_vain in observations if in_vain)
    )


def exact(values: list[float], share: float) -> float:
    """The observation of nearest rank."""
    return sorted(values)[max(1, math.ceil(round(share * len(values), 6))) - 1]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_percentiles_of_a_known_distribution_are_the_exact_ones_to_a_thousandth(name: str) -> None:
    chance = random.Random(name)
    values = [abs(DISTRIBUTIONS[name](chance)) for _ in range(50_000)]
    durations = of(*values)
    for share, quantile in zip(SHARES, durations.quantiles(SHARES), strict=True):
        truth = exact(values, share)
        assert truth - 1e-6 <= quantile.value_s <= truth * 1.001 + 1e-6, share
        assert not quantile.at_least
    assert durations.mean_s == pytest.approx(sum(values) / len(values), rel=1e-9)
    assert durations.max_s == max(values)
    assert durations.count == len(values)


@given(st.lists(st.integers(0, 3_600_000_000), min_size=1, max_size=50))
def test_a_value_is_known_as_exactly_as_the_hdr_histogram_library_knows_it(values_us: list[int]) -> None:
    theirs = HdrHistogram(1, 3_600_000_000, 3)
    for value_us in values_us:
        theirs.record_value(value_us)
        # The longest is known exactly, so something longer has to be there for the bucket to show.
        ours = of(value_us / 1e6, 1e9).quantile(0.5).value_s
        assert round(ours * 1e6) == theirs.get_highest_equivalent_value(value_us)
    # Theirs goes by the middle of a rank, ours by its end: asked for a whole rank they mean the same one.
    ranks = [100 * rank / len(values_us) for rank in range(1, len(values_us) + 1)]
    for percent in ranks:
        ours = of(*(value_us / 1e6 for value_us in values_us), 1e9).quantile(
            percent / 100 * len(values_us) / (len(values_us) + 1)
        )
        assert round(ours.value_s * 1e6) == theirs.get_value_at_percentile(percent)


def test_the_percentile_of_one_value_is_that_value() -> None:
    durations = of(0.123_456_789)
    assert {quantile.value_s for quantile in durations.quantiles(SHARES)} == {0.123_456_789}


def test_a_percentile_is_the_observation_of_nearest_rank() -> None:
    durations = of(*(number / 1000 for number in range(1, 101)))
    found = [quantile.value_s for quantile in durations.quantiles((0.07, 0.5, 0.99))]
    assert found == pytest.approx([0.007, 0.05, 0.099], rel=0.001)


def test_shares_come_back_in_the_order_in_which_they_were_asked_for() -> None:
    durations = of(0.001, 0.002, 0.003)
    assert [q.value_s for q in durations.quantiles((1.0, 0.0, 0.5, 1.0))] == [0.003, 0.001, 0.002, 0.003]


def test_nothing_has_no_percentiles_and_says_so() -> None:
    durations = Durations()
    assert (durations.count, durations.censored, durations.mean_s, durations.max_s) == (0, 0, 0.0, 0.0)
    with pytest.raises(ValueError, match="nothing was observed"):
        durations.quantile(0.5)


@pytest.mark.parametrize("share", [-0.1, 1.5, 99, math.nan])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ValueError, match="expected a share from 0 to 1"):
        of(1.0).quantile(share)


def test_a_wait_of_weeks_is_not_cut_short() -> None:
    durations = of(0.001, 30 * 86_400.0, 31 * 86_400.0)
    assert durations.quantile(0.5).value_s == pytest.approx(30 * 86_400, rel=0.001)


def test_who_waited_in_vain_is_in_the_ranks_and_makes_them_lower_bounds() -> None:
    durations = of(*(0.01,) * 97, censored=(30.0,) * 3)
    assert (durations.count, durations.censored) == (100, 3)
    median, p97, p98, top = durations.quantiles((0.5, 0.97, 0.98, 1.0))
    assert not median.at_least
    assert not p97.at_least
    assert p97.value_s == pytest.approx(0.01, rel=0.001)
    assert p98 == top == (30.0, True)
    assert durations.mean_s == pytest.approx((97 * 0.01 + 90) / 100)


def test_an_answer_that_took_longer_than_somebody_waited_in_vain_is_a_lower_bound_too() -> None:
    # Those who gave up after 1 s might have had their answer after 10 s: then the median would be later.
    durations = of(0.5, 2.0, 3.0, censored=(1.0,))
    assert [q.at_least for q in durations.quantiles((0.25, 0.5, 0.75, 1.0))] == [False, True, True, True]
    assert [durations.at_most_s(share) for share in (0.25, 0.5, 0.75, 1.0)] == [
        pytest.approx(0.5, rel=0.001),
        pytest.approx(2.0, rel=0.001),
        pytest.approx(3.0, rel=0.001),
        math.inf,
    ]


def test_one_who_was_cut_short_leaves_a_percentile_open_by_one_rank_only() -> None:
    durations = of(*(number / 1000 for number in range(1, 1000)), censored=(0.0005,))
    (p95,) = durations.quantiles((0.95,))
    assert p95 == (pytest.approx(0.949, rel=0.001), True)
    assert durations.at_most_s(0.95) == pytest.approx(0.95, rel=0.001)
    # Where all but a few took the same time, it makes no difference at all.
    assert of(*(0.2,) * 999, censored=(0.0005,)).quantile(0.95) == (pytest.approx(0.2, rel=0.001), False)


def test_of_nothing_but_waits_in_vain_every_percentile_is_a_lower_bound() -> None:
    durations = of(censored=(1.0, 2.0))
    assert [q.at_least for q in durations.quantiles((0.0, 0.5, 1.0))] == [True, True, True]
    assert durations.at_most_s(0.0) == math.inf


@given(st.lists(some_observations, min_size=1, max_size=5))
def test_a_percentile_of_the_merged_is_the_percentile_of_all(parts: list[list[tuple[float, bool]]]) -> None:
    every = observed([observation for part in parts for observation in part])
    whole = merged([observed(part) for part in parts])
    assert whole.quantiles(SHARES) == every.quantiles(SHARES)
    assert (whole.count, whole.censored, whole.max_s) == (every.count, every.censored, every.max_s)
    assert whole.mean_s == pytest.approx(every.mean_s)


@given(some_observations)
def test_coarse_buckets_hold_every_observation_once_and_in_order(observations: list[tuple[float, bool]]) -> None:
    durations = observed(observations)
    unrolled = [coarse_middle_s(bucket) for bucket, count in durations.coarse() for _ in range(count)]
    exact = sorted(seconds for seconds, _ in observations)
    assert len(unrolled) == len(exact)
    for middle_s, seconds in zip(unrolled, exact, strict=True):
        assert middle_s == pytest.approx(seconds, rel=0.004, abs=4.5e-6)


def test_merging_leaves_the_parts_as_they_are() -> None:
    parts = [of(0.001, censored=(0.5,)), of(0.001, 0.002)]
    whole = merged(parts)
    whole.record(7.0)
    assert [(part.count, part.censored, part.max_s) for part in parts] == [(2, 1, 0.5), (2, 0, 0.002)]
    assert parts[1].quantile(1.0) == (0.002, False)


@given(some_observations, st.lists(st.floats(1, 1e6), min_size=60, max_size=60), st.sampled_from(SHARES))
def test_whatever_the_unknown_answers_took_a_percentile_is_exact_or_a_lower_bound(
    observations: list[tuple[float, bool]], longer: list[float], share: float
) -> None:
    truth = [s + (more if in_vain else 0) for (s, in_vain), more in zip(observations, longer, strict=False)]
    durations = observed(observations)
    value_s, at_least = durations.quantile(share)
    assert durations.at_most_s(share) >= exact(truth, share) * 0.999 - 1e-6
    if at_least:
        assert value_s <= exact(truth, share) * 1.001 + 1e-6
    else:
        assert value_s == pytest.approx(exact(truth, share), rel=0.001, abs=1e-6)
