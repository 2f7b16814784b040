"""The local authorisation list by itself: updates, versions, limits (OCPP 1.6 sections 5.10 and 5.15)."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.answers import IdTagInfo, LocalListEntry, LocalListSent
from fleet.core.local_list import LocalList
from fleet.words import AuthorizationStatus, UpdateKind, UpdateStatus

FULL, DIFFERENTIAL = UpdateKind.FULL, UpdateKind.DIFFERENTIAL
ACCEPTED, FAILED, MISMATCH = UpdateStatus.ACCEPTED, UpdateStatus.FAILED, UpdateStatus.VERSION_MISMATCH
GOOD, BLOCKED = IdTagInfo(AuthorizationStatus.ACCEPTED), IdTagInfo(AuthorizationStatus.BLOCKED)


def entries(**infos: IdTagInfo | None) -> tuple[LocalListEntry, ...]:
    return tuple(LocalListEntry(id_tag, info) for id_tag, info in infos.items())


def full(version: int, **infos: IdTagInfo | None) -> LocalListSent:
    return LocalListSent(version, FULL, entries(**infos))


def differential(version: int, **infos: IdTagInfo | None) -> LocalListSent:
    return LocalListSent(version, DIFFERENTIAL, entries(**infos))


def update(local_list: LocalList, sent: LocalListSent, entries_max: int = 100, sent_max: int = 100) -> UpdateStatus:
    return local_list.update(sent, entries_max=entries_max, sent_max=sent_max)


@pytest.fixture
def known() -> LocalList:
    """Version 5, with two tags."""
    local_list = LocalList()
    assert update(local_list, full(5, A=GOOD, B=GOOD)) is ACCEPTED
    return local_list


def test_a_fresh_list_is_empty_and_has_version_0() -> None:
    assert LocalList().version == len(LocalList()) == 0


def test_a_full_update_replaces_everything(known: LocalList) -> None:
    assert update(known, full(6, C=GOOD)) is ACCEPTED
    assert (known.version, known.find("A"), known.find("C")) == (6, None, GOOD)


@pytest.mark.parametrize("version", [1, 5])
def test_a_full_update_may_have_any_version(known: LocalList, version: int) -> None:
    assert update(known, full(version, C=GOOD)) is ACCEPTED
    assert known.version == version


def test_a_differential_update_adds_changes_and_removes(known: LocalList) -> None:
    assert update(known, differential(6, A=BLOCKED, B=None, C=GOOD)) is ACCEPTED
    assert [known.find(id_tag) for id_tag in "ABC"] == [BLOCKED, None, GOOD]
    assert known.version == 6


def test_a_differential_update_may_skip_versions(known: LocalList) -> None:
    assert update(known, differential(60, C=GOOD)) is ACCEPTED


@pytest.mark.parametrize("version", [5, 4, 0, -1])
def test_a_differential_update_that_is_not_newer_is_a_mismatch(known: LocalList, version: int) -> None:
    assert update(known, differential(version, C=GOOD)) is MISMATCH


def test_an_empty_full_update_empties_the_list_whose_version_is_0_then(known: LocalList) -> None:
    assert update(known, full(6)) is ACCEPTED
    assert known.version == len(known) == 0


def test_a_list_whose_last_tag_is_taken_out_has_version_0(known: LocalList) -> None:
    assert update(known, differential(6, A=None, B=None)) is ACCEPTED
    assert known.version == 0
    assert update(known, differential(1, C=GOOD)) is ACCEPTED


def test_capitals_of_an_id_tag_do_not_matter(known: LocalList) -> None:
    assert known.find("a") is known.find("A") is GOOD
    assert update(known, differential(6, a=None)) is ACCEPTED
    assert known.find("A") is None


def test_to_take_out_a_tag_that_is_not_in_the_list_is_no_failure(known: LocalList) -> None:
    assert update(known, differential(6, Z=None)) is ACCEPTED
    assert known.version == 6


@pytest.mark.parametrize(
    "sent",
    [
        full(6, A=GOOD, a=GOOD),
        differential(6, Z=GOOD, z=None),
        full(6, A=None),
        full(0, A=GOOD),
        full(-1),
        full(6, A=GOOD, B=GOOD, C=GOOD, D=GOOD),
        differential(6, C=GOOD, D=GOOD),
    ],
    ids=["twice", "twice in a change", "nothing said of a tag", "version 0", "version -1", "too long", "gets too long"],
)
def test_what_fails_changes_nothing(known: LocalList, sent: LocalListSent) -> None:
    before = copy.deepcopy(known)
    assert update(known, sent, entries_max=3) is FAILED
    assert known == before


def test_one_message_may_not_hold_more_than_it_may_although_the_list_could(known: LocalList) -> None:
    assert update(known, differential(6, C=GOOD, D=GOOD), sent_max=1) is FAILED
    assert update(known, differential(6, C=GOOD), sent_max=1) is ACCEPTED


INFOS = st.none() | st.builds(IdTagInfo, st.sampled_from(AuthorizationStatus))
UPDATES = st.builds(
    LocalListSent,
    st.integers(-1, 8),
    st.sampled_from(UpdateKind),
    st.lists(st.builds(LocalListEntry, st.sampled_from("AaBCDE"), INFOS), max_size=5).map(tuple),
)


@given(st.lists(UPDATES, max_size=12), st.integers(0, 4), st.integers(0, 5))
def test_whatever_comes_the_list_is_what_the_accepted_updates_make_of_it(
    sent: list[LocalListSent], entries_max: int, sent_max: int
) -> None:
    local_list, model, version = LocalList(), dict[str, IdTagInfo](), 0
    for each in sent:
        before = copy.deepcopy(local_list)
        status = update(local_list, each, entries_max, sent_max)
        if status is not ACCEPTED:
            assert local_list == before
            assert (status is MISMATCH) is (each.kind is DIFFERENTIAL and each.version <= version)
            continue
        if each.kind is FULL:
            model = {}
        for entry in each.entries:
            if entry.info is None:
                model.pop(entry.id_tag.lower(), None)
            else:
                model[entry.id_tag.lower()] = entry.info
        version = each.version if model else 0
        assert len(each.entries) <= sent_max
        assert local_list.version == version >= 0
        assert {id_tag: local_list.find(id_tag.upper()) for id_tag in model} == model
        assert len(local_list) == len(model) <= entries_max
        assert (version == 0) is (not model)
