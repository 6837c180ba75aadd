"""A report in a real browser, opened from disk and from a web server: it sorts, filters, plays and switches."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.report.browsers import EVERY_PAGE, find_chromium, opened_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

DISK = pytest.mark.parametrize("root", ["disk"], indirect=True)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads the log of a test's server."""


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A browser that has enough of a sound hangs up."""


CHROMIUM = find_chromium()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_chromium(CHROMIUM) as opened:
        yield opened


@pytest.fixture(scope="module")
def served(report_folder: Path) -> Iterator[str]:
    handler = partial(QuietHandler, directory=str(report_folder))
    with QuietServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module", params=["disk", "server"])
def root(request: pytest.FixtureRequest, report_folder: Path) -> str:
    """Where the report is opened; plain ``http.server`` sends no parts of files, which seeking has to live with."""
    return report_folder.as_uri() if request.param == "disk" else str(request.getfixturevalue("served"))


def watched(context: BrowserContext, root: str, problems: list[str]) -> Page:
    """A page that notes everything that must not happen."""
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: problems.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    page.on("requestfailed", lambda request: _failed(request, problems))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((f"{root}/", "blob:")) else problems.append(f"request: {request.url}")
        ),
    )
    return page


def _failed(request: Any, problems: list[str]) -> None:
    # A browser drops the rest of a sound that it has enough of, and what a page that is left still waits for.
    if request.resource_type != "media" and request.failure != "net::ERR_ABORTED":
        problems.append(f"failed: {request.url} {request.failure}")


@pytest.fixture
def page(browser: Browser, root: str) -> Iterator[Page]:
    """A page whose console stays empty and whose requests stay in the folder."""
    problems: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield watched(context, root, problems)
    assert problems == []


def models(page: Page) -> list[str]:
    return page.locator("#board tbody th").evaluate_all("cells => cells.map((cell) => cell.dataset.value)")


def sounding(page: Page) -> list[int]:
    """Places of the clips, as they stand on the page, that are playing now."""
    script = "all => all.flatMap((audio, place) => !audio.paused && !audio.ended ? [place] : [])"
    found: list[int] = page.locator("audio").evaluate_all(script)
    return found


def wait_until_playing(page: Page, place: int, after: float = 0.05) -> None:
    script = "([place, after]) => { const a = document.querySelectorAll('audio')[place];"
    page.wait_for_function(script + " return !a.paused && a.currentTime > after; }", arg=[place, after])


def position(page: Page) -> float:
    return float(page.locator("#seek").input_value())


def test_the_leaderboard_sorts_and_filters(page: Page, root: str) -> None:
    page.goto(f"{root}/index.html")
    page.wait_for_selector("#intervals svg")
    planned = models(page)
    header = page.locator("#board thead th").nth(1)
    header.locator(".sort").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert models(page) == planned[::-1]
    header.locator(".sort").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert models(page) == planned

    page.get_by_role("checkbox", name="melodic-complexity").uncheck()
    assert page.locator("#board th[data-metric='1']").is_hidden()
    assert page.locator("#intervals figure[data-metric='1']").is_hidden()
    before = page.locator("#board tbody td .value").first.text_content()
    page.locator("#group").select_option(label="genre rock & <b>roll</b>")
    page.wait_for_function("text => document.querySelector('#board tbody td .value').textContent !== text", arg=before)
    assert "11" not in (page.locator("#board tbody td .count").first.text_content() or "")
    assert page.locator("#board tbody td .rank").first.is_hidden()
    assert page.locator("#drawn-group").text_content() == "genre rock & <b>roll</b>"
    shown = page.locator("#board").inner_text()
    page.reload()
    page.wait_for_function("() => document.querySelector('#drawn-group').textContent.startsWith('genre')")
    assert page.locator("#board").inner_text() == shown, "the address does not hold what is shown"

    address = page.url
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url == address, "to skip is not to forget what is shown"
    label = page.locator("#board .label", has_text="tuned[adapter_scale=0.25]").bounding_box()
    assert label and label["height"] < 30, "a name is broken where there is room"


@DISK
def test_names_in_charts_fit_whatever_their_letters(page: Page, root: str) -> None:
    page.goto(f"{root}/index.html")
    script = """(name) => {
        const { marginLeft, y } = tunebench.charts.options(500, [name, 'base'], '');
        const text = document.createElementNS('http://www.w3.org/2000/svg', 'text');
        text.setAttribute('font-size', '12');
        text.setAttribute('font-family', 'system-ui, sans-serif');
        text.textContent = y.tickFormat(name);
        document.querySelector('#intervals svg').append(text);
        return [text.textContent, text.getComputedTextLength(), marginLeft];
    }"""
    page.wait_for_selector("#intervals svg")
    for name, cut in (("W" * 80, True), ("i" * 40, False), ("W" * 12, False)):
        text, length, room = page.evaluate(script, name)
        assert length <= room - 8
        assert text.endswith("…") == cut


@DISK
def test_undefined_values_sort_last(page: Page, root: str) -> None:
    page.goto(f"{root}/index.html#group=1&sort=4+ascending")
    page.wait_for_function("() => document.querySelector('#drawn-group').textContent.startsWith('genre')")
    values = page.locator("#board tbody td[data-metric='3']").evaluate_all("cells => cells.map((c) => c.dataset.value)")
    assert values == ["", "", ""]
    assert "3 prompts, <needs> 4" in page.locator("#board tbody").inner_text()


def test_clips_play_switch_in_place_and_pause_each_other(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts/4.html")
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url) if "/audio/" in request.url else None)
    page.wait_for_selector("#transport:not([hidden])")
    assert loaded == []
    page.keyboard.press(" ")
    wait_until_playing(page, 0, 0.3)
    assert loaded
    page.locator("#seek").fill("3")
    wait_until_playing(page, 0, 3.05)
    for key, place in (("2", 1), ("3", 2), ("1", 0)):
        clock = "() => [performance.now() / 1000, Number(document.querySelector('#seek').value)]"
        then, before = page.evaluate(clock)
        page.keyboard.press(key)
        wait_until_playing(page, place, 2.9)
        assert sounding(page) == [place]
        now = page.evaluate("() => performance.now() / 1000")
        script = "place => document.querySelectorAll('audio')[place].currentTime"
        # It may not be behind where it was, nor farther than the time that has passed.
        assert before - 0.15 <= page.evaluate(script, place) <= before + (now - then) + 0.15
    page.keyboard.press(" ")
    page.wait_for_function("() => [...document.querySelectorAll('audio')].every((audio) => audio.paused)")
    assert page.locator("#said").text_content() == "Paused base"
    held = position(page)
    page.locator(".clip").nth(1).get_by_role("button").click()
    wait_until_playing(page, 1, held - 0.1)
    assert sounding(page) == [1]
    assert "tuned[adapter_scale=0.25]" in (page.locator("#said").text_content() or "")


@DISK
def test_a_waveform_is_a_place_to_start(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts/1.html")
    track = page.locator(".track").nth(2)
    box = track.bounding_box()
    assert box
    track.click(position={"x": box["width"] / 2, "y": 20})
    wait_until_playing(page, 2, 2.9)
    assert position(page) < 4.5


def test_seeds_are_chosen_and_mp3_plays(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts/1.html")
    page.locator("#seed").select_option("7")
    rows = page.locator(".clip:visible")
    assert rows.count() == 3
    page.keyboard.press("1")
    page.wait_for_function(
        "() => [...document.querySelectorAll('audio')].some((a) => a.currentSrc && a.currentTime > .1)"
    )
    assert page.locator(".clip.current").get_attribute("data-seed") == "7"
    page.reload()
    assert page.locator("#seed").input_value() == "7"
    page.evaluate("location.hash = ''")
    page.wait_for_function("() => document.querySelector('#seed').value === '0'")
    assert page.locator(".clip:visible").first.get_attribute("data-seed") == "0"


@DISK
def test_loop_starts_again(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts/1.html")
    page.get_by_label("Loop").check()
    page.locator("#play").click()
    wait_until_playing(page, 0)
    page.locator("#seek").fill("5.8")
    page.wait_for_function("() => Number(document.querySelector('#seek').value) < 2")
    assert sounding(page) == [0]
    page.get_by_role("link", name="2 →").click()
    page.wait_for_url("**/2.html")
    page.go_back()
    page.locator("#play").click()
    wait_until_playing(page, 0)
    assert page.locator("audio").first.evaluate("audio => audio.loop") == page.get_by_label("Loop").is_checked()


def test_the_end_is_reached_again_and_again(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts/1.html")
    seek = page.locator("#seek")
    page.locator("#play").click()
    wait_until_playing(page, 0)
    for _ in range(2):
        # Chromium fails on the second of such seeks into a FLAC file.
        seek.fill("5.8")
        page.wait_for_function("() => document.querySelector('#said').textContent === 'Paused base'")
        page.locator("#play").click()
        wait_until_playing(page, 0)
        assert position(page) < 2


def test_a_clip_that_is_gone_is_told(browser: Browser, report_folder: Path, tmp_path: Path) -> None:
    for name in ("static", "pictures", "data"):
        (tmp_path / name).symlink_to(report_folder / name)
    for name in ("index.html", "compare.html", "prompts"):
        (tmp_path / name).symlink_to(report_folder / name)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{tmp_path.as_uri()}/prompts/1.html")
        page.locator("#play").click()
        page.wait_for_function("() => document.querySelector('#now').textContent.startsWith('base does not play')")
        assert page.locator("#play").get_attribute("aria-label") == "Play base"

        (tmp_path / "data").unlink()
        page.goto(f"{tmp_path.as_uri()}/index.html#group=1")
        page.wait_for_selector("#intervals svg")
        assert page.locator("#missing").inner_text() == "data/groups/1.js does not load: these are all prompts."
        assert page.locator("#drawn-group").text_content() == "all prompts"
        assert page.locator("#group").input_value() == "0"
        page.get_by_role("checkbox", name="melodic-complexity").uncheck()
        assert page.locator("#missing").inner_text() == ""
        page.goto(f"{tmp_path.as_uri()}/compare.html")
        page.get_by_text("data/compare/0-1.js does not load: this pair cannot be shown.").wait_for()
        assert page.locator("#shown").is_hidden()


@DISK
def test_the_player_is_quiet_and_goes_by_seconds(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts/1.html")
    page.locator("#seek").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert position(page) == 2
    assert page.locator("#seek").get_attribute("aria-valuetext") == "2.0 of 6.0 seconds"
    assert page.locator("output").count() == 0, "a live region would be read out in every frame"
    page.keyboard.press(" ")
    wait_until_playing(page, 0, 2.05)
    frames = page.evaluate(
        """async () => {
            const next = requestAnimationFrame.bind(window);
            let asked = 0;
            window.requestAnimationFrame = (callback) => { asked += 1; return next(callback); };
            const seek = document.querySelector('#seek');
            for (let i = 0; i < 30; i += 1) {
                seek.value = 1 + i / 10;
                seek.dispatchEvent(new Event('input'));
            }
            for (let i = 0; i < 10; i += 1) await new Promise((resolve) => next(resolve));
            return asked;
        }"""
    )
    assert 1 <= frames <= 15


@DISK
def test_blind_listening_hides_every_name(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts/6.html#seed=7")
    page.wait_for_selector("#transport:not([hidden])")
    rows = "rows => rows.map((row) => [row.dataset.label, row.dataset.seed, row.querySelector('.name').textContent])"
    seen = "all => all.map((one) => one.getAttribute('aria-label') ?? one.alt)"
    before = page.locator(".clip").evaluate_all(rows), page.locator(".wave, .spectrogram").evaluate_all(seen)
    page.get_by_role("button", name="Listen blind").click()
    assert page.locator(".clip:visible").count() == 2
    assert page.locator(".wave:visible, .spectrogram:visible").count() == 0, "a picture that was seen tells the name"
    assert page.locator(".track:visible").count() == 2
    page.get_by_role("button", name="Reveal").click()
    after = page.locator(".clip").evaluate_all(rows), page.locator(".wave, .spectrogram").evaluate_all(seen)
    assert after == before

    page.goto(f"{root}/prompts/2.html")
    page.get_by_role("button", name="Listen blind").click()
    page.get_by_role("link", name="← 1").click()
    page.wait_for_url("**/1.html#blind=1")
    page.wait_for_selector("#transport:not([hidden])")
    shown = page.locator("#clips").inner_text()
    assert "Clip A" in shown
    page.keyboard.press("2")
    page.wait_for_function("() => document.querySelector('#said').textContent === 'Playing Clip B'")
    names = ("base", "tuned[adapter_scale=0.25]", "a+b@x=1,y_-.z")
    told = page.locator("main").inner_text() + str(page.locator("main").aria_snapshot())
    assert not [name for name in names if name in told]
    page.keyboard.press(" ")
    page.wait_for_function("() => document.querySelector('#said').textContent === 'Paused Clip B'")
    page.get_by_role("button", name="Reveal").click()
    assert page.locator(".clip:visible .name").all_text_contents() == list(names)
    assert "blind" not in page.url


def test_two_models_are_compared_either_way_round(page: Page, root: str) -> None:
    page.goto(f"{root}/compare.html")
    rows = page.locator("#differences tbody tr")
    rows.first.wait_for()
    assert rows.count() == 5
    assert "better" in rows.first.inner_text()
    assert "no clear difference" in rows.nth(1).inner_text() and ".004" in rows.nth(1).inner_text()
    assert "no clear difference" in rows.nth(2).inner_text()
    assert "W-FEW: <6> prompts" in page.locator("#warnings").inner_text()
    forward = rows.first.locator("td").first.text_content() or ""
    page.get_by_role("button", name="Swap A and B").click()
    page.wait_for_function("() => location.hash.startsWith('#a=tuned')")
    page.wait_for_function("t => document.querySelector('#differences tbody td').textContent !== t", arg=forward)
    back = rows.first.locator("td").first.text_content() or ""
    sign = {"+": "−", "−": "+"}
    assert back == sign[forward[0]] + forward[1:]
    assert page.locator("#forest svg").count() == 1
    page.locator("#metric").select_option("rhythm-grid@1")
    assert page.locator("#groups tbody tr").count() == 5
    assert "genre rock & <b>roll</b>" in page.locator("#groups").inner_text()
    assert page.locator("#group-forest svg").count() == 1
    page.locator("#metric").select_option("4")
    page.get_by_text("There is nothing to draw.").wait_for()
    assert page.locator("#group-forest svg").count() == 0
    chances = "#differences tbody tr:first-child td:nth-last-child(2)"
    assert "p .700" in (page.locator(chances).get_attribute("title") or "")
    page.locator("#b").select_option("base")
    page.locator("#a").select_option("a+b@x=1,y_-.z")
    page.wait_for_function("cell => document.querySelector(cell).textContent === '–'", arg=chances)
    assert page.locator(chances).get_attribute("title") is None, "the model has two seeds"
    page.locator("#a").select_option("a+b@x=1,y_-.z")
    page.locator("#b").select_option("a+b@x=1,y_-.z")
    assert page.locator("#verdict").text_content() == "Choose two different models."


@DISK
def test_prompts_are_searched(page: Page, root: str) -> None:
    page.goto(f"{root}/prompts.html")
    assert page.locator("#prompts tbody tr:visible").count() == 6
    page.get_by_label("Search").fill("ONERROR </script>")
    assert page.locator("#prompts tbody tr:visible").count() == 1
    page.get_by_label("Search").fill("")
    page.locator("#genre").select_option("rock & <b>roll</b>")
    page.locator("#level").select_option("2")
    assert page.locator("#found").text_content() == "1 prompt"
    page.get_by_role("link", name="javascript:alert(1)").click()
    page.wait_for_url("**/prompts/5.html")
    page.get_by_role("link", name="6 →").click()
    page.wait_for_url("**/prompts/6.html")
    assert "out of memory: <script>alert(2)</script>" in page.locator("#clips").inner_text() or page.get_by_label(
        "Seed"
    )


def test_distributions_and_doses_load_when_seen(page: Page, root: str) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url) if "/data/" in request.url else None)
    page.set_viewport_size({"width": 1000, "height": 300})
    page.goto(f"{root}/metrics.html")
    page.wait_for_selector("[data-load='metrics/0'] svg")
    assert not [url for url in loaded if url.endswith("doses/1.js")]
    page.locator("[data-load='doses/1']").scroll_into_view_if_needed()
    page.wait_for_selector("[data-load='doses/1'] svg")
    assert page.locator("[data-load='doses/1'] svg").count() == 2


def test_every_page_opens_without_a_word_in_the_console(page: Page, root: str) -> None:
    for name in EVERY_PAGE:
        page.goto(f"{root}/{name}")
        assert page.locator("h1").count() == 1
        assert page.locator("[style*=javascript], img[src=x]").count() == 0


@DISK
def test_the_keyboard_is_enough(page: Page, root: str) -> None:
    page.goto(f"{root}/index.html")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('thead') !== null"):
            break
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#board th[aria-sort=descending]").count() == 1
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.goto(f"{root}/prompts/1.html")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "play":
            break
    page.keyboard.press("Enter")
    wait_until_playing(page, 0)
    page.keyboard.press("2")
    wait_until_playing(page, 1)


CONTRAST = """
() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4));
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('script, option, .hidden, [hidden]')) continue;
    const style = getComputedStyle(element);
    if (!element.getClientRects().length || style.visibility === 'hidden') continue;
    const ink = element.closest('svg') ? style.fill : style.color;
    if (ink === 'none') continue;
    const [a, b] = [light(parse(ink)), light(ground(element.closest('svg')?.parentElement ?? element))];
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    seen += 1;
    if (contrast < 4.5) found.add(`${element.tagName}.${element.className}: ${contrast.toFixed(2)}`);
  }
  return [seen, [...found]];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(browser: Browser, report_folder: Path, scheme: Any) -> None:
    with browser.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        grounds = set()
        for name in EVERY_PAGE:
            page.goto(f"{report_folder.as_uri()}/{name}")
            seen, faint = page.evaluate(CONTRAST)
            assert seen > 20
            assert faint == [], f"{name}, {scheme}"
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        dark = max(map(int, re.findall(r"\d+", grounds.pop()))) < 60
        assert dark == (scheme == "dark")


