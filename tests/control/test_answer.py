"""Answers: counts, refusals, and the way over the wire and back."""

import orjson

from fleet.control.answer import Answer, Refused, refusal_lines
from fleet.errors import EXIT_CONFIGURATION, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED


def refusals(count: int, reason: str = "no") -> list[Refused]:
    return [Refused(f"CP{number}/1", reason) for number in range(count)]


def test_one_target_is_said_without_counts() -> None:
    assert Answer.counted("plug CP1/1", {"CP1/1": None}, []).text == "plug CP1/1: done"
    assert Answer.counted("plug *~1", {"CP1/1": None}, []).text == "plug *~1: CP1/1 done"
    assert Answer.counted("stop CP1/1", {}, [Refused("CP1/1", "No")]).text == "CP1/1: No"


def test_the_exit_code_says_whether_anybody_refused() -> None:
    assert Answer.counted("x", {"a": None}, []).exit_code == EXIT_DONE
    assert Answer.counted("x", {"a": None}, refusals(1)).exit_code == EXIT_FAILED
    assert Answer.counted("x", {"a": None}, [], cancelled=1).exit_code == EXIT_INTERRUPTED
    assert Answer.wrong("x").exit_code == EXIT_CONFIGURATION


def test_up_to_ten_refusals_are_listed_and_more_are_counted_by_reason() -> None:
    assert refusal_lines(refusals(10)) == [f"CP{number}/1: no" for number in range(10)]
    assert refusal_lines(refusals(11)) == ["11 x no (CP0/1, ...)"]
    mixed = [*refusals(11), Refused("CP99/1", "never"), *refusals(2, "later")]
    assert refusal_lines(mixed) == ["11 x no (CP0/1, ...)", "2 x later (CP0/1, CP1/1)", "CP99/1: never"]


def test_however_many_reasons_there_are_the_lines_are_few() -> None:
    lines = refusal_lines([Refused(f"CP{number}", f"reason {number}") for number in range(30)])
    assert len(lines) == 10
    assert lines[-1] == "and 21 more reasons"


def test_values_are_shown_for_the_first_few_and_counted_beyond() -> None:
    answer = Answer.counted("get *", {f"CP{number}": {"Key": "1", "Empty": None} for number in range(25)}, [])
    lines = answer.text.splitlines()
    assert lines[:3] == ["get *: 25 done", "  CP0: Key = 1", "  CP0: Empty = "]
    assert lines[-1] == "  and 15 more"
    assert len(answer.data) == 25


def test_an_answer_comes_back_from_json_as_it_was() -> None:
    for answer in (
        Answer("text", 3, (Refused("CP1/1", "no"),), {"a": [1, None]}, None, 1),
        Answer.wrong("what?"),
        Answer.counted("x", {"a": {"b": "c"}}, refusals(2), cancelled=1),
    ):
        assert Answer.from_dict(orjson.loads(orjson.dumps(answer.as_dict()))) == answer
