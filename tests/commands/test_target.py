"""Targets: what text means, whom it comes to, and what is wrong with it."""

import re
from collections.abc import Callable, Mapping, Sequence

import pytest
from attrs import field, frozen
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet.commands.speech import Aim
from fleet.commands.target import (
    Address,
    Sample,
    Target,
    TargetError,
    Term,
    looks_like_target,
    parse_target,
)
from fleet.words import ConnectorStatus

CHARGING, AVAILABLE, FAULTED = ConnectorStatus.CHARGING, ConnectorStatus.AVAILABLE, ConnectorStatus.FAULTED


@frozen
class Town:
    """A directory of charge points with two connectors each, unless said otherwise."""

    ids: Sequence[str]
    sizes: Mapping[str, int] = field(factory=dict)
    statuses: Mapping[Address, ConnectorStatus] = field(factory=dict)

    def connectors(self, charge_point_id: str, /) -> int:
        assert charge_point_id in self.ids
        return self.sizes.get(charge_point_id, 2)

    def status(self, charge_point_id: str, connector: int, /) -> ConnectorStatus | None:
        assert 0 < connector <= self.connectors(charge_point_id)
        return self.statuses.get((charge_point_id, connector))


TOWN = Town(
    ids=("CP0001", "CP0002", "CP0003", "CP0010", "DE*ABC*E1", "DE*ABC*XE1", "B7"),
    sizes={"CP0010": 4, "B7": 1},
    statuses={("CP0001", 1): CHARGING, ("CP0002", 2): CHARGING, ("CP0003", 1): FAULTED, ("CP0010", 4): AVAILABLE},
)


def resolve(text: str, town: Town = TOWN) -> str:
    return " ".join(f"{id}/{connector}" for id, connector in parse_target(text).resolve(town))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CP0001/2", "CP0001/2"),
        ("CP0001", "CP0001/0"),
        ("CP0001/0", "CP0001/0"),
        ("CP0001/*", "CP0001/1 CP0001/2"),
        ("CP00*/1", "CP0001/1 CP0002/1 CP0003/1 CP0010/1"),
        ("CP000?", "CP0001/0 CP0002/0 CP0003/0"),
        ("*/3", "CP0010/3"),
        ("CP0010/[2-3]", "CP0010/2 CP0010/3"),
        ("CP*/[2-9]", "CP0001/2 CP0002/2 CP0003/2 CP0010/2 CP0010/3 CP0010/4"),
        ("CP[0002-0010]", "CP0002/0 CP0003/0 CP0010/0"),
        ("CP[2-10]*", None),
        ("CP00[02-10]", "CP0002/0 CP0003/0 CP0010/0"),
        ("[A-Z]7", None),
        ("B[1-9]", "B7/0"),
        ("CP0003/1,CP0001/*", "CP0001/1 CP0001/2 CP0003/1"),
        ("CP0001/1,CP000?/1,CP0001/1", "CP0001/1 CP0002/1 CP0003/1"),
        ("B7,CP0002", "CP0002/0 B7/0"),
        ("*/*@Charging", "CP0001/1 CP0002/2"),
        ("*/*@charging,FAULTED", "CP0001/1 CP0002/2 CP0003/1"),
        ("CP0001/*,CP0003/*@Charging", "CP0001/1"),
        ("@Faulted", "CP0003/1"),
        ("*@Charging", "CP0001/0 CP0002/0"),
        ("DE*ABC*E1", "DE*ABC*E1/0"),
        ("DE*ABC*", "DE*ABC*E1/0 DE*ABC*XE1/0"),
        ("*~100%", "CP0001/0 CP0002/0 CP0003/0 CP0010/0 DE*ABC*E1/0 DE*ABC*XE1/0 B7/0"),
        ("CP0001/*@Charging~25", "CP0001/1"),
    ],
)
def test_a_target_comes_to_these(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(TargetError):
            resolve(text)
    else:
        assert resolve(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CP99*/1", "no charge point matches CP99*"),
        ("CP9999/1", "there is no charge point CP9999"),
        ("CP0001/1,CP9999/1", "there is no charge point CP9999"),
        ("CP0001/7", "CP0001 has 2 connectors; there is no CP0001/7"),
        ("*/9", "no charge point of * has such a connector: */9"),
        ("*/*@Finishing", "no connector of */* is Finishing now"),
        ("*/*@Finishing,Reserved~3", "no connector of */* is Finishing or Reserved now"),
        ("*@Finishing", "no charge point of * has one that is Finishing now"),
    ],
)
def test_a_target_that_comes_to_nothing_says_so(text: str, message: str) -> None:
    with pytest.raises(TargetError, match="^" + re.escape(message) + "$"):
        resolve(text)


