import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.verdict.measures import ALONE, COUNTS, PERCENTILES, Figure, Name
from fleet.verdict.rules import parse_rule


def breaches(rule: str, before: dict[str, float], after: dict[str, float]) -> list[str]:
    """What breaks when runs with these figures, by name, are compared; a name ending in `>` is a lower bound."""
    return list(parse_rule(rule).breaches(figures(before), figures(after)))


def figures(values: dict[str, float]) -> dict[Name, Figure]:
    return {
        parse_rule(name.rstrip(">") + "+0").name: Figure(value, name.endswith(">")) for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("rule", "name", "sign", "amount", "relative"),
    [
        ("p99 +20%", Name("p99"), 1, 0.2, True),
        ("p99.9(Authorize) +20%", Name("p99.9", "Authorize"), 1, 0.2, True),
        ("p99( Authorize , sent )+20%", Name("p99", "Authorize", sent=True), 1, 0.2, True),
        ("mean(Authorize, due) + 1.5s", Name("mean", "Authorize"), 1, 1.5, False),
        ("p95(boot) +100ms", Name("p95", "boot"), 1, 0.1, False),
        ("max(lag)", Name("max", "lag"), 1, 0.0, False),
        ("errors +0", Name("errors"), 1, 0.0, False),
        ("errors() +0", Name("errors"), 1, 0.0, False),
        ("errors(all) +0", Name("errors"), 1, 0.0, False),
        ("violations(clock-skew)", Name("violations", "clock-skew"), 1, 0.0, False),
        ("errors(StartTransaction) +3", Name("errors", "StartTransaction"), 1, 3.0, False),
        ("rate -10%", Name("rate"), -1, 0.1, True),
        ("rate -5/min", Name("rate"), -1, 5 / 60, False),
        ("rate", Name("rate"), -1, 0.0, False),
        ("booted", Name("booted"), -1, 0.0, False),
        ("calls(Heartbeat) -1%", Name("calls", "Heartbeat"), -1, 0.01, True),
        ("energy_difference_wh +1.5kWh", Name("energy_difference_wh"), 1, 1500.0, False),
        ("rss_mib +50MiB", Name("rss_mib"), 1, 50.0, False),
        ("utilisation +.1", Name("utilisation"), 1, 0.1, False),
    ],
)
def test_a_rule_is_a_figure_and_how_far_it_may_move(
    rule: str, name: Name, sign: int, amount: float, relative: bool
) -> None:
    parsed = parse_rule(rule)
    assert (parsed.name, parsed.sign, parsed.relative) == (name, sign, relative)
    assert parsed.amount == pytest.approx(amount)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("", "expected NAME, then + or - and how much it may move, such as 'p99 +20%'"),
        ("p99 20%", "expected NAME, then + or -"),
        ("p99 +", "expected NAME, then + or -"),
        ("p99(Authorize +20%", "expected NAME, then + or -"),
        ("p98 +20%", "no figure is called 'p98'; did you mean p99?"),
        ("lost_transaction +0", "no figure is called 'lost_transaction'; did you mean lost_transactions?"),
        ("xyzzy +0", "no figure is called 'xyzzy'; expected one of mean, p50,"),
        ("lag +5ms", "lag: which of its times? expected one such as p99(lag) or max(lag)"),
        ("boot +10%", "boot: which of its times? expected one such as p99(boot) or max(boot)"),
        ("booted(Authorize) -1%", "booted is of the whole run: it takes no (Authorize)"),
        ("p99() +1%", "a summary has no p99 of all actions together: p99 without brackets asks it of each, "),
        ("p99(all) +1%", "a summary has no p99 of all actions together"),
        ("violations", "violations of which rule? expected one, such as violations(clock-skew)"),
        ("p99(Authorize, late) +1%", "expected due or sent after the comma in p99(...), got 'late'"),
        ("errors(Authorize, sent) +1", "expected nothing after the comma in errors(...), got 'sent'"),
        ("p99 +20", "not a duration: '20'; expected a number with its unit"),
        ("p99 +20%%", "expected a share such as 20%"),
        ("p99 +-20%", "expected a share such as 20%"),
        ("errors +100ms", "expected a share such as 20%, or a plain number such as +5, got '100ms'"),
        ("rate -3", "expected a share such as 20%, or another amount: not a rate: '3'"),
        ("energy_difference_wh +1W", "or an energy such as 10Wh, got '1W'"),
        ("calls", "calls is neither better nor worse when it grows: say +0 or -0"),
    ],
)
def test_a_typo_in_a_rule_is_one_clear_line(rule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        parse_rule(rule)
    assert complaint in str(caught.value)


def test_what_grew_by_less_than_its_share_holds_and_more_breaks() -> None:
    before = {"p99(Authorize)": 0.1}
    assert breaches("p99(Authorize) +20%", before, {"p99(Authorize)": 0.12}) == []
    assert breaches("p99(Authorize) +20%", before, {"p99(Authorize)": 0.121}) == [
        "p99(Authorize): 100ms -> 121ms (+21.0%), and the limit is 120ms"
    ]


def test_what_fell_is_never_more_than_it_may_grow() -> None:
    assert breaches("p99(Authorize)", {"p99(Authorize)": 0.1}, {"p99(Authorize)": 0.001}) == []


def test_a_share_of_nothing_is_nothing() -> None:
    assert breaches("errors +50%", {"errors": 0}, {"errors": 0}) == []
    assert breaches("errors +50%", {"errors": 0}, {"errors": 1}) == ["errors: 0 -> 1, and the limit is 0"]


def test_a_rate_may_not_fall_further_than_its_share() -> None:
    assert breaches("rate -10%", {"rate": 100}, {"rate": 90}) == []
    (why,) = breaches("rate -10%", {"rate": 100}, {"rate": 89})
    assert why == "rate: 100/s -> 89.0/s (-11.0%), and the limit is 90.0/s"


def test_a_bare_name_may_not_get_worse_whichever_way_worse_is() -> None:
    assert breaches("booted", {"booted": 1.0}, {"booted": 0.999}) == [
        "booted: 100% -> 99.9% (-0.1%), and the limit is 100%"
    ]
    assert breaches("booted", {"booted": 0.9}, {"booted": 1.0}) == []
    assert len(breaches("errors", {"errors": 3}, {"errors": 4})) == 1


def test_a_percentile_without_an_action_is_asked_of_every_action_that_both_know() -> None:
    before = {"calls(A)": 9, "calls(B)": 9, "calls(C)": 9, "p99(A)": 0.1, "p99(B)": 0.1, "p99(C)": 0.1, "p99(boot)": 1}
    after = {"calls(A)": 9, "calls(B)": 9, "calls(D)": 9, "p99(A)": 0.1, "p99(B)": 0.2, "p99(D)": 9.0, "p99(boot)": 9}
    (why,) = breaches("p99 +20%", before, after)
    assert why.startswith("p99(B): ")


def test_an_action_that_is_not_answered_any_more_breaks_a_rule_on_its_percentiles() -> None:
    before, after = {"calls(A)": 9, "p99(A)": 0.1}, {"calls(A)": 9}
    assert breaches("p99 +20%", before, after) == ["p99(A): there is none in B"]
    assert breaches("p99 +20%", after, before) == ["p99(A): there is none in A"]


def test_a_rule_that_finds_nothing_to_compare_is_broken() -> None:
    assert breaches("p99 +20%", {"errors": 0}, {"errors": 0}) == ["neither run has an action with this figure"]
    assert breaches("p99(A, sent) +20%", {"calls(A)": 1}, {"calls(A)": 1}) == ["p99(A, sent): there is none in A and B"]


def test_an_action_that_neither_run_knows_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"^neither run has 'Authorise'; did you mean Authorize\?$"):
        breaches("p99(Authorise) +1%", {"calls(Authorize)": 1}, {"calls(Authorize)": 1})


