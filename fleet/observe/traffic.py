"""The traffic: OCPP messages of both directions by action, as far as a number of series that is known can tell them.

Beside what it counts it keeps, for each action of ours, how long its CALLs took: from when a message was due and from
when its frame was sent (see `fleet.observe.latency`, which has the exact percentiles). Actions and error codes that
somebody makes up share the word `other` once there are too many.
"""

from attrs import Factory, define

from fleet.core.reports import CallServed, CallSettled
from fleet.observe.board import UNREADABLE
from fleet.observe.buckets import COARSE_S, FINE_S, Buckets, Words
from fleet.observe.tally import OTHER, short_word

USUAL_ACTIONS = (
    *("Authorize", "BootNotification", "Heartbeat", "MeterValues"),
    *("StartTransaction", "StatusNotification", "StopTransaction"),
)
"""What every fleet says, of all that OCPP 1.6 lets a charge point say."""
ACTIONS_MAX = 10
"""Actions of ours that are told apart: two histograms each are what costs most."""
SERVED_ACTIONS_MAX = 20
"""Actions of the CSMS that are told apart: all those of OCPP 1.6."""
BAD_RESULT = "BadResult"
ERROR_CODES = (
    *("NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "FormationViolation"),
    *("PropertyConstraintViolation", "OccurenceConstraintViolation", "TypeConstraintViolation", "GenericError"),
    BAD_RESULT,
)
"""The codes of a CALLERROR (OCPP-J 1.6 section 4.2.3), and what a result that can't be read is called here."""
ERRORS_MAX = 90
"""Pairs of action and code that are told apart; beyond, each action has `other`."""


@define
class Calls:
    """Our CALLs of one action."""

    due: Buckets = Factory(lambda: Buckets(FINE_S))
    sent: Buckets = Factory(lambda: Buckets(COARSE_S))
    frames: int = 0
    """CALL frames that went out."""
    results: int = 0
    refusals: int = 0
    """CALLERROR frames that came back."""
    timeouts: int = 0
    cut_off: int = 0


@define
class Answers:
    """The CSMS's CALLs of one action, by how we answered."""

    results: int = 0
    refusals: int = 0


class Traffic:
    """Counts messages as they are reported. Read its dicts at any time; write to none."""

    def __init__(self) -> None:
        self.calls: dict[str, Calls] = {action: Calls() for action in USUAL_ACTIONS}
        """Our CALLs by action."""
        self.answers: dict[str, Answers] = {}
        """The CSMS's CALLs by action."""
        self.errors: dict[tuple[str, str], int] = dict.fromkeys(
            ((action, code) for action in USUAL_ACTIONS for code in ERROR_CODES), 0
        )
        """Our CALLs that were answered badly, by (action, code)."""
        self._actions = Words(USUAL_ACTIONS, ACTIONS_MAX)
        self._served_actions = Words((), SERVED_ACTIONS_MAX)

    def settled(self, report: CallSettled) -> None:
        """One of our CALLs is over."""
        calls = self.calls.get(report.action)
        if calls is None:
            action = self._actions.word(report.action)
            calls = self.calls.get(action) or self.calls.setdefault(action, Calls())
        sent_at, outcome = report.sent_at, report.outcome
        if sent_at is not None:
            calls.frames += 1
        if outcome == "Disconnected":
            # It says nothing about how fast the CSMS is.
            calls.cut_off += 1
            return
        calls.due.add(report.at - report.due_at)
        if sent_at is not None:
            calls.sent.add(report.at - sent_at)
        if outcome == "Result":
            calls.results += 1
        elif outcome == "Timeout":
            calls.timeouts += 1
        else:
            if outcome == BAD_RESULT:
                calls.results += 1
            else:
                calls.refusals += 1
            self._count_error(self._actions.word(report.action), outcome)

    def served(self, report: CallServed) -> None:
        """We answered one of the CSMS's CALLs."""
        action = self._served_actions.word(report.action or UNREADABLE)
        answers = self.answers.get(action) or self.answers.setdefault(action, Answers())
        if report.outcome == "Result":
            answers.results += 1
        else:
            answers.refusals += 1

    def _count_error(self, action: str, code: str) -> None:
        error = action, code
        if error not in self.errors:
            error = action, short_word(code)
            if error not in self.errors and len(self.errors) >= ERRORS_MAX:
                error = action, OTHER
        self.errors[error] = self.errors.get(error, 0) + 1
