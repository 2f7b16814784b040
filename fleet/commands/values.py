"""Values as people write them: text to what a command's field holds, and back.

Numbers may carry their unit (`7.2kW`, `500W`, `40kWh`, `80%`), durations must (`30s`, `10m`), because a bare 10 is
seconds to one reader and minutes to the next. Enum values are known by their letters, however they are capitalised and
joined. What is written reads back to an equal value.
"""

import json
import math
import re
from enum import StrEnum
from typing import Any

from fleet.commands.registry import Argument
from fleet.commands.tokens import Token
from fleet.quantities import parse_duration

_SCALES = {
    "W": {"": 1.0, "w": 1.0, "kw": 1e3, "mw": 1e6},
    "Wh": {"": 1.0, "wh": 1.0, "kwh": 1e3, "mwh": 1e6},
    "share": {"": 1.0, "%": 0.01},
    None: {"": 1.0},
}
_EXPECTED = {
    "W": "a power such as 7.2kW or 500W",
    "Wh": "an energy such as 40kWh",
    "share": "a share such as 0.8 or 80%",
    "s": "a duration such as 30s or 10m",
    None: "a number",
}
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_UNLIMITED = {"unlimited", "inf"}
_NUMBER = re.compile(r"([-+]?(?:[0-9]{1,320}(?:\.[0-9]{0,330})?|\.[0-9]{1,330})(?:[eE][-+]?[0-9]{1,3})?)([A-Za-z%]*)")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
# Characters that need no quotes.
_BARE = re.compile(r"[A-Za-z0-9_.:/+-]+")


def expected(argument: Argument) -> str:
    """What the argument takes, in a few words."""
    if argument.choices:
        return f"one of {', '.join(argument.choices)}"
    if argument.kind is float:
        return _EXPECTED[argument.unit]
    by_kind = {int: "a whole number", bool: "true or false", dict: 'a JSON object such as {"idTag": "TAG1"}'}
    return by_kind.get(argument.kind, "a word, or several in quotes")


def read(argument: Argument, token: Token) -> Any:
    """The value that a word is for this argument; raises ValueError with one line that names the argument."""
    try:
        value = _read(argument, token)
    except ValueError as error:
        raise ValueError(f"{argument.name}: {error}") from None
    if argument.length_max is not None and len(value) > argument.length_max:
        raise ValueError(f"{argument.name}: {len(value)} characters, but at most {argument.length_max} have room")
    check = argument.attribute.validator
    if check is not None and not argument.many:
        try:
            check(None, argument.attribute, value)
        except ValueError as error:
            raise ValueError(f"{error.args[0].replace(chr(39), '')}; expected {expected(argument)}") from None
    return value


def _read(argument: Argument, token: Token) -> Any:
    kind = argument.kind
    if kind is dict:
        if token.payload is None:
            raise ValueError(f"not {_quoted(token.value)}; expected {expected(argument)}")
        return token.payload
    if kind is str:
        return token.value
    if kind is float:
        return _read_float(argument, token.value)
    if kind is int:
        if _INTEGER.fullmatch(token.value):
            return int(token.value)
    elif kind is bool:
        if token.value.lower() in _WORDS:
            return _WORDS[token.value.lower()]
    else:
        for choice in argument.choices:
            if letters(choice) == letters(token.value):
                return kind(choice)
    raise ValueError(f"not {_quoted(token.value)}; expected {expected(argument)}")


def _read_float(argument: Argument, text: str) -> float:
    if argument.unlimited and text.lower() in _UNLIMITED:
        return math.inf
    if argument.unit == "s":
        sign = text[:1] if argument.signed and text[:1] in ("+", "-") else ""
        duration_s = parse_duration(text.removeprefix(sign))
        return -duration_s if sign == "-" else duration_s
    match = _NUMBER.fullmatch(text)
    scale = _SCALES[argument.unit].get(match[2].lower()) if match else None
    if match is None or scale is None:
        raise ValueError(f"not {_quoted(text)}; expected {expected(argument)}")
    # A percentage is divided, because 0.07 is nearer to 7 / 100 than to 7 * 0.01.
    value = float(match[1]) / 100 if match[2] == "%" else float(match[1]) * scale
    if math.isinf(value):
        raise ValueError(f"{_quoted(text)} is too large")
    return value


def write(argument: Argument, value: Any) -> str:
    """The word that reads back as this value."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | int) and argument.kind is float:
        if math.isinf(value):
            return "unlimited"
        unit = argument.unit or ""
        return repr(float(value)).removesuffix(".0") + ("" if unit == "share" else unit)
    return value.value if isinstance(value, StrEnum) else quote(str(value))


def quote(text: str) -> str:
    """The text as one word."""
    if _BARE.fullmatch(text):
        return text
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(character, escape)
    return f'"{text}"'


def letters(word: str) -> str:
    """A word as it is compared with an enum's values: its letters and digits alone, in lower case."""
    return "".join(character for character in word.lower() if character not in "-_. ")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
