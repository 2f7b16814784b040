"""Help: every command is in it, and the README says the same."""

from pathlib import Path

import pytest

from fleet.commands.help import faults_table, help_text, usage, vocabulary_table
from fleet.commands.impairments import NetworkFault
from fleet.commands.registry import COMMANDS, arguments, find
from fleet.commands.tokens import LineError

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_the_table_that_the_commands_make() -> None:
    _, begin, rest = README.read_text(encoding="utf-8").partition("<!-- vocabulary")
    table, end, _ = rest.partition("<!-- end of the vocabulary -->")
    assert begin
    assert end
    assert table.partition("-->")[2].strip() == vocabulary_table(), "put help.vocabulary_table() between the comments"


def test_the_readme_says_of_every_network_fault_what_the_code_says() -> None:
    _, begin, rest = README.read_text(encoding="utf-8").partition("<!-- faults: ")
    table, end, _ = rest.partition("<!-- end of the faults -->")
    assert begin
    assert end
    assert table.partition("-->")[2].strip() == faults_table(), "put help.faults_table() between the comments"
    for fault in NetworkFault:
        assert f"\n| `{fault}` | {fault.meaning} |" in table


def test_help_for_impair_says_what_each_fault_is() -> None:
    lines = help_text("impair").splitlines()
    for fault in NetworkFault:
        meaning = fault.meaning.replace("`", "")
        (line,) = [line for line in lines if line.startswith(f"  {fault} ")]
        assert meaning.startswith(line.removeprefix(f"  {fault}").strip())
    assert all(len(line) <= 120 for line in lines if not line.startswith("  fault "))


@pytest.mark.parametrize("fault", NetworkFault)
def test_the_name_of_a_fault_has_help_that_leads_to_impair(fault: NetworkFault) -> None:
    text = help_text(fault.upper())
    assert text.startswith(f"impair TARGET {fault}\n")
    assert "`help impair`" in text


def test_the_overview_has_every_command_and_the_targets() -> None:
    lines = help_text().splitlines()
    for verb in COMMANDS:
        assert any(line.startswith(f"  {verb} ") for line in lines), verb
    assert any("CP[0001-0100]/*" in line for line in lines)
    assert all(len(line) <= 120 for line in lines)


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_help_of_a_command_has_its_usage_arguments_and_examples(verb: str) -> None:
    kind = find(verb)
    assert kind is not None
    text = help_text(verb.upper())
    assert text.startswith(usage(kind))
    for argument in arguments(kind):
        assert f"\n  {argument.name} " in text
    for example in kind.examples:
        assert f"\n  {example}" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("start", "start TARGET [id_tag]"),
        ("availability", "availability TARGET availability"),
        ("get", "get TARGET [keys...]"),
        ("run", "run path [TARGET]"),
        ("status", "status [TARGET]"),
        ("quit", "quit"),
        ("ev", "ev TARGET [battery_wh=] [soc=] [power_max_w=] [energy_wanted_wh=] [taper_from_soc=]"),
    ],
)
def test_usage_shows_what_may_be_left_out(verb: str, expected: str) -> None:
    kind = find(verb)
    assert kind is not None
    assert usage(kind) == expected


def test_help_for_what_is_no_command_names_the_nearest() -> None:
    with pytest.raises(LineError, match="no command 'plgu'; did you mean plug"):
        help_text("plgu")
    with pytest.raises(LineError, match="see `help`"):
        help_text("xyzzy")


def test_targets_have_help_of_their_own() -> None:
    assert "@Charging" in help_text("targets")
