"""What faults make of OCPP-J frames, without a connection."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.impairments import Direction, Impair, NetworkFault
from fleet.core.effects import ImpairLink, MendLink
from fleet.link.faults import Faults, mistyped

SENT, RECEIVED, BOTH = Direction.SENT, Direction.RECEIVED, Direction.BOTH
CALL = '[2,"a-7","StopTransaction",{"meterStop":120,"idTag":"TAG","transactionId":1001}]'
RESULT = '[3,"c-1",{"status":"Accepted"}]'
ERROR = '[4,"c-2","InternalError","oh",{}]'


def faults(*impairs: Impair, draws: list[float] | None = None) -> Faults:
    waiting = list(draws or [])
    made = Faults(lambda _: waiting.pop(0) if waiting else 0.5)
    for impair in impairs:
        made.change(ImpairLink(impair))
    return made


def passed(
    fault: NetworkFault, *frames: str, direction: Direction = SENT, draws: list[float] | None = None
) -> list[Any]:
    """What becomes of these frames, all passed on at once."""
    frame_faults = faults(Impair(fault), draws=draws).frames
    return [gone_on for frame in frames for gone_on in frame_faults.pass_on(frame, direction, 0.0)]


def test_a_dropped_frame_does_not_go_on() -> None:
    assert passed(NetworkFault.DROP, CALL, RESULT) == []


def test_a_doubled_frame_goes_on_twice() -> None:
    assert passed(NetworkFault.DOUBLE, CALL, RESULT) == [CALL, CALL, RESULT, RESULT]


def test_answers_that_never_come_are_results_and_errors_but_no_calls() -> None:
    assert passed(NetworkFault.NO_ANSWER, RESULT, CALL, ERROR) == [CALL]


def test_answers_that_come_twice_are_results_and_errors_but_no_calls() -> None:
    assert passed(NetworkFault.ANSWER_TWICE, RESULT, CALL, ERROR) == [RESULT, RESULT, CALL, ERROR, ERROR]


def test_a_frame_of_the_wrong_version_has_a_message_type_that_nobody_knows() -> None:
    assert passed(NetworkFault.WRONG_VERSION, RESULT) == ['[5,"c-1",{"status":"Accepted"}]']


def test_an_unknown_id_is_one_that_never_was_and_another_one_each_time() -> None:
    gone_on = passed(NetworkFault.UNKNOWN_ID, RESULT, RESULT, draws=[0.25, 0.5])
    assert gone_on == [
        '[3,"unknown-400000000000",{"status":"Accepted"}]',
        '[3,"unknown-800000000000",{"status":"Accepted"}]',
    ]


def test_a_repeated_id_is_that_of_the_frame_of_its_kind_before() -> None:
    first, second, third = '[3,"x",{}]', '[4,"y","InternalError","",{}]', '[3,"z",{}]'
    assert passed(NetworkFault.REPEATED_ID, first, second, third, direction=RECEIVED) == [
        first,
        '[4,"x","InternalError","",{}]',
        '[3,"y",{}]',
    ]


def test_our_call_repeats_only_an_id_that_has_its_answer() -> None:
    """Else the answer to it would settle the older CALL, of which the CSMS may never have heard."""
    frames = faults(Impair(NetworkFault.REPEATED_ID)).frames
    call = '[2,"{}","Heartbeat",{{}}]'
    assert frames.pass_on(call.format("a"), SENT, 0) == [call.format("a")]
    assert frames.pass_on(call.format("b"), SENT, 0) == [call.format("b")]
    assert frames.pass_on('[3,"b",{}]', RECEIVED, 0) == ['[3,"b",{}]']
    assert frames.pass_on(call.format("c"), SENT, 0) == [call.format("b")]


def test_no_id_is_repeated_on_another_connection() -> None:
    frames = faults(Impair(NetworkFault.REPEATED_ID)).frames
    frames.pass_on('[3,"x",{}]', SENT, 0)
    frames.forget()
    assert frames.pass_on('[3,"y",{}]', SENT, 0) == ['[3,"y",{}]']


@given(st.floats(0, 1, exclude_max=True))
def test_a_malformed_frame_is_never_json_and_never_empty(fraction: float) -> None:
    (gone_on,) = passed(NetworkFault.MALFORMED, CALL + " ", draws=[fraction])
    assert CALL.startswith(gone_on)
    assert gone_on
    with pytest.raises(ValueError, match=r"."):
        json.loads(gone_on)


@given(st.floats(0, 1, exclude_max=True))
def test_a_mistyped_frame_differs_in_the_type_of_one_field_and_says_the_same(fraction: float) -> None:
    before, after = json.loads(CALL), json.loads(mistyped(CALL, fraction))
    assert before[:3] == after[:3]
    (changed,) = [name for name in before[3] if before[3][name] != after[3][name]]
    was, now = before[3][changed], after[3][changed]
    assert type(was) is not type(now)
    assert now in (str(was), [was])


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ('[2,"1","Heartbeat",{}]', '[2,"1","Heartbeat",[]]'),
        ('[3,"1",{"a":{"b":[true]}}]', '[3,"1",{"a":{"b":["true"]}}]'),
        ('[3,"1",{"x":null}]', '[3,"1",{"x":[null]}]'),
        ('[4,"1","GenericError","",{}]', '[4,"1",["GenericError"],"",{}]'),
        ('[3,"1",{"x":"ü"}]', '[3,"1",{"x":["ü"]}]'),
        ("nonsense", "nonsense"),
        ("[2]", "[2]"),
        ('[3,"1"]', '[3,"1"]'),
        ('[9,"1",{}]', '[9,"1",{}]'),
        ("{}", "{}"),
    ],
)
def test_what_mistyping_makes_of_a_frame(frame: str, expected: str) -> None:
    assert mistyped(frame, 0.0) == expected


@pytest.mark.parametrize("fault", NetworkFault)
@pytest.mark.parametrize("frame", ["", "nonsense", "[", '[2,"1"', b"\x00\xff", '[2,"\\"],[","Heartbeat",{}]'])
def test_no_fault_stumbles_over_text_that_is_no_frame(fault: NetworkFault, frame: str | bytes) -> None:
    frames = faults(Impair(fault)).frames
    for direction in (SENT, RECEIVED):
        for _ in range(2):
            frames.pass_on(frame, direction, 0.0)


def test_a_delayed_frame_is_overtaken() -> None:
    made = faults(Impair(NetworkFault.DELAY, probability=0.3, latency_s=7), draws=[0.2, 0.4])
    assert made.frames.pass_on(CALL, SENT, 100.0) == []
    assert made.frames.pass_on(RESULT, SENT, 100.0) == [RESULT]
    assert [(held.due_at, held.frame) for held in made.frames.held] == [(107.0, CALL)]


def test_reordered_frames_change_places_two_by_two() -> None:
    assert passed(NetworkFault.REORDER, "1", "2", "3", "4") == ["2", "1", "4", "3"]


def test_a_fault_of_one_direction_leaves_the_other_alone() -> None:
    frames = faults(Impair(NetworkFault.DROP, direction=RECEIVED)).frames
    assert frames.pass_on(CALL, SENT, 0) == [CALL]
    assert frames.pass_on(CALL, RECEIVED, 0) == []


def test_a_probability_is_the_share_of_frames_that_are_struck() -> None:
    frames = faults(Impair(NetworkFault.DROP, probability=0.25), draws=[0.24, 0.25, 0.9, 0.1]).frames
    assert [frames.pass_on(text, SENT, 0) for text in "abcd"] == [[], ["b"], ["c"], []]


def test_the_draws_go_by_the_name_of_the_fault_and_a_number_of_their_own() -> None:
    asked: list[str] = []

    def draw(name: str) -> float:
        asked.append(name)
        return 0.9

    made = Faults(draw)
    made.change(ImpairLink(Impair(NetworkFault.DROP, probability=0.5)))
    made.frames.pass_on(CALL, SENT, 0)
    made.frames.pass_on(CALL, RECEIVED, 0)
    assert asked == ["drop/1", "drop/2"]


def test_a_fault_that_is_taken_off_strikes_no_more() -> None:
    made = faults(Impair(NetworkFault.DROP), Impair(NetworkFault.DOUBLE))
    made.change(MendLink(NetworkFault.DROP))
    assert made.frames.pass_on(CALL, SENT, 0) == [CALL, CALL]
    made.change(MendLink(NetworkFault.DOUBLE))
    made.change(MendLink(NetworkFault.DOUBLE))
    assert made.of_frames is None
    assert not made.of_stream
