"""The one converter between message classes and JSON payloads, built on cattrs.

Snake case becomes camel case, an instant becomes `2026-11-22T11:17:32.123Z`, and a field that is None is left out.
On the way in it is strict: no coercion (true is no number, a number is no string; only a whole number passes for a
decimal), no unknown field, no null, every length, range and enumeration checked, and each kind of mistake has its
CALLERROR code. Limits stand in the annotations of the message classes:

    CiString20 = Annotated[str, MaxLength(20)]

cattrs generates one function per class that does all this without keeping book of where it is. Only when one of these
fails is the payload walked again, slowly, to say precisely what is wrong and where. So good payloads pay nothing for
the clarity of errors.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import attrs
import orjson
from attrs import frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from fleet.ocpp.errors import CallErrorCode, PayloadError

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

SHOWN_LENGTH_MAX = 40


# ---- limits, for annotations -----------------------------------------------------------------------------------------


@frozen
class MaxLength:
    """A string of at most `limit` characters."""

    limit: int


@frozen
class AtLeast:
    """A number not below `limit`."""

    limit: int


@frozen
class MinItems:
    """An array of at least `limit` items."""

    limit: int


@frozen
class OneDigit:
    """A decimal with at most one digit after the point."""


@frozen
class Concealed:
    """A value that may be a secret, or hold one: no error shows it. To stand after the other limits."""


Limit = MaxLength | AtLeast | MinItems | OneDigit | Concealed


# ---- values ----------------------------------------------------------------------------------------------------------


_SHOWN = ", got "


def _mistyped(expected: str, value: object) -> PayloadError:
    return PayloadError(CallErrorCode.TYPE_CONSTRAINT_VIOLATION, f"expected {expected}{_SHOWN}{_shown(value)}")


def _improper(expected: str, value: object) -> PayloadError:
    return PayloadError(CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"expected {expected}{_SHOWN}{_shown(value)}")


def _shown(value: object) -> str:
    try:
        text = orjson.dumps(value, default=repr).decode()
    except orjson.JSONEncodeError:  # nested deeper than orjson writes, though not deeper than it reads
        return f"a deep {type(value).__name__}"
    return text if len(text) <= SHOWN_LENGTH_MAX else f"{text[:SHOWN_LENGTH_MAX]}..."


def _shown_name(name: str) -> str:
    """A field's name as the peer gave it: as it is if it is one word, otherwise quoted, so that it stays one line."""
    return name if name.isidentifier() else _shown(name)


def _structure_str(value: Any, _: Any) -> str:
    if type(value) is not str:
        raise _mistyped("a string", value)
    return value


