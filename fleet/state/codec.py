"""From a charge point's memory to text and back: JSON made from the attrs classes themselves.

Whatever `ChargePointMemory` and the classes below it have for attributes is written, whoever adds some tomorrow
included. So that nothing is ever read as something else, `SCHEMA` is a fingerprint of all these classes with their
attributes, types and words: a state that was written with another one is refused.

Instants are on a monotonic clock that ends with its process: on disk they are UTC, and come back on the clock of the
reader. Which attributes are instants is told by their names, as the house spells them: `at` and `..._at`, and the few
in `INSTANTS`. A `Curve` counts from its own beginning and has none.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from hashlib import sha256
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import orjson
from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.orjson import configure_converter

from fleet.core.ev import Curve
from fleet.core.memory import ChargePointMemory
from fleet.core.reports import TransactionStarted, TransactionStopped
from fleet.ocpp.exchange import Outgoing

INSTANTS = frozenset({"not_before", "since"})
"""Attributes that are instants beside those that are called so."""
RELATIVE = frozenset({Curve})
"""Classes whose attributes are no instants whatever they are called."""
Context = TransactionStarted | TransactionStopped | None
"""What transaction messages have for a context."""
_TYPE = "type"
_BROKEN = (
    BaseValidationError,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)


class Unreadable(ValueError):
    """What was read is not what is written here."""


def loads(data: bytes) -> Any:
    """JSON; raises Unreadable."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"no JSON: {error}") from None


class Codec:
    """Writes and reads with instants on one clock: `utc = at + offset_s`."""

    def __init__(self, offset_s: float) -> None:
        self._offset_s = offset_s
        self._converter = converter = Converter()
        configure_converter(converter)
        converter.register_unstructure_hook(float, _write_number)
        converter.register_structure_hook(float, _read_number)
        converter.register_unstructure_hook_factory(_is_choice, self._choice_writer)
        converter.register_structure_hook_factory(_is_choice, self._choice_reader)
        converter.register_unstructure_hook_factory(attrs.has, self._writer)
        converter.register_structure_hook_factory(attrs.has, self._reader)
        self._write_message = converter.get_unstructure_hook(Outgoing)

    def simplifier(self, declared: Any) -> Callable[[Any], Any]:
        """Makes what JSON can say of a value of this declared type."""
        return self._converter.get_unstructure_hook(declared)

    def read(self, simple: Any, declared: Any) -> Any:
        """A value of this declared type, of what its simplifier made; raises Unreadable."""
        try:
            return self._converter.structure(simple, declared)
        except _BROKEN as error:
            raise Unreadable(f"{type(error).__name__}: {error}".splitlines()[0]) from None

    def write_message(self, outgoing: Outgoing) -> bytes:
        """One message of an outbox."""
        return orjson.dumps(self._write_message(outgoing))

    def read_message(self, data: bytes) -> Outgoing:
        """The same; raises Unreadable."""
        message: Outgoing = self.read(loads(data), Outgoing)
        return message

    # ---- how classes are written -------------------------------------------------------------------------------------

    def _writer(self, cls: Any) -> Callable[[Any], Any]:
        overrides = {each.name: override(unstruct_hook=self._write_instant) for each in _instants(cls)}
        if cls is Outgoing:
            overrides["payload"] = override(unstruct_hook=_as_it_is)
            overrides["context"] = override(unstruct_hook=self._converter.get_unstructure_hook(Context))
        return make_dict_unstructure_fn(
            cls,
            self._converter,
            _cattrs_include_init_false=True,
            **overrides,  # type: ignore[arg-type]  # cattrs' own way to name attributes
        )

    def _reader(self, cls: Any) -> Callable[[Any, Any], Any]:
        overrides = {
            each.name: override(struct_hook=lambda value, _: self._read_instant(value)) for each in _instants(cls)
        }
        if cls is Outgoing:
            overrides["payload"] = override(struct_hook=_read_payload)
            overrides["context"] = override(
                struct_hook=lambda value, _: self._converter.structure(value, Context)  # type: ignore[arg-type]  # a union
            )
        read: Callable[[Any, Any], Any] = make_dict_structure_fn(
            cls,
            self._converter,
            _cattrs_include_init_false=True,
            _cattrs_detailed_validation=False,
            **overrides,  # type: ignore[arg-type]  # as above
        )
        names = {each.name for each in attrs.fields(cls)}

        def read_whole(value: Any, as_type: Any) -> Any:
            if not isinstance(value, Mapping) or value.keys() != names:
                raise ValueError(f"expected the attributes of {cls.__name__}")
            return read(value, as_type)

        return read_whole

    def _write_instant(self, at: float | None) -> float | str | None:
        return None if at is None else _write_number(at + self._offset_s)

    def _read_instant(self, value: Any) -> float | None:
        return None if value is None else _read_number(value, float) - self._offset_s

    # ---- one of several classes --------------------------------------------------------------------------------------

    def _choice_writer(self, choice: Any) -> Callable[[Any], Any]:
        writers = {cls: self._converter.get_unstructure_hook(cls) for cls in get_args(choice) if cls is not NoneType}

        def write(value: Any) -> Any:
            return None if value is None else {_TYPE: type(value).__name__, **writers[type(value)](value)}

        return write

    def _choice_reader(self, choice: Any) -> Callable[[Any, Any], Any]:
        classes = {cls.__name__: cls for cls in get_args(choice) if cls is not NoneType}

        def read(value: Any, _: Any) -> Any:
            if value is None and NoneType in get_args(choice):
                return None
            attributes = dict(value)
            return self._converter.structure(attributes, classes[attributes.pop(_TYPE)])

        return read


