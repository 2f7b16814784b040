"""The oracle: what a charge point holds against its CSMS's answers, though every one of them keeps its schema.

A good answer can still be an impossible one: a transaction id that can't be one, an id tag that is accepted until
yesterday, a clock that is wrong. The charge point does as it is told in any case, as one in the street has to; it only
says so. What it takes more than one charge point to see is left to `fleet.observe.oracle`, what breaks a frame or its
schema to `fleet.ocpp`; `fleet.observe.rules` lists all rules.

The clock is the delicate one. A charge point lives by the CSMS's time, so it can't say that it is wrong; but whoever
runs it has a UTC clock too, and the CSMS stamped its answer at some time between question and answer. What is further
than `CLOCK_SKEW_S` from that is skew, of one clock or the other. It is said once a connection, as that is one node of a
CSMS, and again when the clock was right in between: a heartbeat a minute would count the patience of the test. That UTC
clock is read once, when the run begins: a machine that was suspended since then blames everybody.
"""

from collections.abc import Iterator

from attrs import define, field

from fleet.core.answers import (
    Booted,
    CentralAnswer,
    IdTagInfo,
    IdTagJudged,
    TimeTold,
    TransactionAccepted,
    TransactionClosed,
)
from fleet.core.reports import ProtocolViolated
from fleet.words import AuthorizationStatus

CLOCK_SKEW_S = 10.0
"""A clock that is kept by NTP is never off by so much, one that is set by hand or to local time always."""


@define
class Oracle:
    """One charge point's. `utc_offset_s` maps the monotonic clock to UTC by the generator's own clock."""

    utc_offset_s: float
    _clock_wrong: bool = field(default=False, init=False)

    def connected(self) -> None:
        """A new connection, perhaps to another node of the CSMS."""
        self._clock_wrong = False

    def judge(
        self, answer: CentralAnswer, sent_at: float, now: float, asked_utc_s: float
    ) -> Iterator[ProtocolViolated]:
        """What is wrong with the answer to a CALL that went out at `sent_at`, when the CSMS's clock said `asked_utc_s`.

        To be asked before the charge point sets its own clock by the answer.
        """
        match answer:
            case TimeTold(utc_s) | Booted(utc_s=utc_s):
                yield from self._judge_clock(utc_s, sent_at, now)
            case IdTagJudged(info):
                yield from _judge_id_tag(info, "Authorize", now, asked_utc_s)
            case TransactionAccepted(transaction_id, info):
                if transaction_id <= 0:
                    detail = f"StartTransaction was answered with transaction id {transaction_id}"
                    yield ProtocolViolated("transaction-id-not-positive", detail, now)
                yield from _judge_id_tag(info, "StartTransaction", now, asked_utc_s)
            case TransactionClosed(info) if info is not None:
                yield from _judge_id_tag(info, "StopTransaction", now, asked_utc_s)
            case _:
                pass

    def _judge_clock(self, utc_s: float, sent_at: float, now: float) -> Iterator[ProtocolViolated]:
        slow_s = sent_at + self.utc_offset_s - utc_s
        fast_s = utc_s - now - self.utc_offset_s
        wrong = slow_s > CLOCK_SKEW_S or fast_s > CLOCK_SKEW_S
        if wrong and not self._clock_wrong:
            detail = f"its clock is {fast_s:.1f} s fast" if fast_s > 0 else f"its clock is {slow_s:.1f} s slow"
            yield ProtocolViolated("clock-skew", detail, now)
        self._clock_wrong = wrong


def _judge_id_tag(info: IdTagInfo, action: str, now: float, asked_utc_s: float) -> Iterator[ProtocolViolated]:
    """`asked_utc_s` by the CSMS's own clock, so that one that is wrong isn't blamed twice."""
    if info.status is AuthorizationStatus.CONCURRENT_TX and action != "StartTransaction":
        detail = f"{action} was answered with ConcurrentTx, which says something of a StartTransaction only"
        yield ProtocolViolated("impossible-id-tag-info", detail, now)
    expires_utc_s = info.expires_utc_s
    if info.status is AuthorizationStatus.ACCEPTED and expires_utc_s is not None and expires_utc_s < asked_utc_s:
        age_s = asked_utc_s - expires_utc_s
        detail = f"{action} was answered with Accepted and an expiryDate {age_s:.0f} s before it was asked"
        yield ProtocolViolated("impossible-id-tag-info", detail, now)
