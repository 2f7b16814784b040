"""Whose word counts about an id tag: list before cache, and when either may be trusted (OCPP 1.6 section 3.5)."""

import pytest

from fleet.core.answers import IdTagInfo, LocalListEntry, LocalListSent
from fleet.core.authorization import ASK_CENTRAL, CACHE_ENTRIES_MAX, Authorizer, Denied, Granted, Verdict
from fleet.core.configuration import Configuration
from fleet.core.local_list import LocalList
from fleet.words import AuthorizationStatus, UpdateKind, UpdateStatus

NOW_S = 1_000.0
ACCEPTED, BLOCKED = AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED
EXPIRED, INVALID = AuthorizationStatus.EXPIRED, AuthorizationStatus.INVALID
GOOD, BAD = IdTagInfo(ACCEPTED, "PARENT"), IdTagInfo(BLOCKED)
OUTDATED = IdTagInfo(ACCEPTED, expires_utc_s=NOW_S)
STRICT = {"AllowOfflineTxForUnknownId": "false"}
TRUSTING = {"LocalPreAuthorize": "true"}


class Door:
    """An authorizer with its memory in sight."""

    def __init__(self, **keys: str) -> None:
        self.cache: dict[str, IdTagInfo] = {}
        self.list = LocalList()
        self.configuration = Configuration(keys, {})
        self.authorizer = Authorizer(self.configuration, self.cache, self.list)

    def listed(self, version: int = 1, **infos: IdTagInfo | None) -> UpdateStatus:
        """A differential update."""
        entries = tuple(LocalListEntry(id_tag, info) for id_tag, info in infos.items())
        return self.authorizer.update_list(LocalListSent(version, UpdateKind.DIFFERENTIAL, entries))

    def learn(self, id_tag: str, info: IdTagInfo) -> bool:
        return self.authorizer.learn(id_tag, info, NOW_S)

    def online(self, id_tag: str = "TAG") -> Verdict:
        return self.authorizer.judge(id_tag, online=True, utc_s=NOW_S)

    def offline(self, id_tag: str = "TAG") -> Verdict:
        return self.authorizer.judge(id_tag, online=False, utc_s=NOW_S)


def test_online_the_csms_is_asked_even_of_a_listed_tag() -> None:
    door = Door()
    door.listed(TAG=GOOD)
    assert door.online() is ASK_CENTRAL


def test_online_a_listed_tag_may_charge_without_asking_where_the_key_says_so() -> None:
    door = Door(**TRUSTING)
    door.listed(TAG=GOOD)
    assert door.online() == door.online("tag") == Granted("PARENT")


@pytest.mark.parametrize("info", [BAD, OUTDATED])
def test_online_the_csms_is_asked_of_a_listed_tag_that_is_not_good(info: IdTagInfo) -> None:
    door = Door(**TRUSTING)
    door.listed(TAG=info)
    assert door.online() is ASK_CENTRAL


@pytest.mark.parametrize(
    ("info", "verdict"), [(GOOD, Granted("PARENT")), (BAD, Denied(BLOCKED)), (OUTDATED, Denied(EXPIRED))]
)
def test_offline_the_list_decides(info: IdTagInfo, verdict: Verdict) -> None:
    door = Door()  # where even unknown tags may charge
    door.listed(TAG=info)
    assert door.offline() == verdict


def test_offline_a_listed_tag_is_as_good_as_unknown_where_nothing_known_is_trusted() -> None:
    door = Door(LocalAuthorizeOffline="false", **STRICT)
    door.listed(TAG=GOOD, OTHER=BAD)
    assert door.offline() == Denied(INVALID)
    assert door.offline("OTHER") == Denied(BLOCKED)


def test_the_list_comes_before_the_cache() -> None:
    door = Door()
    door.cache["tag"] = GOOD  # from before the list was switched on
    door.listed(OTHER=GOOD)
    assert door.offline() == Granted("PARENT")
    door.list.entries["tag"] = BAD
    assert door.offline() == Denied(BLOCKED)


