"""The journal keeps what somebody did, bounded, and counts it without end."""

from fleet.clock import Clock
from fleet.observe.journal import ENTRIES_MAX, TEXT_LENGTH_MAX, EventKind, Journal


def test_an_event_is_kept_with_its_time_and_counted_by_kind() -> None:
    journal = Journal(Clock(1000.0))
    journal.note(EventKind.FAULT, "fault CP0001/1 GroundFailure", 5.0)
    (entry,) = journal.entries
    assert (entry.at, entry.kind, entry.text) == (5.0, EventKind.FAULT, "fault CP0001/1 GroundFailure")
    assert journal.counts["fault"] == 1
    assert journal.counts["drain"] == 0
    assert journal.last_utc_s == {"fault": 1005.0}


def test_more_events_than_anybody_reads_are_only_counted() -> None:
    journal = Journal(Clock(0.0))
    for number in range(ENTRIES_MAX + 10):
        journal.note(EventKind.COMMAND, f"plug CP{number}", float(number))
    assert len(journal.entries) == ENTRIES_MAX
    assert journal.counts["command"] == ENTRIES_MAX + 10
    assert journal.last_utc_s["command"] == ENTRIES_MAX + 9.0


def test_a_text_is_one_line_however_long_it_was() -> None:
    journal = Journal(Clock(0.0))
    journal.note(EventKind.COMMAND, "raw CP1 Authorize\n" + "x" * 10_000, 0.0)
    assert "\n" not in journal.entries[0].text
    assert len(journal.entries[0].text) <= TEXT_LENGTH_MAX + 1
