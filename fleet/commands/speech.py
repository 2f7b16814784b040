"""How a command says what it is called and whom it is for; text, help and completion are derived from it.

Every command class is a `Spoken` frozen attrs class. Its docstring's first line is its help, its fields are its
arguments, in their order or by name. What a field's type leaves open stands in its metadata:

- `unit`: what the number is in: `W`, `Wh`, `s` or `share` (0 to 1, which may be written in percent);
- `unlimited`: infinity is meant to be said;
- `signed`: a duration may be negative, `-10m`;
- `length_max`: the most characters that OCPP has room for;
- `completes`: a `Completes`, where a string has values that are worth offering;
- `assigns`: `NAME=VALUE` in one word gives this field and the next;
- `rest`: the field takes all the words that are left, as one.
"""

from enum import StrEnum
from typing import ClassVar


class Subject(StrEnum):
    """What a command is about, and so where the help has it."""

    CONNECTOR = "connector"
    CHARGE_POINT = "charge point"
    FLEET = "fleet"
    SCENARIO = "scenario"


class Aim(StrEnum):
    """What a command's target names: nothing, connectors, charge points, or either of them."""

    NOWHERE = "nowhere"
    CONNECTOR = "connector"
    CHARGE_POINT = "charge point"
    EITHER = "either"


class Completes(StrEnum):
    """What kind of word a string argument is, for completion."""

    ID_TAG = "id tag"
    KEY = "configuration key"
    ACTION = "action"
    FILE = "file"
    VERB = "command"


class Spoken:
    """The base of every command class: what it says of itself. No instance has more than its own fields.

    `verb` is what one types, in one word or two; `aims` says what its target is, which comes first among the
    arguments, or last where `aims_last`; where `aim_optional` it may be left out altogether. `examples` are whole
    lines.
    """

    __slots__ = ()

    verb: ClassVar[str]
    subject: ClassVar[Subject]
    aims: ClassVar[Aim] = Aim.NOWHERE
    aim_optional: ClassVar[bool] = False
    aims_last: ClassVar[bool] = False
    examples: ClassVar[tuple[str, ...]] = ()


class ToConnector(Spoken):
    """A command that a connector obeys."""

    __slots__ = ()
    subject = Subject.CONNECTOR
    aims = Aim.CONNECTOR


class ToChargePoint(Spoken):
    """A command that a charge point obeys."""

    __slots__ = ()
    subject = Subject.CHARGE_POINT
    aims = Aim.CHARGE_POINT


class ToFleet(Spoken):
    """A command about the whole run."""

    __slots__ = ()
    subject = Subject.FLEET


class InScenario(Spoken):
    """A line that makes scenarios of commands: it waits, checks or repeats."""

    __slots__ = ()
    subject = Subject.SCENARIO
