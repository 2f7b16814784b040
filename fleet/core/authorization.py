"""Who may charge: the local list, the authorisation cache, and the rules for deciding without the CSMS.

OCPP 1.6 section 3.5: a charge point that is online asks the CSMS unless LocalPreAuthorize lets it trust what it knows;
offline it may trust that (LocalAuthorizeOffline) or, if AllowOfflineTxForUnknownId says so, anybody it doesn't know
better of. What it knows is the local list's word where the list has the tag, otherwise the cache's (section 3.5.3).
Each has a key that switches it off, and is then as good as not there.

Every idTagInfo that the CSMS sends, in whichever answer, brings the cache up to date; the list is changed by
SendLocalList alone, and where an answer contradicts it, that is a conflict to report (section 3.5.2).
"""

from collections.abc import MutableMapping

from attrs import frozen

from fleet.core.answers import IdTagInfo, LocalListSent
from fleet.core.configuration import Configuration
from fleet.core.local_list import UNSUPPORTED_VERSION, LocalList, folded
from fleet.words import AuthorizationStatus, UpdateStatus

CACHE_ENTRIES_MAX = 200


@frozen
class Granted:
    """The id tag may charge."""

    parent_id_tag: str | None = None


@frozen
class Denied:
    """The id tag may not charge."""

    status: AuthorizationStatus


@frozen
class AskCentral:
    """Only the CSMS can tell."""


Verdict = Granted | Denied | AskCentral
ASK_CENTRAL = AskCentral()


class Authorizer:
    """Decides about id tags with what the charge point itself knows. `cache` and `local_list` are its memory."""

    __slots__ = ("_cache", "_configuration", "_list")

    def __init__(
        self, configuration: Configuration, cache: MutableMapping[str, IdTagInfo], local_list: LocalList | None = None
    ) -> None:
        self._configuration = configuration
        self._cache = cache
        self._list = LocalList() if local_list is None else local_list

    def judge(self, id_tag: str, *, online: bool, utc_s: float) -> Verdict:
        """What is known of this id tag right now, or that the CSMS must be asked."""
        known = self._known(id_tag, utc_s)
        if online:
            trusted = known is not None and known.status is AuthorizationStatus.ACCEPTED
            if known is not None and trusted and self._configuration.local_pre_authorize:
                return Granted(known.parent_id_tag)
            return ASK_CENTRAL
        if known is not None:
            if known.status is not AuthorizationStatus.ACCEPTED:
                # Section 3.5.4: a tag that is known not to be accepted is denied even where unknown ones may charge.
                return Denied(known.status)
            if self._configuration.local_authorize_offline:
                return Granted(known.parent_id_tag)
        if self._configuration.allow_offline_tx_for_unknown_id:
            return Granted()
        return Denied(AuthorizationStatus.INVALID)

    def parent(self, id_tag: str) -> str | None:
        """The parent of an id tag, as far as it is known here (for reservations, section 5.13)."""
        known = self._recorded(id_tag)
        return None if known is None else known.parent_id_tag

    # ---- the cache ---------------------------------------------------------------------------------------------------

    def learn(self, id_tag: str, info: IdTagInfo, utc_s: float) -> bool:
        """Remember what the CSMS said, unless the list has the tag; True if it contradicts the list.

        The oldest entry makes room when the cache is full.
        """
        listed = self._listed(id_tag)
        # ConcurrentTx says something about this moment, not about the tag (section 7.2): it isn't worth keeping.
        momentary = info.status is AuthorizationStatus.CONCURRENT_TX
        if listed is not None:
            # Section 3.5.3: what the list knows is not to be in the cache.
            self._forget(id_tag)
            return not momentary and _accepted(_aged(listed, utc_s)) is not _accepted(info)
        if not self._configuration.authorization_cache_enabled:
            return False
        self._forget(id_tag)
        if not momentary:
            if len(self._cache) >= CACHE_ENTRIES_MAX:
                self._cache.pop(next(iter(self._cache)))
            self._cache[folded(id_tag)] = info
        return False

    def clear(self) -> bool:
        """Empty the cache (ClearCache.req); False where there is none to clear. The list stays."""
        if not self._configuration.authorization_cache_enabled:
            return False
        self._cache.clear()
        return True

    # ---- the list ----------------------------------------------------------------------------------------------------

    @property
    def list_version(self) -> int:
        """GetLocalListVersion.req (section 5.10)."""
        return self._list.version if self._lists else UNSUPPORTED_VERSION

    def update_list(self, sent: LocalListSent) -> UpdateStatus:
        """SendLocalList.req; a tag that gets into the list leaves the cache."""
        if not self._lists:
            return UpdateStatus.NOT_SUPPORTED
        configuration = self._configuration
        status = self._list.update(
            sent,
            entries_max=configuration.local_auth_list_max_length,
            sent_max=configuration.send_local_list_max_length,
        )
        if status is UpdateStatus.ACCEPTED:
            for entry in sent.entries:
                if entry.info is not None:
                    self._forget(entry.id_tag)
        return status

    # ---- what is known -----------------------------------------------------------------------------------------------

    @property
    def _lists(self) -> bool:
        return self._configuration.local_auth_list_enabled

    def _listed(self, id_tag: str) -> IdTagInfo | None:
        return self._list.find(id_tag) if self._lists else None

    def _recorded(self, id_tag: str) -> IdTagInfo | None:
        listed = self._listed(id_tag)
        if listed is not None or not self._configuration.authorization_cache_enabled:
            return listed
        return self._cache.get(folded(id_tag))

    def _known(self, id_tag: str, utc_s: float) -> IdTagInfo | None:
        info = self._recorded(id_tag)
        return None if info is None else _aged(info, utc_s)

    def _forget(self, id_tag: str) -> None:
        self._cache.pop(folded(id_tag), None)


def _aged(info: IdTagInfo, utc_s: float) -> IdTagInfo:
    """What was said once, as it is now: it may have expired since."""
    if info.expires_utc_s is None or info.expires_utc_s > utc_s or info.status is not AuthorizationStatus.ACCEPTED:
        return info
    return IdTagInfo(AuthorizationStatus.EXPIRED, info.parent_id_tag, info.expires_utc_s)


def _accepted(info: IdTagInfo) -> bool:
    return info.status is AuthorizationStatus.ACCEPTED
