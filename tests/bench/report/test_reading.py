"""A report as people read it: by keyboard, finger and screen reader, at any width, in the dark, and on paper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.report.context import ReportContext
from bench.report.page import write_pages
from bench.report.side_by_side import ProtocolTable, ShownRun
from bench.scores.aggregate import Column
from tests.bench.report.browsers import AXE_RUN, EVERY_PAGE, axe_script, find_chromium, opened_chromium, serious

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = find_chromium()
LIST = "prompts.html#metric=0&model=1&less=0&order=far"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_chromium(CHROMIUM) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(report_content: tuple[ReportContext, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which one prompt of one model lies far from the others, on 14 metrics."""
    content, media = report_content
    out = tmp_path_factory.mktemp("reading")
    for name in ("audio", "pictures"):
        (out / name).symlink_to(media / name)
    far = [
        replace(clip, scores={**clip.scores, content.columns[1].ref: 500.0})
        if (clip.model, clip.prompt) == ("base", "jazz-3")
        else clip
        for clip in content.clips
    ]
    more = tuple(Column(f"one-more-metric-{n}@1", "points", "higher") for n in range(9))
    write_pages(replace(content, clips=tuple(far), columns=(*content.columns, *more)), out)
    return out


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        opened = context.new_page()
        opened.set_default_timeout(10_000)
        yield opened


def drawn(page: Page) -> None:
    """Wait until no chart of the page is empty."""
    script = "() => [...document.querySelectorAll('.chart')].every((c) => !c.checkVisibility() || c.childNodes.length)"
    page.wait_for_function(script)


@pytest.mark.parametrize(
    ("width", "scheme", "names"),
    [(390, "dark", (*EVERY_PAGE, LIST)), (1440, "light", ("index.html", "compare.html", "metrics.html", LIST))],
)
def test_nothing_keeps_anybody_from_using_a_page(
    browser: Browser, folder: Path, width: int, scheme: Any, names: tuple[str, ...]
) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page = context.new_page()
        for name in names:
            page.goto(f"{folder.as_uri()}/{name}")
            drawn(page)
            page.evaluate(axe_script())
            assert serious(json.loads(page.evaluate(AXE_RUN))) == [], f"{name}, {width} px, {scheme}"


