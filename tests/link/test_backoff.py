"""Backoff: exponential, capped, with full jitter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.link.backoff import Backoff


def test_the_limit_doubles_with_every_failure_up_to_the_cap() -> None:
    assert [Backoff(base_s=1, cap_s=60).limit_s(n) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_every_wait_lies_between_nothing_and_the_limit(failures: int, fraction: float) -> None:
    backoff = Backoff(base_s=0.5, cap_s=300)
    assert 0 <= backoff.delay_s(failures, fraction) <= backoff.limit_s(failures) <= 300


@pytest.mark.parametrize("wrong", [{"base_s": 0}, {"cap_s": -1}, {"settled_s": -1}])
def test_a_backoff_that_could_not_wait_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(**wrong)
