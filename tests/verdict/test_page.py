import re
from html.parser import HTMLParser
from typing import Any

import pytest
from attrs import evolve
from counterparts.summaries import HOSTILE, passed_summary, percentiles, sample_summary, sample_timeline

from fleet.verdict.document import Event, Result, Summary, Timeline
from fleet.verdict.page import CHARTS, EVENTS_SHOWN_MAX, render_page

SIZE_MAX = 300_000
VOID = {"meta", "link", "wbr", "path", "br"}


class Reader(HTMLParser):
    """The text of the page, and its tags with their attributes; unbalanced tags are an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def text_of(summary: Summary) -> str:
    return Reader(render_page(summary)).text


def test_the_page_says_what_the_summary_says() -> None:
    text = text_of(sample_summary())
    for words in (
        "Failed",
        "csms_violations == 0: it was 14",
        "ws://127.0.0.1:9000/ocpp/{id}",
        "--seed 8117443201",
        "2026-11-22 14:18:49 UTC",
        "errors(StartTransaction) / calls(StartTransaction) < 0.1%",
        "asked of every run",
        "3 InternalError, 1 GenericError",
        "133 Accepted, 7 Rejected",
        "boot: power-up to accepted",
        "not balanced",
        "13,417,000 Wh",
        "−1,250 Wh",
        "CP0231/1 transaction 8812: 14,250 Wh reported, 13,000 Wh recorded",
        "CP0017: currentTime is 4.2 s ahead",
        "storm.fleet: cut all",
        "58 % in the worst ten seconds",
        "the last after 1m01s",
    ):
        assert words in text


def test_a_lower_bound_is_shown_as_one() -> None:
    run = sample_summary()
    call = evolve(run.calls["Authorize"], due=percentiles(0.02, 100, 3), sent=percentiles(0.01, 100))
    text = text_of(evolve(run, calls={"Authorize": call}, durations={}))
    due = percentiles(0.02, 100, 3)
    assert due.at_least == ("p99_s", "p99_9_s", "max_s")
    assert re.search(r"20ms \S+ms ≥ 30s ≥ 30s 10ms \S+ms \S+ms \S+ms", re.sub(r"(?<=s)(?=[≥\d])", " ", text))


@pytest.mark.parametrize("result", Result)
def test_every_result_has_its_word_and_colour(result: Result) -> None:
    page = render_page(passed_summary(result=result, reasons=("because",)))
    assert f'<body class="{result.value}">' in page
    text = Reader(page).text
    assert result.value.capitalize() in text
    assert "because" in text


def test_nothing_on_the_page_comes_from_elsewhere() -> None:
    page = render_page(sample_summary())
    addresses = [
        value
        for _, attributes in Reader(page).tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert addresses
    assert all(str(address).startswith("data:") for address in addresses)
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_allows_no_script_but_its_own() -> None:
    reader = Reader(render_page(sample_summary()))
    (policy,) = (
        str(attributes["content"])
        for tag, attributes in reader.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[\w+/]{43}='(;|$)", policy)


def test_foreign_words_stay_words() -> None:
    run = sample_summary()
    # Every text of the whole document at once.
    hostile = replace_texts(run)
    page = render_page(hostile)
    reader = Reader(page)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert "\x1b" not in page
    assert "\x00" not in page
    assert all(not name.startswith("on") for _, attributes in reader.tags for name in attributes)


def replace_texts(summary: Summary) -> Summary:
    from fleet.verdict.document import _converter, as_json

    def replaced(value: Any) -> Any:
        match value:
            case str():
                return HOSTILE
            case list():
                return [replaced(each) for each in value]
            case dict():
                return {key: replaced(each) for key, each in value.items()}
        return value

    raw = as_json(summary)
    changed = {name: value if name in ("result", "timeline") else replaced(value) for name, value in raw.items()}
    return _converter().structure(changed, Summary)


def test_a_run_of_any_length_makes_a_page_that_can_be_mailed() -> None:
    assert len(render_page(sample_summary())) < 200_000
    many = tuple(Event(index / 2, "command", "swipe CP* " * 20) for index in range(1_000))
    page = render_page(sample_summary(timeline=sample_timeline(), events=many))
    assert len(page) < SIZE_MAX
    assert page.count('<td class="words">swipe') == EVENTS_SHOWN_MAX
    assert "800 more are in summary.json" in page


def test_a_run_with_nothing_in_it_has_a_page_too() -> None:
    text = text_of(passed_summary(objectives=(), calls={}, timeline=Timeline(), events=(), elapsed_s=0.0))
    assert "The run had no objectives." in text
    assert "Nothing was measured over time." in text
    assert "Nothing was sent." in text
    assert "Nothing it said was against a rule." in text


def test_every_chart_is_drawn_and_named() -> None:
    reader = Reader(render_page(sample_summary()))
    figures = [attributes["data-chart"] for tag, attributes in reader.tags if tag == "figure"]
    assert figures == [chart.id for chart in CHARTS]
    labels = [attributes["aria-label"] for tag, attributes in reader.tags if tag == "svg"]
    assert labels[0] is not None
    assert labels[0].startswith("Latency from when due over 10m12s: p50 at most")


def test_both_latency_charts_have_one_scale() -> None:
    page = render_page(sample_summary())
    scales = re.findall(r'<div class="scale".*?</div>', page, re.DOTALL)
    assert scales[0] == scales[1]


def test_without_records_of_the_csms_the_books_say_so() -> None:
    run = passed_summary()
    assert "no records to compare with" in text_of(evolve(run, books=evolve(run.books, recorded_wh=None)))