def test_in_an_empty_fleet_nobody_is_meant() -> None:
    with pytest.raises(TargetError, match="there are no charge points"):
        resolve("*/*", Town(()))


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "expected a charge point"),
        ("CP1,,CP2", 4, "expected a charge point"),
        ("/1", 0, "expected a charge point"),
        ("CP1/", 4, "expected a connector's number"),
        ("CP1/x", 4, "expected a connector's number"),
        ("CP1/-1", 4, "expected a connector's number"),
        ("CP1/1/2", 4, "expected a connector's number"),
        ("CP1/[2-1]", 4, "names no connector"),
        ("CP1/[0-1]", 4, "names no connector"),
        ("CP[a-b]", 2, "expected a range of numbers"),
        ("CP[1-2][3", 7, "expected a range of numbers"),
        ("CP[9-1]", 0, "is empty"),
        ("*a*a*a*a*a*a", 0, "more than 5 stars"),
        ("CP1]", 3, "no ']'"),
        ("CP1,CP2/1", 0, "not both"),
        ("*/*@", 4, "no status ''"),
        ("*/*@Charging,Foo", 13, "no status 'Foo'; expected one of Available, "),
        ("*/*~", 3, "expected a sample"),
        ("*/*~0", 3, "expected a sample"),
        ("*/*~0%", 3, "expected a sample"),
        ("*/*~101%", 3, "expected a sample"),
        ("*/*~1.5", 3, "expected a sample"),
        ("*/*~10%@Charging", 7, "the sample comes last"),
    ],
)
def test_a_target_that_is_none_knows_its_place(text: str, position: int, message: str) -> None:
    with pytest.raises(TargetError, match=re.escape(message)) as caught:
        parse_target(text)
    assert (caught.value.text, caught.value.position) == (text, position)


BIG = Town(tuple(f"CP{number:04}" for number in range(1, 501)))


def test_a_sample_is_the_same_for_the_same_seed_and_counter() -> None:
    target = parse_target("*/*~10%")
    first = target.resolve(BIG, seed=7, counter=1)
    assert len(first) == 100
    assert first == target.resolve(BIG, seed=7, counter=1)
    assert first != target.resolve(BIG, seed=7, counter=2)
    assert first != target.resolve(BIG, seed=8, counter=1)


def test_a_sample_keeps_the_global_order_and_takes_nobody_twice() -> None:
    drawn = parse_target("CP[0001-0400]/1,CP0001/1~50").resolve(BIG)
    assert drawn == sorted(set(drawn))
    assert len(drawn) == 50


def test_a_percentage_of_few_is_at_least_one_and_a_number_at_most_all() -> None:
    assert len(parse_target("B7/*~1%").resolve(TOWN)) == 1
    assert len(parse_target("CP0001/*~25").resolve(TOWN)) == 2


def test_one_who_joins_changes_little_of_a_sample() -> None:
    before = set(parse_target("*/*~50").resolve(BIG))
    after = set(parse_target("*/*~50").resolve(Town((*BIG.ids, "CP9999"))))
    assert len(before - after) <= 2


def test_everybody_is_drawn_about_equally_often() -> None:
    town = Town(tuple("ABCDEFGHIJ"))
    target = parse_target("*~3")
    drawn = [id for counter in range(1000) for id, _ in target.resolve(town, counter=counter)]
    assert all(220 < drawn.count(id) < 380 for id in town.ids)


def test_connectors_stand_for_their_charge_points() -> None:
    assert parse_target("CP0001/1,CP0001/2,CP0002/*").of_charge_points() == parse_target("CP0001,CP0002")


