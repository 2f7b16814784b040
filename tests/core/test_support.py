"""The table of what is supported: complete, true to the code, and the same in the README."""

import ast
from itertools import chain
from pathlib import Path

import pytest

import fleet.core
from fleet.core import keys
from fleet.core.dialects.v16_support import FROM_CHARGE_POINT, FROM_CSMS, INERT, KEYS, SAYINGS, support_table
from fleet.ocpp.v16 import CATALOGUE

CORE = Path(fleet.core.__file__).parent
README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_the_table_that_the_code_makes() -> None:
    _, begin, rest = README.read_text(encoding="utf-8").partition("<!-- support")
    table, end, _ = rest.partition("<!-- end of the support -->")
    assert begin
    assert end
    assert table.partition("-->")[2].strip() == support_table(), "put v16_support.support_table() between the comments"


def test_every_message_of_the_catalogue_is_in_it() -> None:
    for profiles, known in ((FROM_CHARGE_POINT, CATALOGUE.called), (FROM_CSMS, CATALOGUE.served)):
        listed = list(chain.from_iterable(profiles.values()))
        assert sorted(listed) == sorted(known)
    rows = support_table().splitlines()
    for action in CATALOGUE.names:
        assert any(row.startswith(f"| {action} |") for row in rows)


def test_every_key_is_in_it_with_its_profile() -> None:
    for chapter, names in KEYS.values():
        assert [key.name for key in keys.EVERY if key.chapter == chapter] == names.split()
    assert {key.chapter for key in keys.EVERY} == {chapter for chapter, _ in KEYS.values()}


def test_a_key_or_message_that_is_taken_out_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(keys.KEYS, "CpoName")  # type: ignore[misc,arg-type]
    monkeypatch.delitem(SAYINGS, "SignCertificate")
    rows = support_table().splitlines()
    assert "| CpoName | Security extension | | | no |" in rows
    assert "| SignCertificate | charge point | Security extension | 5.17 | no |" in rows


@pytest.mark.parametrize("action", SAYINGS)
def test_what_counts_as_said_is_said_somewhere_in_the_core(action: str) -> None:
    """The words are that message's, and some part of the charge point speaks them."""
    method = SAYINGS[action].__name__
    speaking = {
        node.func.attr
        for path in CORE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "dialect" in ast.unparse(node.func)
    }
    assert method in speaking
    assert action in SAYINGS[action].__code__.co_consts


def test_only_keys_without_effect_are_read_by_nobody() -> None:
    """A key that acts is named, or its property is, outside the table of keys and outside the reading of it."""
    code = "".join(path.read_text(encoding="utf-8") for path in CORE.rglob("*.py") if path.name != "v16_support.py")
    for name in INERT:
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        assert f".{snake}" not in code
