"""Help, made of the command classes: the overview, each command with its arguments and examples, the README's table."""

import textwrap
from collections.abc import Iterator, Mapping

from fleet.commands.completion import summary
from fleet.commands.impairments import Impair, Layer, NetworkFault
from fleet.commands.registry import COMMANDS, Argument, arguments, find, nearest
from fleet.commands.speech import Aim, Spoken, Subject
from fleet.commands.tokens import LineError
from fleet.commands.values import expected, write

_WIDTH_MAX = 110

_HEADINGS = {
    Subject.CONNECTOR: "Connectors",
    Subject.CHARGE_POINT: "Charge points",
    Subject.FLEET: "The fleet",
    Subject.SCENARIO: "In scenarios",
}
_AIMS = {
    Aim.CONNECTOR: "connectors, such as CP0001/1 or */*",
    Aim.CHARGE_POINT: "charge points, such as CP0001 or *",
    Aim.EITHER: "connectors (CP0001/1) or charge points (CP0001)",
}
_TARGETS = (
    ("CP0001/2", "a connector; CP0001 is the charge point itself"),
    ("CP00*/1  */*  CP000?", "globs; /* is every connector"),
    ("CP[0001-0100]/*", "a range of numbers"),
    ("CP0001/1,CP0007/*", "a list"),
    ("*/*@Charging,Faulted", "those that are now in one of these statuses"),
    ("*/*~10%  */*~25", "a sample"),
)


def help_text(verb: str | None = None) -> str:
    """Everything there is, or one command (or `targets`) in full; raises LineError for a command that isn't there."""
    if verb is None:
        return "\n".join(_overview())
    wanted = " ".join(verb.lower().split())
    if wanted in ("target", "targets"):
        return "\n".join(_rows(_TARGETS))
    for fault in NetworkFault:
        if wanted == fault:
            return "\n".join(_fault(fault))
    kind = find(wanted)
    if kind is not None:
        return "\n".join(_full(kind))
    near = nearest(wanted)
    meant = f"did you mean {' or '.join(near)}?" if near else "see `help` for all there are"
    raise LineError(f"no command {wanted[:40]!r}; {meant}")


def usage(kind: type[Spoken]) -> str:
    """How a line of this command looks: `start TARGET [id_tag]`."""
    target = [] if kind.aims is Aim.NOWHERE else ["[TARGET]" if kind.aim_optional else "TARGET"]
    own = arguments(kind)
    # Of many arguments nobody says all in their order, but some by name.
    words = [f"[{a.name}=]" if len(own) > 3 and not a.required else _placeholder(a) for a in own]
    return " ".join([kind.verb, *words, *target] if kind.aims_last else [kind.verb, *target, *words])


def vocabulary_table() -> str:
    """All commands as Markdown, a table for each subject; the README shows it."""
    blocks = []
    for subject, heading in _HEADINGS.items():
        rows = [f"| {heading} | | for example |", "|---|---|---|"]
        for kind in _of(subject):
            cells = (f"`{usage(kind)}`", summary(kind), f"`{kind.examples[0]}`" if kind.examples else "")
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks)


def faults_table() -> str:
    """What may go wrong between charge point and CSMS as Markdown, a table for each layer; the README shows it."""
    blocks = []
    for layer in Layer:
        rows = [f"| {layer.capitalize()} | | `probability` is a share of the |", "|---|---|---|"]
        rows += [f"| `{it}` | {it.meaning} | {it.share_of} |" for it in NetworkFault if it.layer is layer]
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks)


def _overview() -> Iterator[str]:
    for subject, heading in _HEADINGS.items():
        yield f"{heading}:"
        yield from _rows(tuple((kind.verb, summary(kind)) for kind in _of(subject)))
        yield ""
    yield "TARGET, which may be left out when one is in use (`use TARGET`):"
    yield from _rows(_TARGETS)
    yield ""
    yield "`help COMMAND` shows a command's arguments and examples."


def _full(kind: type[Spoken]) -> Iterator[str]:
    yield usage(kind)
    yield f"  {summary(kind)}"
    facts: list[tuple[str, str]] = []
    if kind.aims is not Aim.NOWHERE:
        facts.append(("TARGET", _AIMS[kind.aims]))
    facts += [(argument.name, _fact(argument)) for argument in arguments(kind)]
    if facts:
        yield ""
        yield from _rows(tuple(facts))
    for argument in arguments(kind):
        if argument.required and argument.meanings:
            yield ""
            yield f"{argument.name}:"
            yield from _explained(argument.meanings)
    if kind.examples:
        yield ""
        yield "For example:"
        yield from (f"  {example}" for example in kind.examples)


def _fault(fault: NetworkFault) -> Iterator[str]:
    """A fault in full, for somebody who takes its name for a verb."""
    yield f"{Impair.verb} TARGET {fault}"
    yield from textwrap.wrap(_plain(fault.meaning), _WIDTH_MAX, initial_indent="  ", subsequent_indent="  ")
    yield f"  Its probability is a share of the {fault.share_of}; see `help {Impair.verb}`."


def _explained(meanings: Mapping[str, str]) -> Iterator[str]:
    """Values with what they mean, in lines that fit a terminal."""
    width = max(map(len, meanings))
    for name, meaning in meanings.items():
        first, *more = textwrap.wrap(_plain(meaning), _WIDTH_MAX - width - 4)
        yield f"  {name:{width}}  {first}"
        yield from (f"  {'':{width}}  {line}" for line in more)


def _plain(meaning: str) -> str:
    """Without the quotes of Markdown."""
    return meaning.replace("`", "")


def _fact(argument: Argument) -> str:
    """What an argument takes, and what it is when it isn't said."""
    if argument.required:
        return expected(argument)
    if argument.default in (None, (), {}, False):
        return f"{expected(argument)}; optional"
    return f"{expected(argument)}; otherwise {write(argument, argument.default)}"


def _placeholder(argument: Argument) -> str:
    name = f"{argument.name}..." if argument.many or argument.rest else argument.name
    return name if argument.required else f"[{name}]"


def _of(subject: Subject) -> list[type[Spoken]]:
    return [kind for kind in COMMANDS.values() if kind.subject is subject]


def _rows(pairs: tuple[tuple[str, str], ...]) -> Iterator[str]:
    width = max(len(left) for left, _ in pairs)
    return (f"  {left:{width}}  {right}".rstrip() for left, right in pairs)