def test_a_tag_that_gets_into_the_list_leaves_the_cache() -> None:
    door = Door()
    door.learn("TAG", GOOD)
    door.learn("OTHER", GOOD)
    assert door.listed(TAG=BAD) is UpdateStatus.ACCEPTED
    assert list(door.cache) == ["other"]


def test_what_the_csms_says_of_a_listed_tag_changes_neither_cache_nor_list() -> None:
    door = Door()
    door.listed(TAG=GOOD)
    door.learn("Tag", BAD)
    assert door.cache == {}
    assert door.list.find("TAG") is GOOD


def test_what_the_csms_says_of_an_unlisted_tag_is_remembered_in_any_capitals() -> None:
    door = Door(**STRICT)
    assert not door.learn("TAG", GOOD)
    assert door.offline("tag") == Granted("PARENT")
    assert not door.learn("tag", BAD)
    assert door.offline("TAG") == Denied(BLOCKED)


@pytest.mark.parametrize(
    ("listed", "said", "conflict"),
    [
        (GOOD, GOOD, False),
        (GOOD, BAD, True),
        (BAD, GOOD, True),
        (BAD, IdTagInfo(INVALID), False),
        (OUTDATED, IdTagInfo(EXPIRED), False),
        (GOOD, IdTagInfo(AuthorizationStatus.CONCURRENT_TX), False),
    ],
)
def test_an_answer_contradicts_the_list_where_one_says_yes_and_the_other_no(
    listed: IdTagInfo, said: IdTagInfo, conflict: bool
) -> None:
    door = Door()
    door.listed(TAG=listed)
    assert door.learn("TAG", said) is conflict


def test_where_the_list_is_switched_off_it_is_as_good_as_not_there() -> None:
    door = Door(**STRICT)
    door.listed(TAG=GOOD)
    door.configuration.set("LocalAuthListEnabled", "false")
    assert door.authorizer.list_version == -1
    assert door.listed(2, TAG=BAD) is UpdateStatus.NOT_SUPPORTED
    assert door.offline() == Denied(INVALID)
    assert not door.learn("TAG", BAD)
    assert door.offline() == Denied(BLOCKED)
    door.configuration.set("LocalAuthListEnabled", "true")
    assert door.authorizer.list_version == 1
    assert door.offline() == Granted("PARENT")


def test_a_charge_point_without_the_profile_has_no_list_whatever_the_key_says() -> None:
    door = Door(SupportedFeatureProfiles="Core")
    assert door.authorizer.list_version == -1
    assert door.listed(TAG=GOOD) is UpdateStatus.NOT_SUPPORTED


def test_without_a_cache_the_list_still_counts() -> None:
    door = Door(AuthorizationCacheEnabled="false", **STRICT)
    door.learn("OTHER", GOOD)
    door.listed(TAG=GOOD)
    assert door.offline() == Granted("PARENT")
    assert door.offline("OTHER") == Denied(INVALID)


def test_to_clear_the_cache_leaves_the_list() -> None:
    door = Door(**STRICT)
    door.listed(TAG=GOOD)
    door.learn("OTHER", GOOD)
    assert door.authorizer.clear()
    assert door.offline() == Granted("PARENT")
    assert door.offline("OTHER") == Denied(INVALID)


def test_a_full_cache_forgets_its_oldest_entry() -> None:
    door = Door()
    for number in range(CACHE_ENTRIES_MAX + 1):
        door.learn(f"TAG{number}", GOOD)
    assert len(door.cache) == CACHE_ENTRIES_MAX
    assert "tag0" not in door.cache


def test_the_limits_are_the_keys() -> None:
    door = Door(LocalAuthListMaxLength="2", SendLocalListMaxLength="1")
    assert door.listed(1, A=GOOD, B=GOOD) is UpdateStatus.FAILED
    assert door.listed(1, A=GOOD) is door.listed(2, B=GOOD) is UpdateStatus.ACCEPTED
    assert door.listed(3, C=GOOD) is UpdateStatus.FAILED