def test_a_phone_scrolls_tables_and_not_the_page(browser: Browser, report_folder: Path) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        for name in EVERY_PAGE:
            page.goto(f"{report_folder.as_uri()}/{name}")
            page.wait_for_timeout(50)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 360, f"{name} is {width} wide"
            hidden = "all => all.filter((e) => e.checkVisibility() && e.clientWidth < e.scrollWidth - 1).length"
            scrolling, more = (page.locator(one).evaluate_all(hidden) for one in (".scroll", ".scroll.more"))
            assert scrolling == more == page.locator(".scroll.more").count(), f"{name} cuts tables off without a sign"
            if name == "index.html":
                assert more == 1, "published figures are stacked"
                page.locator(".scroll").first.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
                page.wait_for_function("() => !document.querySelector('.scroll.more')")


def test_a_thousand_prompts_are_paged(browser: Browser, report_folder: Path, tmp_path: Path) -> None:
    source = (report_folder / "prompts.html").read_text(encoding="utf-8")
    rows = re.search(r"<tbody>(.*?)</tbody>", source, re.DOTALL)
    assert rows
    many = source.replace(rows[1], rows[1] * 167)
    (tmp_path / "prompts.html").write_text(many, encoding="utf-8")
    (tmp_path / "static").symlink_to(report_folder / "static")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto((tmp_path / "prompts.html").as_uri())
        visible = page.locator("#prompts tbody tr:visible")
        assert visible.count() == 50
        assert page.locator("#found").text_content() == "1–50 of 1002 prompts"
        page.get_by_role("button", name="Next 50").click()
        assert page.locator("#found").text_content() == "51–100 of 1002 prompts"
        page.goto(f"{page.url.partition('#')[0]}#page=21")
        assert visible.count() == 2
        assert page.get_by_role("button", name="Next 50").is_disabled()
        page.locator("#level").select_option("2")
        assert page.locator("#found").text_content() == "1–50 of 501 prompts"


def test_the_policy_stops_what_is_not_of_the_folder(browser: Browser, report_folder: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{report_folder.as_uri()}/index.html")
        stopped = page.evaluate(
            """() => new Promise((resolve) => {
                const found = [];
                document.addEventListener('securitypolicyviolation', (event) => {
                    found.push(event.effectiveDirective);
                    if (found.length === 3) resolve(found.sort());
                });
                const inline = document.createElement('script');
                inline.textContent = 'window.broken = true';
                const image = document.createElement('img');
                image.src = 'https://example.invalid/x.png';
                const style = document.createElement('style');
                style.textContent = 'body { color: red }';
                document.body.append(inline, image, style);
            })"""
        )
        assert stopped == ["img-src", "script-src-elem", "style-src-elem"]
        assert page.evaluate("window.broken") is None
        assert json.loads(page.evaluate("JSON.stringify(Object.keys(window.tunebench).length > 0)"))
