"""The nouns of the field are said in one place."""

import enum
import importlib
import pkgutil
from collections.abc import Iterator

import fleet


def sets_of_words() -> Iterator[type[enum.StrEnum]]:
    """Every StrEnum, from the module that defines it."""
    for found in pkgutil.walk_packages(fleet.__path__, "fleet."):
        if not found.name.endswith("__main__"):
            for thing in vars(importlib.import_module(found.name)).values():
                if isinstance(thing, type) and issubclass(thing, enum.StrEnum) and thing.__module__ == found.name:
                    yield thing


def test_no_set_of_words_is_written_down_twice() -> None:
    places: dict[frozenset[str], list[str]] = {}
    for words in sets_of_words():
        places.setdefault(frozenset(words), []).append(f"{words.__module__}.{words.__name__}")
    assert [names for names in places.values() if len(names) > 1] == []