def test_a_filtered_sample_of_connectors_stands_for_just_those_charge_points() -> None:
    whole = parse_target("*/1@Charging").of_charge_points()
    assert whole.aim is Aim.CHARGE_POINT
    assert whole.resolve(TOWN) == [("CP0001", 0)]
    drawn = parse_target("*/*~20")
    expected = list(dict.fromkeys((id, 0) for id, _ in drawn.resolve(BIG, seed=3)))
    assert drawn.of_charge_points().resolve(BIG, seed=3) == expected


def test_what_a_sample_came_to_can_be_held_fast() -> None:
    drawn = parse_target("*/*~20").resolve(BIG)
    assert Target.of(drawn).resolve(BIG, counter=99) == drawn


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        *[("CP1", False), ("TAG1", False), ("HeartbeatInterval", False), ("A,B", False), ("com.example", False)],
        *[("CP0001", True), ("CP9/1", True), ("CP*", True), ("@Charging", True), ("~3", True), ("CP9,CP0001", True)],
    ],
)
def test_a_word_looks_like_a_target_by_its_characters_or_because_it_is_there(text: str, yes: bool) -> None:
    assert looks_like_target(text, TOWN.ids.__contains__) is yes


# ---- properties ------------------------------------------------------------------------------------------------------

names = st.text("ABCxyz0123456789-_.:*?", min_size=1, max_size=8)
ranges = st.tuples(st.integers(0, 2000), st.integers(0, 2000)).map(lambda pair: f"[{min(pair)}-{max(pair):04}]")
patterns = st.lists(names | ranges, min_size=1, max_size=3).map("".join).filter(lambda text: text.count("*") <= 5)
charge_points = patterns.map(Term)
connectors = st.builds(
    lambda pattern, first, more: Term(pattern, first, first + more), patterns, st.integers(1, 9), st.integers(0, 5)
) | patterns.map(lambda pattern: Term(pattern, 1, None))
samples = st.builds(Sample, st.integers(1, 1000).map(float), st.just(False)) | st.builds(
    Sample, st.integers(1, 100_000_000).map(lambda n: n / 1_000_000), st.just(True)
)
targets = st.builds(
    Target,
    (st.lists(charge_points, min_size=1, max_size=4) | st.lists(connectors, min_size=1, max_size=4)).map(
        lambda terms: tuple(dict.fromkeys(terms))
    ),
    st.lists(st.sampled_from(ConnectorStatus), unique=True, max_size=3).map(tuple),
    st.none() | samples,
)


@given(targets)
def test_a_rendered_target_reads_back_the_same(target: Target) -> None:
    assert parse_target(target.render()) == target


def error_of(doing: Callable[[], object]) -> TargetError | None:
    try:
        doing()
    except TargetError as error:
        return error
    return None


@given(st.text(max_size=40) | st.text("CP01/*?[]-,@~% ", max_size=20))
def test_any_text_is_a_target_or_an_error_of_one_line_with_a_place_in_it(text: str) -> None:
    if error := error_of(lambda: parse_target(text)):
        assert 0 <= error.position <= len(text)
        assert "\n" not in str(error)
    else:
        assert parse_target(parse_target(text).render()) == parse_target(text)


@given(targets)
def test_any_target_comes_to_somebody_in_order_or_says_that_it_does_not(target: Target) -> None:
    if error := error_of(lambda: target.resolve(TOWN)):
        assert "\n" not in str(error)
    else:
        found = target.resolve(TOWN)
        assert found
        assert found == sorted(set(found), key=lambda address: (TOWN.ids.index(address[0]), address[1]))


@given(st.integers(0, 12_000), st.integers(0, 12_000), st.integers(0, 12_000), st.booleans())
def test_a_range_holds_the_numbers_from_first_to_last(a: int, b: int, number: int, padded: bool) -> None:
    low, high = min(a, b), max(a, b)
    assume(low > 0 or not padded)
    width = 5 if padded else 0
    id = f"CP{number:0{width}}"
    town = Town((id, "other"))
    target = parse_target(f"CP[{low:0{width}}-{high:0{width}}]")
    if low <= number <= high:
        assert target.resolve(town) == [(id, 0)]
    else:
        with pytest.raises(TargetError):
            target.resolve(town)