def _is_choice(declared: Any) -> bool:
    """A union of several attrs classes, with or without None."""
    if get_origin(declared) not in (Union, UnionType):
        return False
    members = [each for each in get_args(declared) if each is not NoneType]
    return len(members) > 1 and all(attrs.has(each) for each in members)


def _instants(cls: type) -> Iterator["attrs.Attribute[Any]"]:
    if cls not in RELATIVE:
        for each in attrs.fields(cls):
            if is_instant(each.name):
                yield each


def is_instant(name: str) -> bool:
    """Whether an attribute of this name is an instant on the monotonic clock."""
    name = name.lstrip("_")
    return name == "at" or name.endswith("_at") or name in INSTANTS


def _as_it_is(value: Any) -> Any:
    return value


def _read_payload(value: Any, _: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return value


def _write_number(value: float) -> float | str:
    """JSON has no infinity."""
    return value if math.isfinite(value) else repr(value)


def _read_number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("expected a number")
    return float(value)


# ---- what there is to be written -------------------------------------------------------------------------------------


def classes_of(declared: Any, seen: dict[type, None] | None = None) -> tuple[type, ...]:
    """Every attrs class that a value of this type may hold, in the order in which they are met."""
    found = {} if seen is None else seen
    if isinstance(declared, type) and attrs.has(declared):
        if declared not in found:
            found[declared] = None
            for each in types_of(declared).values():
                classes_of(each, found)
    else:
        for each in get_args(declared):
            classes_of(each, found)
    return tuple(found)


def types_of(cls: type) -> dict[str, Any]:
    """The declared types of a class's attributes, by name."""
    hints = get_type_hints(cls)
    if cls is Outgoing:
        hints["context"] = Context
    return {each.name: hints[each.name] for each in attrs.fields(cls)}


def fingerprint(root: type) -> str:
    """Of a class and all that are below it: another one for other attributes, types or words."""
    lines = []
    for cls in classes_of(root):
        for name, declared in types_of(cls).items():
            lines.append(f"{cls.__qualname__}: {name}: {declared}")
            lines += [f"{words.__qualname__}: {[each.value for each in words]}" for words in _words_of(declared)]
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def _words_of(declared: Any) -> Iterator[type[Enum]]:
    """The enumerations in a type."""
    if isinstance(declared, type) and issubclass(declared, Enum):
        yield declared
    for each in get_args(declared):
        yield from _words_of(each)


SCHEMA = fingerprint(ChargePointMemory)