def test_what_is_only_timed_has_no_count_to_compare() -> None:
    with pytest.raises(ValueError, match=r"^neither run has 'boot'$"):
        breaches("errors(boot)", {"p99(boot)": 1, "calls(Authorize)": 1}, {"p99(boot)": 1})
    assert breaches("p99(boot)", {"p99(boot)": 1}, {"p99(boot)": 1}) == []


def test_a_lower_bound_in_the_second_run_can_never_be_shown_to_hold() -> None:
    (why,) = breaches("p99(A) +20%", {"p99(A)": 40}, {"p99(A)>": 30})
    assert why == "p99(A): 40s -> >30s, a lower bound, can't be shown to keep within 48s"
    assert len(breaches("p99(A) +20%", {"p99(A)>": 30}, {"p99(A)>": 30})) == 1


def test_a_lower_bound_in_the_first_run_is_a_limit_that_may_be_kept() -> None:
    assert breaches("p99(A) +20%", {"p99(A)>": 30}, {"p99(A)": 31}) == []
    assert len(breaches("p99(A) +20%", {"p99(A)>": 30}, {"p99(A)": 37})) == 1


@given(
    function=st.sampled_from([*PERCENTILES, *COUNTS, *ALONE]),
    value=st.floats(0, 1e9),
    factor=st.floats(0, 2),
    share=st.integers(0, 100),
)
def test_a_share_is_kept_exactly_when_the_second_value_is_within_it(
    function: str, value: float, factor: float, share: int
) -> None:
    subject = "(A)" if function in PERCENTILES else ""
    up, down = (
        breaches(f"{function}{subject} {sign}{share}%", *_pair(function, subject, value, factor)) for sign in "+-"
    )
    slack = 1e-6
    if factor > 1 + share / 100 + slack and value > slack:
        assert up
        assert not down
    elif factor < 1 - share / 100 - slack and value > slack:
        assert down
        assert not up
    elif abs(factor - 1) < share / 100 - slack:
        assert not up
        assert not down


def _pair(function: str, subject: str, value: float, factor: float) -> tuple[dict[str, float], dict[str, float]]:
    return {function + subject: value}, {function + subject: value * factor}
