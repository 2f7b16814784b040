"""Words of a line: where each begins and ends, what was quoted, what is JSON.

Words are parted by white space. `"..."` and `'...'` keep it in a word, and a word in quotes is only ever a value; in
double quotes a backslash stands before a quote, a backslash, n or t. `NAME=VALUE` is one word. `{` begins a JSON
object, which is one word too. `#` at the begin of a word begins a comment.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from fleet.errors import FleetError

_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=")
_SPACE = re.compile(r"\s*")
_BARE = re.compile(r"\S+")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r'\\([\\"nt])')
_ESCAPED = {"n": "\n", "t": "\t"}
# What a JSON writer can write again, and a reader of ours accepts.
_INTEGERS = range(-(2**63), 2**64)
_DEPTH_MAX = 100
_CARET_WIDTH = 100


class LineError(FleetError):
    """What is wrong with a line, and from `start` to `end` where: behind its end, where something is missing."""

    def __init__(self, message: str, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.start = start
        self.end = max(end, start + 1)

    def caret(self, text: str) -> str:
        """The line and, under it, carets under the place: two lines, of a long line the part around it."""
        first = max(0, min(self.start, len(text)) - _CARET_WIDTH // 2)
        shown = "".join(c if c.isprintable() else " " for c in text[first : first + _CARET_WIDTH])
        before = shown[: self.start - first]
        under = shown[self.start - first : self.end - first]
        return f"{shown}\n{' ' * (_width(before) + self.start - first - len(before))}{'^' * max(1, _width(under))}"


def _width(text: str) -> int:
    """The columns that it takes in a terminal."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


@frozen
class Token:
    """One word: its `value`, which is the text without quotes or, where `payload` is set, the JSON as it was typed.

    `start` and `end` count from the begin of the line; `value_start` is behind `NAME=`, where `name` is set.
    """

    value: str
    start: int
    end: int
    value_start: int
    name: str | None = None
    quoted: bool = False
    payload: dict[str, Any] | None = None

    @property
    def plain(self) -> bool:
        """A bare word: neither named nor quoted nor JSON."""
        return self.name is None and not self.quoted and self.payload is None


def tokenize(text: str) -> list[Token]:
    """The words of a line; raises LineError."""
    for place, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise LineError("this is not text: a character that isn't UTF-8", place)
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    position = _skip(text, 0)
    while position < len(text) and text[position] != "#":
        token = _token(text, position)
        yield token
        position = _skip(text, token.end)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _token(text: str, start: int) -> Token:
    named = _NAME.match(text, start)
    name = named[1] if named else None
    at = named.end() if named else start
    match text[at : at + 1]:
        case "{":
            payload, end = _json(text, at)
            token = Token(text[at:end], start, end, at, name, payload=payload)
        case '"' | "'" as quote:
            found = (_DOUBLE if quote == '"' else _SINGLE).match(text, at)
            if found is None:
                raise LineError("this quote is not closed", at)
            value = _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), found[1]) if quote == '"' else found[1]
            token = Token(value, start, found.end(), at, name, quoted=True)
        case _:
            bare = _BARE.match(text, at)
            return Token(bare[0] if bare else "", start, bare.end() if bare else at, at, name)
    if token.end < len(text) and not text[token.end].isspace():
        raise LineError("expected a space here", token.end)
    return token


def _json(text: str, start: int) -> tuple[dict[str, Any], int]:
    """The JSON object that begins here, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        _check_depth(value, 0)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise LineError(f"not a JSON object: {error.msg[:1].lower()}{error.msg[1:]}", error.pos) from None
    except RecursionError:
        raise LineError(f"not a JSON object for us: nested more than {_DEPTH_MAX} deep", start) from None
    except UnicodeEncodeError:
        raise LineError("not a JSON object for us: half of a surrogate pair in it", start) from None
    except ValueError as error:
        raise LineError(f"not a JSON object for us: {error}", start) from None
    return value, end


def _check_depth(value: object, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise RecursionError
    if isinstance(value, dict):
        for inner in value.values():
            _check_depth(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_depth(inner, depth + 1)


def _integer(text: str) -> int:
    if len(text) > 20 or (number := int(text)) not in _INTEGERS:
        raise ValueError("a number is too large")
    return number


def _float(text: str) -> float:
    if abs(number := float(text)) == float("inf"):
        raise ValueError("a number is too large")
    return number


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_constant)