@pytest.mark.parametrize("width", [1024, 1440])
def test_no_column_is_hidden_however_many_metrics_there_are(browser: Browser, folder: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(f"{folder.as_uri()}/index.html")
        drawn(page)
        tables = page.locator("#board .scroll")
        assert tables.count() == 3
        assert tables.evaluate_all("all => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
        heads = page.locator("#board th[data-metric]")
        assert heads.count() == 14
        right = heads.evaluate_all("all => Math.max(...all.map((one) => one.getBoundingClientRect().right))")
        assert right <= width


def test_bands_sort_together_and_go_with_their_metrics(page: Page, folder: Path) -> None:
    page.goto(f"{folder.as_uri()}/index.html")
    drawn(page)
    script = "all => all.map((table) => [...table.tBodies[0].rows].map((row) => row.dataset.model).join(''))"
    page.locator("#board th[data-metric='0'] .sort").click()
    assert page.locator("#board table").evaluate_all(script) == ["210"] * 3
    page.locator("#board table").nth(2).locator("thead .sort").first.click()
    orders = set(page.locator("#board table").evaluate_all(script))
    assert len(orders) == 1
    assert page.locator("#board th[data-sort='0'][aria-sort=ascending]").count() == 3
    for place in range(10, 14):
        page.locator(f"input[name=metric][value='{place}']").uncheck()
    assert page.locator("#board .scroll:visible").count() == 2


def test_definitions_open_by_key_mouse_and_finger(browser: Browser, folder: Path) -> None:
    with browser.new_context(viewport={"width": 1440, "height": 900}, has_touch=True) as context:
        page = context.new_page()
        page.goto(f"{folder.as_uri()}/index.html")
        drawn(page)
        tip = page.get_by_role("button", name="What harmonic-accuracy@1 measures")
        note = page.locator("#about-0")
        assert note.is_hidden()
        tip.focus()
        page.keyboard.press("Enter")
        note.wait_for(state="visible")
        page.keyboard.press("Escape")
        note.wait_for(state="hidden")
        tip.hover()
        note.wait_for(state="visible")
        box, at = note.bounding_box(), tip.bounding_box()
        assert box and at and abs(box["x"] - at["x"]) < 400 and box["y"] >= 0 and box["x"] + box["width"] <= 1440
        page.mouse.move(5, 5)
        note.wait_for(state="hidden")
        tip.tap()
        note.wait_for(state="visible")
        tip.tap()
        note.wait_for(state="hidden")


def test_an_outlying_dot_leads_to_its_clip(page: Page, folder: Path) -> None:
    page.goto(f"{folder.as_uri()}/metrics.html")
    chart = page.locator("[data-load='metrics/1']")
    chart.locator("svg").wait_for()
    stops = chart.locator("a:not([tabindex='-1'])")
    labels = [stop.get_attribute("aria-label") for stop in stops.all()]
    assert "base, prompt 3 (jazz-3): 500" in labels and len(labels) < 6
    assert chart.locator("a").count() == 18
    listed = page.locator("#m1 ~ details a[href='prompts/3.html#clip=base']")
    assert listed.text_content() == "prompt 3, jazz-3, by base"
    stops.nth(labels.index("base, prompt 3 (jazz-3): 500")).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/3.html**")
    page.wait_for_selector(".clip.current")
    assert page.locator(".clip.current").get_attribute("data-label") == "base"
    assert page.evaluate("document.activeElement.closest('.clip').dataset.label") == "base"
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.querySelector('.clip.current audio').paused")
    assert "clip=" not in page.url, "the next prompt is not asked for this clip"


def test_a_link_to_a_clip_chooses_its_seed_and_tells_no_name_to_who_listens_blind(page: Page, folder: Path) -> None:
    page.goto(f"{folder.as_uri()}/prompts/1.html#seed=7&clip=base")
    page.wait_for_selector(".clip.current")
    assert page.locator(".clip.current").get_attribute("data-seed") == "7"
    page.goto("about:blank")
    page.goto(f"{folder.as_uri()}/prompts/1.html#blind=1&clip=base")
    page.wait_for_selector("#transport:not([hidden])")
    assert page.locator(".clip.current").count() == 0


def test_prompts_are_ordered_and_narrowed_by_score_and_difference(page: Page, folder: Path) -> None:
    page.goto(f"{folder.as_uri()}/prompts.html")
    shown = page.locator("#prompts tbody tr:visible")
    ids = page.locator("#prompts tbody tr:visible code")
    assert ids.all_text_contents()[0] == "jazz-1", "ids stand beside the texts"
    page.get_by_label("Search").fill("jazz-3")
    assert shown.count() == 1
    page.get_by_label("Search").fill("")
    page.locator("#metric").select_option("melodic-complexity@1")
    page.locator("#order").select_option("highest first")
    page.wait_for_function("() => document.querySelector('#prompts tbody tr:not([hidden]) .score').textContent !== ''")
    assert ids.first.text_content() == "jazz-3"
    assert shown.first.locator(".score").text_content() == "500.0"
    scores = [float(text) for text in page.locator("#prompts tbody .score").all_text_contents()]
    assert scores == sorted(scores, reverse=True)
    page.locator("#less").select_option("tuned[adapter_scale=0.25]")
    page.wait_for_function("() => document.querySelector('#score-head').textContent.includes('−')")
    assert (shown.first.locator(".score").text_content() or "").startswith("+4")
    page.locator("#from").fill("100")
    page.wait_for_function("() => document.querySelector('#found').textContent === '1 prompt'")
    page.reload()
    page.wait_for_function("() => document.querySelector('#found').textContent === '1 prompt'")
    page.locator("#genre").select_option("rock & <b>roll</b>")
    page.wait_for_function("() => document.querySelector('#found').textContent === '0 prompts'")
    page.locator("#metric").select_option("none")
    page.wait_for_function("() => document.querySelector('#found').textContent === '3 prompts'")


def test_prompts_without_a_value_come_last_and_bad_addresses_do_no_harm(page: Page, folder: Path) -> None:
    page.goto(f"{folder.as_uri()}/prompts.html#metric=0&order=low")
    cells = page.locator("#prompts tbody .score")
    page.wait_for_function("() => document.querySelector('#prompts tbody .score').textContent !== ''")
    assert cells.all_text_contents()[-1] == "–", "rock-1 has no value"
    page.goto("about:blank")
    page.goto(f"{folder.as_uri()}/prompts.html#metric=99&model=7&less=x&order=nowhere&from=a")
    page.wait_for_selector("#prompts tbody tr")
    assert page.locator("#prompts tbody tr:visible").count() == 6
    (folder / "data" / "metrics" / "2.js").rename(folder / "gone.js")
    page.locator("#metric").select_option("rhythm-grid@1")
    page.get_by_text("data/metrics/2.js does not load: scores cannot be shown.").wait_for()
    (folder / "gone.js").rename(folder / "data" / "metrics" / "2.js")
    assert page.locator("#prompts tbody tr:visible").count() == 6


def test_paper_is_light_and_holds_all_of_a_page(browser: Browser, folder: Path, tmp_path: Path) -> None:
    with browser.new_context(viewport={"width": 1440, "height": 300}, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"{folder.as_uri()}/metrics.html")
        drawn(page)  # also what lies below the window
        folded = page.locator("details:not([open])").count()
        assert folded > 3
        # A printer tells a page before it prints, and afterwards.
        page.evaluate(
            "window.opened = []; addEventListener('beforeprint', "
            "() => window.opened.push(document.querySelectorAll('details[open]').length))"
        )
        page.pdf(path=tmp_path / "metrics.pdf")
        assert page.evaluate("window.opened") == [folded]
        assert page.locator("details[open]").count() == 0
        page.emulate_media(media="print")
        for name in (*EVERY_PAGE, LIST):
            page.goto(f"{folder.as_uri()}/{name}")
            drawn(page)
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            ink = page.evaluate("getComputedStyle(document.body).color")
            assert ground == "rgb(255, 255, 255)" and ink == "rgb(28, 32, 35)", name
            cut = "all => all.filter((one) => !['visible', 'clip'].includes(getComputedStyle(one).overflowX)).length"
            assert page.locator(".scroll, pre").evaluate_all(cut) == 0, name
        page.goto(f"{folder.as_uri()}/prompts/1.html")
        page.wait_for_selector("#transport", state="attached")
        assert page.locator(".clip:visible").count() == 6, "every seed is on paper"
        assert page.locator("button:visible").count() == 0


def test_a_list_on_paper_has_all_its_pages(page: Page, folder: Path) -> None:
    page.goto(f"{folder.as_uri()}/prompts.html")
    page.evaluate(
        "document.querySelectorAll('#prompts tbody tr').forEach((row, n) => row.classList.toggle('later', n > 1))"
    )
    assert page.locator("#prompts tbody tr:visible").count() == 2
    page.emulate_media(media="print")
    assert page.locator("#prompts tbody tr:visible").count() == 6


def test_runs_side_by_side_keep_protocols_apart(
    browser: Browser, report_content: tuple[ReportContext, Path], tmp_path: Path
) -> None:
    from bench.report.page import write_side_by_side

    content, _ = report_content
    tables = [
        ProtocolTable((ShownRun("one", "runs/1"), ShownRun("<two>", "runs/2")), replace(content, ranks={}), ""),
        ProtocolTable(
            (ShownRun("three", "runs/3"),), replace(content, ranks={}, comparisons=()), "duration is <other>"
        ),
    ]
    write_side_by_side(tables, tmp_path)
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{tmp_path.as_uri()}/index.html")
        assert page.locator("section").count() == page.locator(".board").count() == 2
        assert "It differs from the first: duration is <other>." in page.locator("section").nth(1).inner_text()
        assert page.get_by_role("link", name="<two>").count() == 2
        page.evaluate(axe_script())
        assert serious(json.loads(page.evaluate(AXE_RUN))) == []
        page.get_by_role("button", name="What harmonic-accuracy@1 measures").nth(1).click()
        page.locator("#about-2-0").wait_for(state="visible")
