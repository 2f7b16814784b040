"""Who may charge: the authorisation cache and the rules for deciding without the CSMS.

OCPP 1.6 section 3.5: a charge point that is online asks the CSMS unless LocalPreAuthorize lets it trust its cache;
offline it may trust the cache (LocalAuthorizeOffline) or, if AllowOfflineTxForUnknownId says so, anybody it doesn't
know better of. Every idTagInfo that the CSMS sends, in whichever answer, brings the cache up to date.
"""

from collections.abc import MutableMapping

from attrs import frozen

from fleet.core.answers import IdTagInfo
from fleet.core.configuration import Configuration
from fleet.words import AuthorizationStatus

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
    """Decides about id tags with what the charge point itself knows. `cache` is the charge point's memory."""

    __slots__ = ("_cache", "_configuration")

    def __init__(self, configuration: Configuration, cache: MutableMapping[str, IdTagInfo]) -> None:
        self._configuration = configuration
        self._cache = cache

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
                # Section 3.5.3: a tag that is known not to be accepted is denied even where unknown ones may charge.
                return Denied(known.status)
            if self._configuration.local_authorize_offline:
                return Granted(known.parent_id_tag)
        if self._configuration.allow_offline_tx_for_unknown_id:
            return Granted()
        return Denied(AuthorizationStatus.INVALID)

    def learn(self, id_tag: str, info: IdTagInfo) -> None:
        """Remember what the CSMS said; the oldest entry makes room when the cache is full."""
        if not self._configuration.authorization_cache_enabled:
            return
        cache = self._cache
        cache.pop(id_tag, None)
        # ConcurrentTx says something about this moment, not about the tag (section 7.2): it isn't worth keeping.
        if info.status is AuthorizationStatus.CONCURRENT_TX:
            return
        if len(cache) >= CACHE_ENTRIES_MAX:
            cache.pop(next(iter(cache)))
        cache[id_tag] = info

    def clear(self) -> bool:
        """Empty the cache (ClearCache.req); False where there is none to clear."""
        if not self._configuration.authorization_cache_enabled:
            return False
        self._cache.clear()
        return True

    def _known(self, id_tag: str, utc_s: float) -> IdTagInfo | None:
        if not self._configuration.authorization_cache_enabled:
            return None
        info = self._cache.get(id_tag)
        if info is not None and info.expires_utc_s is not None and info.expires_utc_s <= utc_s:
            return IdTagInfo(AuthorizationStatus.EXPIRED, info.parent_id_tag, info.expires_utc_s)
        return info
