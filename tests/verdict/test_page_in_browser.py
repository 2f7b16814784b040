"""The report in a real browser, at the width of a phone and at that of a desk."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from counterparts.browser import Browser, Page, open_page
from counterparts.summaries import HOSTILE, passed_summary, sample_summary

from fleet.verdict.document import BooksResult, Result, Summary, Timeline, Violation
from fleet.verdict.page import CHARTS, render_page

PHONE, DESK = 360, 1280
WIDTHS = pytest.mark.parametrize("width", [PHONE, DESK])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.end()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with open_page(browser) as page:
        yield page


async def show(page: Page, summary: Summary, folder: Path, width: int, *, dark: bool = False) -> Path:
    path = folder / "report.html"
    path.write_text(render_page(summary), encoding="utf-8")
    await page.resize(width, dark=dark)
    await page.open(path)
    return path


async def box(page: Page, selector: str) -> dict[str, Any]:
    """Where the first such element lies, after scrolling it into view."""
    found: dict[str, Any] = await page.evaluate(
        f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
        " const {left, top, width, height} = e.getBoundingClientRect(); return {left, top, width, height}; })()"
    )
    return found


async def texts(page: Page, selector: str) -> list[str]:
    found: list[str] = await page.evaluate(
        f"[...document.querySelectorAll({selector!r})].filter(e => e.checkVisibility()).map(e => e.textContent.trim())"
    )
    return found


async def fits(page: Page) -> bool:
    fits: bool = await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    return fits


@WIDTHS
async def test_the_page_fits_the_screen_and_asks_for_nothing(page: Page, tmp_path: Path, width: int) -> None:
    path = await show(page, sample_summary(), tmp_path, width)
    assert await page.evaluate("window.innerWidth") == width
    assert await fits(page)
    await page.photograph(tmp_path / f"report-{width}.png")
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]


@WIDTHS
async def test_every_chart_is_there_to_be_seen(page: Page, tmp_path: Path, width: int) -> None:
    await show(page, sample_summary(), tmp_path, width)
    boxes = await page.evaluate(
        "[...document.querySelectorAll('figure.chart svg')].map(svg => [svg.getBoundingClientRect().width,"
        " svg.getBoundingClientRect().height, Math.max(...[...svg.querySelectorAll('.line, .area')]"
        ".map(path => path.getBoundingClientRect().width))])"
    )
    assert len(boxes) == len(CHARTS)
    for plot_width, plot_height, drawn_width in boxes:
        assert plot_width > 200
        assert plot_height > 100
        assert drawn_width > 0.9 * plot_width


@WIDTHS
async def test_no_label_of_an_axis_lies_on_another(page: Page, tmp_path: Path, width: int) -> None:
    await show(page, sample_summary(), tmp_path, width)
    overlaps = await page.evaluate(
        "[...document.querySelectorAll('.times, .scale')].flatMap(axis => {"
        " const boxes = [...axis.children].map(e => [e.textContent, e.getBoundingClientRect()]);"
        " return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) => p.left < q.right &&"
        " q.left < p.right && p.top < q.bottom && q.top < p.bottom).map(([b]) => `${a} on ${b}`)); })"
    )
    assert overlaps == []


async def test_the_pointer_reads_the_values_of_every_chart(page: Page, tmp_path: Path) -> None:
    summary = sample_summary()
    await show(page, summary, tmp_path, DESK)
    assert await texts(page, ".when") == [""] * len(CHARTS)
    plot = await box(page, "[data-chart=states] .plot")
    await page.point(plot["left"] + plot["width"] * 0.5, plot["top"] + plot["height"] / 2)
    # Half of the run, which is the interval that ends nearest to it.
    at_s = min(summary.timeline.at_s, key=lambda at: abs(at - summary.elapsed_s / 2))
    assert await texts(page, ".when") == [f"after {int(at_s) // 60}m {int(at_s) % 60:02}s"] * len(CHARTS)
    index = summary.timeline.at_s.index(at_s)
    registered = summary.timeline.columns["state:registered"][index]
    assert f"registered {registered:.0f}" in await texts(page, "[data-chart=states] .legend li")
    assert await page.evaluate("[...document.querySelectorAll('.cursor')].every(e => e.checkVisibility())")
    await page.point(1, 1)
    assert await texts(page, ".when") == [""] * len(CHARTS)
    assert page.complaints == []


async def test_a_finger_reads_the_values_too_and_they_stay(page: Page, tmp_path: Path) -> None:
    await show(page, sample_summary(), tmp_path, PHONE)
    plot = await box(page, "[data-chart=power] .plot")
    await page.tap(plot["left"] + plot["width"] * 0.5, plot["top"] + plot["height"] / 2)
    assert (await texts(page, "[data-chart=power] .when"))[0].startswith("after 5m")
    assert await fits(page)
    await page.photograph(tmp_path / "report-tapped.png")


async def test_keys_read_the_values_too(page: Page, tmp_path: Path) -> None:
    await show(page, sample_summary(), tmp_path, DESK)
    await page.evaluate("document.querySelector('.plot').focus()")
    for key, shown in (("ArrowRight", "1s"), ("ArrowRight", "2s"), ("PageDown", "12s"), ("ArrowLeft", "11s")):
        await page.press(key)
        assert (await texts(page, ".when"))[0] == f"after {shown}"
    await page.press("Escape")
    assert (await texts(page, ".when"))[0] == ""


async def test_where_nobody_measured_the_pointer_reads_nothing(page: Page, tmp_path: Path) -> None:
    timeline = Timeline((1.0, 2.0, 3.0), {"due_p99_s": (0.1, None, 0.2), "power_w": (0.0, 7200.0, 0.0)})
    await show(page, sample_summary(timeline=timeline, elapsed_s=3.0, events=()), tmp_path, DESK)
    plot = await box(page, "[data-chart=due] .plot")
    await page.point(plot["left"] + plot["width"] * 2 / 3, plot["top"] + 5)
    assert await texts(page, "[data-chart=due] .value") == ["–"]
    assert await texts(page, "[data-chart=power] .value") == ["7.2 kW"]


@WIDTHS
async def test_what_a_csms_says_is_shown_and_never_run(page: Page, tmp_path: Path, width: int) -> None:
    long = "x" * 3000
    run = sample_summary()
    summary = evolve(
        run,
        reasons=(HOSTILE, long),
        target=f"ws://{long}/",
        violations={HOSTILE: Violation(3, (HOSTILE, "</script>", long)), long: Violation(1, (long,))},
        books=evolve(run.books, findings=(HOSTILE, long)),
        calls={HOSTILE: next(iter(run.calls.values())), long: next(iter(run.calls.values()))},
        events=tuple(evolve(event, text=HOSTILE + long) for event in run.events),
    )
    path = await show(page, summary, tmp_path, width)
    assert await fits(page)
    assert await page.evaluate("document.scripts.length") == 2
    assert await page.evaluate("document.images.length") == 0
    assert any("<script>alert" in text for text in await texts(page, ".findings li"))
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]


@WIDTHS
async def test_a_page_in_the_dark_and_one_of_an_empty_run_fit_too(page: Page, tmp_path: Path, width: int) -> None:
    await show(page, passed_summary(), tmp_path, width, dark=True)
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light == "rgb(18, 21, 26)"
    await page.photograph(tmp_path / f"dark-{width}.png")
    empty = passed_summary(
        objectives=(),
        calls={},
        served={},
        durations={},
        transaction_messages={},
        books=BooksResult(True, 0, 0, 0, None, 0, {}, ()),
        timeline=Timeline(),
        events=(),
        elapsed_s=0.0,
        visits={},
    )
    await show(page, empty, tmp_path, width, dark=True)
    assert await fits(page)
    assert await texts(page, "figure") == []
    assert page.complaints == []


# Every text against what is behind it, as WCAG 2 counts it; 4.5 is what it asks of small print.
POOR_CONTRAST = """
(() => {
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
  };
  return [...document.body.querySelectorAll("*")]
    .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((e) => !e.closest("svg"))
    .map((e) => [e, light(getComputedStyle(e).color), light(behind(e))])
    .filter(([, a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
    .map(([e]) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 30)}`);
})()
"""


@pytest.mark.parametrize("dark", [False, True])
async def test_everything_written_stands_out_from_what_is_behind_it(page: Page, tmp_path: Path, dark: bool) -> None:
    for result in Result:
        await show(page, sample_summary(result=result), tmp_path, DESK, dark=dark)
        assert await page.evaluate(POOR_CONTRAST) == []


async def test_the_page_can_be_printed(page: Page, tmp_path: Path) -> None:
    await show(page, sample_summary(), tmp_path, DESK)
    paper = await page.print()
    (tmp_path / "report.pdf").write_bytes(paper)
    assert paper.startswith(b"%PDF")
    # Every table in full, and yet no book.
    assert 2 <= paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") <= 8
