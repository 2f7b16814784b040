"""The local authorisation list: what the CSMS has the charge point know of id tags in advance (OCPP 1.6 section 3.5.2).

The list is the CSMS's: it comes whole or as changes, under a version that the CSMS counts, and nothing else ever alters
it, whatever answers say of a tag that is in it. An update is done wholly or not at all, so that a version always names
one content. Version 0 is the empty list's (section 5.10), however it became empty; -1, that there is no list here, is
for who asks to be told, not for the list.

Id tags are case-insensitive (section 7.28): the list finds them in any capitals.
"""

import sys

from attrs import Factory, define

from fleet.core.answers import IdTagInfo, LocalListSent
from fleet.words import UpdateKind, UpdateStatus

UNSUPPORTED_VERSION = -1
"""What GetLocalListVersion hears where there is no local list."""


@define
class LocalList:
    """The list as flash has it: `entries` by id tag in lower case, under `version`."""

    version: int = 0
    entries: dict[str, IdTagInfo] = Factory(dict)

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, id_tag: str) -> IdTagInfo | None:
        """What the list says of a tag, as it was sent; None if it isn't in it."""
        return self.entries.get(folded(id_tag))

    def update(self, sent: LocalListSent, *, entries_max: int, sent_max: int) -> UpdateStatus:
        """SendLocalList.req (section 5.15): nothing is changed unless it is Accepted.

        `entries_max` and `sent_max` are the keys LocalAuthListMaxLength and SendLocalListMaxLength. Failed are an
        update that is too long, one that names a tag twice, a list that would get too long, a full one with a tag of
        which nothing is said, and a version that is none. A differential update must be newer than the list.
        """
        if sent.kind is UpdateKind.DIFFERENTIAL and sent.version <= self.version:
            return UpdateStatus.VERSION_MISMATCH
        if sent.version < 0 or (sent.version == 0 and sent.entries):
            return UpdateStatus.FAILED
        changes = {sys.intern(folded(entry.id_tag)): entry.info for entry in sent.entries}
        if len(sent.entries) > sent_max or len(changes) < len(sent.entries):
            return UpdateStatus.FAILED
        if sent.kind is UpdateKind.FULL and None in changes.values():
            return UpdateStatus.FAILED
        entries = {} if sent.kind is UpdateKind.FULL else dict(self.entries)
        for id_tag, info in changes.items():
            if info is None:
                entries.pop(id_tag, None)
            else:
                entries[id_tag] = info
        if len(entries) > entries_max:
            return UpdateStatus.FAILED
        self.entries = entries
        self.version = sent.version if entries else 0
        return UpdateStatus.ACCEPTED


def folded(id_tag: str) -> str:
    """An id tag in the spelling in which it is compared."""
    return id_tag.casefold()
