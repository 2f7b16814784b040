"""The configuration file: TOML into the classes of `config.py`, and every mistake in it as one line.

cattrs does the structuring, strictly: no unknown keys, and all mistakes of a file at once. Its exception groups become
lines that say the file, the path within it and what was expected:

    configs/soak.toml: charge_points[0].conectors: unknown key (did you mean 'connectors'?)
    configs/soak.toml: drivers.arrivals: expected a rate such as '0.5/s', got 'fast'
"""

import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs
from cattrs import Converter, IterableValidationError
from cattrs.errors import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from fleet.errors import ConfigurationError
from fleet.load.config import RunConfig
from fleet.load.settings import Mistakes, Setting, expected, meant


def load(path: Path) -> RunConfig:
    """The configuration in a TOML file; raises ConfigurationError with one line for each mistake."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: can't read it: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}{_with_line(str(error))}") from None
    return structure(raw, str(path))


def structure(raw: dict[str, Any], where: str) -> RunConfig:
    """The configuration in a TOML document; `where` opens every line of an error."""
    try:
        return _converter().structure(raw, RunConfig)
    except ClassValidationError as group:
        lines = [f"{where}: {path.removeprefix('.')}: {text}" for path, text in _mistakes(group)]
        raise ConfigurationError("\n".join(lines)) from None


def _with_line(text: str) -> str:
    """`Invalid value (at line 3, column 5)` as `:3: Invalid value (column 5)`; the end of the file has no line."""
    message, _, place = text.rstrip(")").rpartition(" (at ")
    if place.startswith("line "):
        line, _, column = place.removeprefix("line ").partition(", ")
        return f":{line}: {message} ({column})"
    return f": {message or text} (at the end of the file)" if message else f": {text}"


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook_factory(attrs.has, lambda made: _table_reader(made, converter))
    converter.register_structure_hook_factory(_is_tuple, lambda kind: _list_reader(get_args(kind)[0], converter))
    converter.register_structure_hook_factory(
        lambda kind: _setting(kind) is not None, lambda kind: _setting_reader(_setting(kind))
    )
    return converter


def _table_reader(made: type[Any], converter: Converter) -> Callable[[Any, Any], Any]:
    renamed = {part.name: override(rename=_key(part)) for part in _parts(made)}
    read: Callable[[Any, Any], Any] = make_dict_structure_fn(made, converter, **renamed)  # type: ignore[arg-type]

    def read_table(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise expected("a table", value)
        return read(value, kind)

    return read_table


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _list_reader(element: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    def read_list(value: Any, _kind: Any) -> Any:
        # One table in the place of a list is a slip of one bracket.
        if not isinstance(value, list):
            raise expected("a list of tables, each opening with [[ ]]", value)
        return tuple(converter.structure(value, list[element]))

    return read_list


def _setting_reader(setting: Setting | None) -> Callable[[Any, Any], Any]:
    assert setting is not None  # the predicate beside which this is registered looked
    read = setting.read
    return lambda value, _kind: read(value)


def _setting(kind: Any) -> Setting | None:
    """The setting that annotates this type, if it is annotated so."""
    return next((part for part in getattr(kind, "__metadata__", ()) if isinstance(part, Setting)), None)


def _parts(made: type[Any]) -> tuple["attrs.Attribute[Any]", ...]:
    parts: tuple[attrs.Attribute[Any], ...] = attrs.fields(attrs.resolve_types(made, include_extras=True))
    return parts


def _key(part: "attrs.Attribute[Any]") -> str:
    """What a field is called in the file: without its unit where the value there has one."""
    kinds = [part.type, *get_args(part.type)]
    suffix = next((setting.unit_suffix for kind in kinds if (setting := _setting(kind)) is not None), "")
    return part.name.removesuffix(suffix)


def _mistakes(error: Exception, path: str = "") -> Iterator[tuple[str, str]]:
    """Every (path, what was expected) inside cattrs's groups."""
    match error:
        case ClassValidationError() | IterableValidationError():
            for inner in error.exceptions:
                yield from _mistakes(inner, path + _step(inner, error.cl))
        case ForbiddenExtraKeysError():
            known = [_key(part) for part in _parts(error.cl)]
            for key in sorted(error.extra_fields):
                yield f"{path}.{key}", "unknown key" + meant(key, known)
        case Mistakes():
            for below, text in error.mistakes:
                yield f"{path}.{below}", text
        case ValueError():
            yield path, str(error)
        case _:
            raise error


def _step(error: Exception, made: type[Any]) -> str:
    """The step from a table or list to the part of it that is wrong, which cattrs leaves in the notes."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return "." + next(_key(part) for part in _parts(made) if part.name == note.name)
        if isinstance(note, IterableValidationNote):
            return f"[{note.index}]"
    return ""