def _structure_int(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise _mistyped("an integer", value)
    return value


def _structure_float(value: Any, _: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise _mistyped("a number", value)
    return float(value)


def _structure_bool(value: Any, _: Any) -> bool:
    if type(value) is not bool:
        raise _mistyped("true or false", value)
    return value


def _structure_datetime(value: Any, _: Any) -> datetime:
    """Read an instant; the answer is always in UTC.

    Any offset and any fraction will do; without an offset UTC is meant, which OCPP recommends for all time values
    (OCPP 1.6 section 3.13). Python would take a mere date and the basic format as well: these are refused.
    """
    if type(value) is not str:
        raise _mistyped("a timestamp", value)
    if value[10:11] in ("T", "t") and value[13:14] == ":" and value[4:5] == "-":
        try:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is UTC:
                return instant
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _improper("a timestamp such as 2026-11-22T11:17:32Z", value)


# Digits ready made: a timestamp is half the work of writing a MeterValues, and isoformat takes three times as long.
_TWO = tuple(f"{number:02d}" for number in range(60))
_THREE = tuple(f"{number:03d}" for number in range(1000))


def _unstructure_datetime(instant: datetime) -> str:
    if instant.tzinfo is not UTC:
        if instant.tzinfo is None:
            raise ValueError(f"a timestamp on the wire needs a time zone: {instant!r}")
        instant = instant.astimezone(UTC)
    return (
        f"{instant.year:04d}-{_TWO[instant.month]}-{_TWO[instant.day]}T{_TWO[instant.hour]}"
        f":{_TWO[instant.minute]}:{_TWO[instant.second]}.{_THREE[instant.microsecond // 1000]}Z"
    )


@cache
def _enum_hook(kind: type[StrEnum]) -> Hook:
    members = {member.value: member for member in kind}
    expected = f"one of {', '.join(members)}"

    def structure_enum(value: Any, _: Any) -> StrEnum:
        if type(value) is not str:
            raise _mistyped("a string", value)
        member = members.get(value)
        if member is None:
            raise _improper(expected, value)
        return member

    return structure_enum


def _structure_enum(value: Any, kind: Any) -> Any:
    return _enum_hook(kind)(value, kind)


def _limit_hook(limit: Limit, inner: Hook, kind: Any) -> Hook:
    """The hook for a value with a limit; for the commonest, strings, in one function instead of two."""
    match limit:
        case MaxLength(length):

            def structure_limited(value: Any, _: Any) -> Any:
                if type(value) is not str:
                    raise _mistyped("a string", value)
                if len(value) > length:
                    raise _improper(f"at most {length} characters", value)
                return value

        case AtLeast(floor):

            def structure_limited(value: Any, _: Any) -> Any:
                if inner(value, kind) < floor:
                    raise _improper(f"{floor} or more", value)
                return value

        case MinItems(count):

            def structure_limited(value: Any, _: Any) -> Any:
                items = inner(value, kind)
                if len(items) < count:
                    code = CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
                    raise PayloadError(code, f"expected {count} or more items, got {len(items)}")
                return items

        case OneDigit():

            def structure_limited(value: Any, _: Any) -> Any:
                number = inner(value, kind)
                # Decimals arrive as binary fractions: 8.1 * 10 is not quite 81.
                if abs(number * 10 - round(number * 10)) > 1e-6:
                    raise _improper("at most one digit after the point", value)
                return number

        case Concealed():

            def structure_limited(value: Any, _: Any) -> Any:
                try:
                    return inner(value, kind)
                except PayloadError as error:
                    raise PayloadError(error.code, error.description.partition(_SHOWN)[0]) from None

    return structure_limited


# ---- the converter ---------------------------------------------------------------------------------------------------


def wire_name(name: str) -> str:
    """`id_tag_info` -> `idTagInfo`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def _given(kind: Any) -> Any:
    """The type of an optional field where the field is given."""
    (inner,) = (argument for argument in get_args(kind) if argument is not NoneType)
    return inner


def _is_limited(kind: Any) -> bool:
    return get_origin(kind) is Annotated


def _is_array(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def _overrides(cls: type) -> dict[str, Any]:
    """Each field's wire name; for an enumeration also its hook, which spares looking it up for every value."""
    overrides = {}
    for attribute in attrs.fields(cls):
        kind = _given(attribute.type) if _is_optional(attribute.type) else attribute.type
        hook = _enum_hook(kind) if _is_enum(kind) else None
        overrides[attribute.name] = override(rename=wire_name(attribute.name), struct_hook=hook)
    return overrides


def _structure_class(cls: Any, converter: Converter) -> Hook:
    hook: Hook = make_dict_structure_fn(
        cls,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=False,
        **_overrides(cls),
    )
    return hook


def _unstructure_class(cls: Any, converter: Converter) -> Callable[[Any], Any]:
    hook: Callable[[Any], Any] = make_dict_unstructure_fn(
        cls, converter, _cattrs_omit_if_default=True, **_overrides(cls)
    )
    return hook


def _structure_array(kind: Any, converter: Converter) -> Hook:
    item = get_args(kind)[0]
    structure_item = converter.get_structure_hook(item)

    def structure_array(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise _mistyped("an array", value)
        return tuple([structure_item(element, item) for element in value])

    return structure_array


def _unstructure_array(kind: Any, converter: Converter) -> Callable[[Any], Any]:
    unstructure_item = converter.get_unstructure_hook(get_args(kind)[0])

    def unstructure_array(items: Any) -> Any:
        return [unstructure_item(item) for item in items]

    return unstructure_array


def _structure_given(kind: Any, converter: Converter) -> Hook:
    """An absent field has its default and a given one is never null: an optional field is read like any other."""
    inner = _given(kind)
    return _enum_hook(inner) if _is_enum(inner) else converter.get_structure_hook(inner)


def _structure_limited(kind: Any, converter: Converter) -> Hook:
    inner, *limits = get_args(kind)
    hook: Hook = converter.get_structure_hook(inner)
    for limit in limits:
        hook = _limit_hook(limit, hook, inner)
    return hook


def _build() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook_factory(attrs.has, _structure_class)
    converter.register_unstructure_hook_factory(attrs.has, _unstructure_class)
    converter.register_structure_hook_factory(_is_array, _structure_array)
    converter.register_unstructure_hook_factory(_is_array, _unstructure_array)
    converter.register_structure_hook_factory(_is_limited, _structure_limited)
    converter.register_unstructure_hook_factory(
        _is_limited, lambda kind: converter.get_unstructure_hook(get_args(kind)[0])
    )
    converter.register_structure_hook_factory(_is_optional, _structure_given)
    converter.register_unstructure_hook_factory(_is_optional, lambda kind: converter.get_unstructure_hook(_given(kind)))
    converter.register_structure_hook(str, _structure_str)
    converter.register_structure_hook(int, _structure_int)
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(bool, _structure_bool)
    converter.register_structure_hook(datetime, _structure_datetime)
    # cattrs dispatches values by singledispatch, so StrEnum goes before str for every enumeration.
    converter.register_structure_hook(StrEnum, _structure_enum)
    converter.register_unstructure_hook(StrEnum, attrgetter("_value_"))
    converter.register_unstructure_hook(datetime, _unstructure_datetime)
    return converter


_CONVERTER = _build()


def structure(payload: object, kind: type[T]) -> T:
    """Read a JSON value as an instance of a message class.

    Raises `PayloadError`: FormationViolation for something that is no object or has an unknown field,
    OccurenceConstraintViolation for a missing field or too few items, TypeConstraintViolation for a wrong JSON type,
    PropertyConstraintViolation for a value outside its enumeration, length, range or format.
    """
    try:
        return _CONVERTER.structure(payload, kind)
    except Exception:
        # The generated functions raise whatever they trip over; the slow walk names it. What it can't name is a bug.
        error = _diagnosed(payload, kind, "")
        if error is None:
            raise
        raise error from None


def unstructure(message: object) -> dict[str, Any]:
    """Write a message as its JSON payload. A naive timestamp is a ValueError: ours, not the peer's."""
    payload: dict[str, Any] = _CONVERTER.unstructure(message)
    return payload


# ---- what was wrong --------------------------------------------------------------------------------------------------


def _diagnosed(value: Any, kind: Any, path: str) -> PayloadError | None:
    """Find the first mistake in a payload that did not structure, depth first; None if there is none."""
    if _is_optional(kind):
        return _diagnosed(value, _given(kind), path)
    if attrs.has(kind):
        return _diagnosed_object(value, kind, path)
    items = get_args(kind)[0] if _is_limited(kind) else kind
    if _is_array(items) and isinstance(value, list):
        for index, element in enumerate(value):
            error = _diagnosed(element, get_args(items)[0], f"{path}[{index}]")
            if error is not None:
                return error
    try:
        _CONVERTER.structure(value, kind)
    except PayloadError as error:
        return PayloadError(error.code, f"{path}: {error.description}" if path else error.description)
    return None


def _diagnosed_object(value: Any, cls: Any, path: str) -> PayloadError | None:
    if not isinstance(value, dict):
        where = f"{path}: " if path else ""
        return PayloadError(CallErrorCode.FORMATION_VIOLATION, f"{where}expected an object, got {_shown(value)}")
    fields = {wire_name(attribute.name): attribute for attribute in attrs.fields(cls)}
    inside = f"{path}." if path else ""
    for name, attribute in fields.items():
        if name not in value and attribute.default is attrs.NOTHING:
            return PayloadError(CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION, f"{inside}{name}: missing")
    for name in value:
        if name not in fields:
            return PayloadError(CallErrorCode.FORMATION_VIOLATION, f"{inside}{_shown_name(name)}: no such field")
    for name, attribute in fields.items():
        if name in value:
            error = _diagnosed(value[name], attribute.type, f"{inside}{name}")
            if error is not None:
                return error
    return None
