"""What the README says of rules is what the code says."""

import textwrap
from pathlib import Path

from fleet.observe.rules import BOOK_RULES, CSMS_RULES

README = Path(__file__).parents[1] / "README.md"


def rules_table() -> str:
    """Both tables, as they stand in the README."""
    tables = []
    for title, rules in (("The CSMS, while it runs", CSMS_RULES), ("The books", BOOK_RULES)):
        rows = [f"| `{rule}` | {' '.join(sentence.split())} |" for rule, sentence in rules.items()]
        tables.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
    return textwrap.dedent("\n\n".join(tables))


def test_the_readme_lists_every_rule_by_which_the_csms_and_the_books_are_judged() -> None:
    text = README.read_text(encoding="utf-8")
    _, begin, rest = text.partition("<!-- rules: made from fleet.observe.rules, and tested -->\n")
    inside, end, _ = rest.partition("<!-- end of the rules -->")
    assert begin
    assert end
    assert inside.strip() == rules_table()
