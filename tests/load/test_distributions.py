from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.load.distributions import DISTRIBUTIONS, Constant, Distribution, Exponential, LogNormal, Normal, Uniform

positive = st.floats(0.01, 1e6)
distributions: st.SearchStrategy[Distribution] = st.one_of(
    st.builds(Constant, positive),
    st.tuples(positive, positive).map(lambda pair: Uniform(min(pair), max(pair))),
    st.builds(Normal, positive, positive),
    st.builds(LogNormal, positive, st.floats(0, 2)),
    st.builds(Exponential, positive),
)


@given(distributions, st.integers())
def test_nothing_drawn_is_negative_and_equal_seeds_draw_equal_values(distribution: Distribution, seed: int) -> None:
    drawn = [distribution.draw(random) for random in [Random(seed)] for _ in range(5)]
    again = [distribution.draw(random) for random in [Random(seed)] for _ in range(5)]
    assert drawn == again
    assert all(value >= 0 for value in drawn)


@pytest.mark.parametrize(
    "distribution",
    [Constant(5), Uniform(2, 6), Normal(100, 20), Normal(10, 20), LogNormal(50, 0.5), Exponential(30)],
    ids=str,
)
def test_many_draws_average_to_the_mean(distribution: Distribution) -> None:
    random = Random(1)
    drawn = fmean(distribution.draw(random) for _ in range(20_000))
    assert drawn == pytest.approx(distribution.mean, rel=0.03)


def test_a_uniform_distribution_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match=r"high must be at least low \(5\), not 3"):
        Uniform(5, 3)


def test_every_distribution_has_a_name_for_the_configuration_file() -> None:
    assert set(DISTRIBUTIONS.values()) == {Constant, Uniform, Normal, LogNormal, Exponential}
