from fleet.observe.tally import CASES_MAX, WORDS_MAX, Tally


def test_the_first_few_cases_are_kept_and_all_are_counted() -> None:
    tally = Tally()
    for number in range(10):
        tally.add("unknown-reply", f"CP{number}")
    assert tally.counts == {"unknown-reply": 10}
    assert tally.cases == {"unknown-reply": [f"CP{number}" for number in range(CASES_MAX)]}


def test_the_most_frequent_comes_first() -> None:
    tally = Tally()
    for word in ("b", "c", "c", "a"):
        tally.add(word)
    assert list(tally) == [("c", 2), ("a", 1), ("b", 1)]


def test_ever_new_words_do_not_pile_up() -> None:
    tally = Tally()
    for number in range(10 * WORDS_MAX):
        tally.add(f"bug {number}", "CP1")
    assert len(tally.counts) <= WORDS_MAX + 1
    assert tally.total == 10 * WORDS_MAX
    assert tally.counts["other"] == 9 * WORDS_MAX


def test_an_empty_tally_is_false() -> None:
    assert not Tally()
