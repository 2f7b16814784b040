"""Answers: what became of a line, for people and for programs at once.

A command on a thousand targets has one answer: how many did it, and who would not and why, in the machines' own words.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from fleet.errors import EXIT_CONFIGURATION, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED

REFUSALS_SHOWN_MAX = 10


@frozen
class Refused:
    """One target that would not, with its reason."""

    target: str
    reason: str


@frozen
class Answer:
    """What became of a line.

    `text` is for people and says it all; `done` counts the targets that did it, `refused` are those that would not.
    `data` is what a program may want: JSON values only. `error` is set when the line could not be carried out at all
    (it doesn't parse, its target matches nothing, it was cancelled), and then it is the text too.
    `exit_code` is what a script should end with.
    """

    text: str
    done: int = 0
    refused: tuple[Refused, ...] = ()
    data: Any = None
    error: str | None = None
    exit_code: int = EXIT_DONE

    @property
    def ok(self) -> bool:
        """Nothing was refused and nothing is wrong."""
        return self.error is None and not self.refused

    @classmethod
    def wrong(cls, error: str, exit_code: int = EXIT_CONFIGURATION) -> "Answer":
        """The line could not be carried out."""
        return cls(error, error=error, exit_code=exit_code)

    @classmethod
    def counted(cls, what: str, done: Mapping[str, Any], refused: Sequence[Refused], *, cancelled: int = 0) -> "Answer":
        """The answer of a command on targets.

        `done` has a value for each target that did it, mostly None; `cancelled` were not heard of any more.
        """
        values = {target: value for target, value in done.items() if value is not None}
        lines = _counts(what, done, refused, cancelled)
        lines += [f"  {target}: {line}" for target, value in _first(values) for line in value_lines(value)]
        if len(values) > REFUSALS_SHOWN_MAX:
            lines.append(f"  and {len(values) - REFUSALS_SHOWN_MAX} more")
        if refused and len(done) + len(refused) + cancelled > 1:
            lines += [f"  {line}" for line in refusal_lines(refused)]
        text = "\n".join(lines)
        if cancelled:
            return cls(text, len(done), tuple(refused), values or None, f"cancelled: {text}", EXIT_INTERRUPTED)
        return cls(text, len(done), tuple(refused), values or None, exit_code=EXIT_FAILED if refused else EXIT_DONE)

    def as_dict(self) -> dict[str, Any]:
        """The answer as the control protocol has it."""
        return {
            "ok": self.ok,
            "text": self.text,
            "done": self.done,
            "refused": [{"target": refusal.target, "reason": refusal.reason} for refusal in self.refused],
            "data": self.data,
            "error": self.error,
            "exit_code": self.exit_code,
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Answer":
        """The inverse of `as_dict`."""
        return cls(
            text=str(said.get("text", "")),
            done=int(said.get("done", 0)),
            refused=tuple(Refused(str(each["target"]), str(each["reason"])) for each in said.get("refused", ())),
            data=said.get("data"),
            error=said.get("error"),
            exit_code=int(said.get("exit_code", EXIT_DONE)),
        )


def refusal_lines(refused: Sequence[Refused]) -> list[str]:
    """At most `REFUSALS_SHOWN_MAX` lines: one for each refusal, or where there are many one for each reason."""
    if len(refused) <= REFUSALS_SHOWN_MAX:
        return [f"{refusal.target}: {refusal.reason}" for refusal in refused]
    by_reason: dict[str, list[str]] = {}
    for refusal in refused:
        by_reason.setdefault(refusal.reason, []).append(refusal.target)
    most_frequent = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    lines = [_reason_line(reason, targets) for reason, targets in most_frequent[:REFUSALS_SHOWN_MAX]]
    if (left := len(most_frequent) - REFUSALS_SHOWN_MAX) > 0:
        lines[-1] = f"and {left + 1} more reasons"
    return lines


def value_lines(value: Any) -> list[str]:
    """A value that a command brought back, for people."""
    if isinstance(value, Mapping):
        return [f"{key} = {'' if inner is None else inner}" for key, inner in value.items()] or ["nothing"]
    return [str(value)]


def _reason_line(reason: str, targets: Sequence[str]) -> str:
    if len(targets) == 1:
        return f"{targets[0]}: {reason}"
    return f"{len(targets)} x {reason} ({targets[0]}, {'...' if len(targets) > 2 else targets[1]})"


def _counts(what: str, done: Mapping[str, Any], refused: Sequence[Refused], cancelled: int) -> list[str]:
    if len(done) + len(refused) + cancelled == 1:
        if refused:
            return [f"{refused[0].target}: {refused[0].reason}"]
        if not done:
            return [f"{what}: no answer yet"]
        (target,) = done
        return [f"{what}: done" if target in what.split() else f"{what}: {target} done"]
    parts = [f"{len(done)} done"]
    if refused:
        parts.append(f"{len(refused)} refused")
    if cancelled:
        parts.append(f"{cancelled} not heard of")
    return [f"{what}: {', '.join(parts)}"]


def _first(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return list(values.items())[:REFUSALS_SHOWN_MAX]
