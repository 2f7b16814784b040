import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.verdict.slo import parse_objective

ACTIONS = ("Authorize", "Heartbeat", "StartTransaction")


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("p99(Authorize) < 800ms", 0.8),
        ("p99.9(Authorize, sent) <= 1m30s", 90.0),
        ("p95(boot) < 5s", 5.0),
        ("max(connect) < 2s", 2.0),
        ("mean() < 0.1s", 0.1),
        ("min(all, due) < 0.1s", 0.1),
        ("errors(StartTransaction) / calls(StartTransaction) < 0.1%", 0.001),
        ("errors() / calls() < 0.001", 0.001),
        ("disconnects / transactions < 250%", 2.5),
        ("lost_transactions == 0", 0),
        ("timeouts(all) <= 10", 10),
        ("violations(clock-skew) == 0", 0),
        ("energy_difference_wh == 0", 0),
        ("energy_difference_wh < 1.5 kWh", 1500),
        ("csms_violations != 7", 7),
        ("booted >= 99.9%", 0.999),
        ("booted >= 1", 1),
        ("rate(Authorize) > 120/min", 2.0),
        ("rate(Authorize) > 0/s", 0.0),
        ("  p99( Authorize )<800ms  ", 0.8),
    ],
)
def test_an_objective_is_a_measure_a_comparison_and_a_quantity_with_its_unit(text: str, threshold: float) -> None:
    objective = parse_objective(text, ACTIONS)
    assert float(objective.threshold) == pytest.approx(threshold, abs=1e-12)
    assert objective.text == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p99(Autorize) < 800ms", "did you mean Authorize?"),
        ("p99(authorize) < 800ms", "did you mean Authorize?"),
        ("p99(Xyzzy) < 1s", "expected one of Authorize, Heartbeat, StartTransaction, all, boot, connect"),
        ("boted >= 99%", "there is no 'boted': did you mean booted?"),
        ("lost_transaction == 0", "did you mean lost_transactions?"),
        ("xyzzy == 0", "there is no 'xyzzy': expected one of booted, "),
        ("medium(Authorize) < 1s", "there is no medium(): "),
        ("eror(Authorize) == 0", "did you mean errors?"),
        ("violations(clock-skw) == 0", "did you mean clock-skew?"),
        ("violations() == 0", "violations of which rule?"),
        ("errors(boot) == 0", "boot is no action; it can only be timed, such as p95(boot)"),
        ("p100(Authorize) < 1s", "there is no p100: expected a percentile from p0.001 to p99.999, or min or max"),
        ("p0(Authorize) < 1s", "there is no p0: expected a percentile"),
        (
            "p99(RemoteStartTransaction) < 1s",
            "the CSMS says that; what is timed is its effect, such as p95(remote_start)",
        ),
        ("p99(boot, sent) < 1s", "only an action is timed from when it was sent"),
        ("p99(Authorize, snt) < 1s", "such as p99(Authorize, sent)"),
        ("calls(Authorize, sent) < 1", "expected one action"),
        ("p99 < 1s", "p99 of what? expected brackets, such as p99(Authorize), or p99(all) for all actions together"),
        ("timeouts == 0", "timeouts of what? expected brackets, such as timeouts(Authorize), or timeouts() for all"),
        ("violations == 0", "violations of what? expected brackets, such as violations(transaction-id-not-positive)"),
        ("boot < 5s", "which of its times? expected one such as p95(boot), mean(boot) or max(boot)"),
        ("Authorize < 800ms", "what of it? expected one such as p95(Authorize), errors(Authorize) or calls(Authorize)"),
        ("all < 800ms", "what of it? expected one such as p95(all), errors(all) or calls(all)"),
        ("p(99) < 800ms", "there is no p(): did you mean p99(all)?"),
        ("p(95.5) < 800ms", "there is no p(): did you mean p95.5(all)?"),
        ("lost_transactions() == 0", "lost_transactions stands without brackets"),
    ],
)
def test_a_name_that_does_not_exist_is_one_line_with_what_was_meant(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_objective(text, ACTIONS)
    assert str(raised.value).startswith(f"{text!r}: ")
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p99(Authorize) < 800", "is a duration: expected one with its unit, such as 800ms, not '800'"),
        ("p99(Authorize) < 5%", "is a duration: expected one such as 800ms, not '5%'"),
        ("p99(Authorize) < 800ms or so", "not '800ms or so'"),
        ("errors(Authorize) < 1%", "is a count: expected one such as 0, not '1%'; for a share divide: errors(Author"),
        ("lost_transactions == 0s", "is a count"),
        ("lost_transactions == 0.5", "is a count"),
        ("lost_transactions == -1", "is a count"),
        ("booted >= 99.9", "is a share: expected one such as 99.9% or 0.999, not '99.9'"),
        ("booted >= 101%", "never more than 100%"),
        ("rate(Authorize) > 50", "is a rate: expected one such as 50/s or 120/min, not '50'"),
        ("energy_difference_wh < 5 W", "is an energy"),
        ("p99(Authorize) / p99(Heartbeat) < 2", "only counts are divided"),
    ],
)
def test_a_unit_that_does_not_fit_is_one_line_with_one_that_does(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_objective(text, ACTIONS)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected an objective, such as p99(Authorize) < 800ms"),
        ("p99(Authorize)", "expected a comparison"),
        ("< 800ms", "expected what is measured before <"),
        ("p99(Authorize) <", "expected a duration after <, such as 800ms"),
        ("p99(Authorize) = 1s", "did you mean ==?"),
        ("p99(Authorize) =< 1s", "did you mean <=?"),
        ("p99(Authorize) ≤ 1s", "did you mean <=?"),
        ("1s < p99(Authorize) < 2s", "can't read '1s'"),
        ("800ms > p99(Authorize)", "what is measured stands on the left: p99(Authorize) < 800ms"),
        ("99.9% <= booted", "what is measured stands on the left: booted >= 99.9%"),
        ("0 == lost_transactions", "what is measured stands on the left: lost_transactions == 0"),
        ("p99(Authorize) < 1s < 2s", "expected one comparison"),
        ("p99(Authorize < 1s", "can't read 'p99(Authorize'"),
        ("errors() / calls() / calls() < 1%", "one count divided by another"),
        ("errors() / < 1%", "can't read ''"),
        ("lost_transactions < 0", "lost_transactions is never < 0"),
        ("lost_transactions >= 0", "lost_transactions is always >= 0"),
    ],
)
def test_what_is_no_comparison_or_can_only_come_out_one_way_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_objective(text, ACTIONS)
    assert expected in str(raised.value)


def test_a_mistake_is_one_short_line_whatever_was_typed() -> None:
    for text in ("x" * 5000 + " < 1", "p99(" + "y" * 5000 + ") < 1s", "boot\x1b[31m\x00 < 1s", "a\nb < 1"):
        with pytest.raises(ValueError) as raised:
            parse_objective(text, ACTIONS)
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 600


PIECES = [
    "p99",
    "errors",
    "(",
    ")",
    "Authorize",
    "/",
    "booted",
    "<",
    ">=",
    "==",
    "800ms",
    "0.1%",
    "50/s",
    "5Wh",
    " ",
    ",",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_whatever_is_typed_is_an_objective_or_one_printable_line(text: str) -> None:
    complaint = ""
    try:
        objective = parse_objective(text, ACTIONS)
    except ValueError as error:
        complaint = str(error)
    else:
        assert parse_objective(objective.text, ACTIONS) == objective
    assert complaint.isprintable()
