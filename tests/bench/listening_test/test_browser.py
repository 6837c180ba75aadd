"""The pages of a listening test in a real browser: by mouse and by keyboard, left and resumed, and read by axe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.listening_test.access import listener_token, organizer_token
from bench.listening_test.design import read_design
from bench.listening_test.folder import ANSWERS
from bench.listening_test.listener_session import sounds_of_session
from bench.listening_test.read_test import read_listening_test
from bench.listening_test.static_pages import write_listening_pages
from bench.storage.listening_answers import Answers
from bench.survey.analysis import analyse
from tests.bench.listening_test.conftest import Served
from tests.bench.listening_test.test_answers import fill_with_honest_answers
from tests.bench.report.browsers import AXE_RUN, axe_script, find_chromium, opened_chromium, serious

CHROMIUM = find_chromium()
MakeTest = Callable[..., Path]
Serve = Callable[[Path], Served]
FASTER = """
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { this.playbackRate = 4; return play.call(this); };
"""
SHORT: dict[str, Any] = {
    "scales": ["Harmony", "Rhythm"],
    "checks": {"practice": 1, "beeps": 1, "spoiled": 1, "headphones": True},
}
DONE, VOLUME, HEADPHONES = "You are done. Thank you!", "Set your volume", "Check of your headphones"

pytestmark = pytest.mark.slow(20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with opened_chromium(CHROMIUM) as browser:
        yield browser


class Visitor:
    """Somebody at a browser who hears everything to its end."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.add_init_script(FASTER)
        self.page.set_default_timeout(20_000)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)

    @property
    def heading(self) -> str:
        return str(self.page.locator("h1").inner_text())

    def click(self, name: str) -> None:
        # What is not ready says so when it is clicked.
        self.page.get_by_role("button", name=name, exact=True).click(force=True)

    def hear(self) -> None:
        sounds = self.page.locator(".sound")
        for place in range(sounds.count()):
            sounds.nth(place).get_by_role("button").click()
            sounds.nth(place).get_by_text("Heard to the end").wait_for()

    def until_pages(self) -> None:
        """From the first page to the first trial."""
        self.page.locator("h1").wait_for()  # the page asks the server first
        if self.page.get_by_role("button", name="Begin").count():
            self.click("Begin")
            self.page.get_by_role("heading", name=VOLUME).wait_for()
        while self.heading in (VOLUME, HEADPHONES):
            shown = self.page.locator("h1").element_handle()
            self.hear()
            if self.heading == VOLUME:
                self.click("The volume is comfortable")
            else:
                self.page.get_by_label("Tone 2").check()
                self.click("Next")
            self.page.wait_for_function("(shown) => !shown.isConnected", arg=shown)

    def wait_for_other(self, heading: str) -> None:
        self.page.wait_for_function("(before) => document.querySelector('h1').innerText !== before", arg=heading)


def rate_by_mouse(visitor: Visitor, value: int) -> None:
    visitor.hear()
    groups = visitor.page.locator("fieldset")
    for place in range(groups.count()):
        groups.nth(place).get_by_label(str(value), exact=True).check()
    visitor.click("Next")


def rate_by_keyboard(visitor: Visitor, value: int) -> None:
    visitor.page.keyboard.press(" ")
    visitor.page.get_by_text("Heard to the end").wait_for()
    for _ in range(visitor.page.locator("fieldset").count()):
        visitor.page.keyboard.press(str(value))
    visitor.page.keyboard.press("Enter")


def test_a_listener_rates_leaves_resumes_elsewhere_and_is_analyzed_as_clicked(
    chromium: Any, make_test: MakeTest, serve: Serve
) -> None:
    served = serve(make_test(fresh=True, prompts=["jazz-1", "rock-1"], **SHORT))
    link = f"http://127.0.0.1:{served.port}/join/{listener_token(served.design, 0)}"
    said: list[int] = []
    first = Visitor(chromium, viewport={"width": 390, "height": 844})
    first.page.goto(link)
    first.until_pages()
    for page in range(4):
        heading = first.heading
        said.append(page % 5 + 1)
        (rate_by_mouse if page % 2 else rate_by_keyboard)(first, said[-1])
        first.wait_for_other(heading)
    first.hear()  # half answered, and reloaded
    first.page.locator("fieldset").first.get_by_label("2", exact=True).check()
    first.page.get_by_text("Saved", exact=True).wait_for()
    first.page.reload()
    first.page.get_by_text("Heard to the end").wait_for()
    assert first.page.locator("input:checked").count() == 1
    resume, problems = first.page.url, first.problems
    first.context.close()
    assert "join" not in resume and problems == []

    second = Visitor(chromium, viewport={"width": 1440, "height": 900}, color_scheme="dark")
    second.page.goto(link)
    pages = len(served.design.sessions[0])
    second.page.get_by_text(f"Page 5 of {pages}").wait_for()
    for page in range(4, pages):
        heading = second.heading
        said.append(page % 5 + 1)
        (rate_by_keyboard if page % 2 else rate_by_mouse)(second, said[-1])
        second.wait_for_other(heading)
    assert second.heading == DONE and second.problems == []
    cookies = second.context.cookies()
    assert [(one["name"], one["httpOnly"], one["sameSite"]) for one in cookies] == [
        (f"listener-{served.design.short_id}", True, "Lax")
    ]
    second.context.close()

    found = read_listening_test(served.folder, screened=False)
    trials = [(page, trial) for page, trial in enumerate(served.design.sessions[0]) if trial.role == "test"]
    expected = {
        (served.design.items[trial.item].prompt, trial.models[0], scale): said[page]
        for page, trial in trials
        for scale in ("Harmony", "Rhythm")
    }
    rows = found.table[["prompt", "model", "scale", "value"]].itertuples(index=False)
    assert {(row[0], row[1], row[2]): row[3] for row in rows} == expected
    assert analyse(found).design.answers == len(expected) == 12


def test_pairs_and_several_sounds_are_answered(chromium: Any, make_test: MakeTest, serve: Serve) -> None:
    checks = {"practice": 0, "beeps": 0, "spoiled": 0, "headphones": False}
    for kind, models in (("preference", ["alpha1", "beta2"]), ("stimuli", ["alpha1", "beta2", "gamma3"])):
        served = serve(
            make_test(
                fresh=True,
                kind=kind,
                models=models,
                prompts=["jazz-1", "folk-2"],
                checks=checks,
                scales=["Overall quality"],
            )
        )
        visitor = Visitor(chromium, viewport={"width": 1024, "height": 800})
        visitor.page.goto(f"http://127.0.0.1:{served.port}/join/{listener_token(served.design, 1)}")
        visitor.until_pages()
        for page in range(2):
            heading = visitor.heading
            visitor.hear()
            if kind == "preference":
                visitor.page.get_by_role("radio", name="Sound A" if page else "No difference").check()
            else:
                for place in range(3):
                    slider = visitor.page.locator("input[type=range]").nth(place)
                    slider.focus()
                    slider.press("Home")
                    for _ in range(place + 1):
                        slider.press("PageUp")
            visitor.click("Next")
            visitor.wait_for_other(heading)
        assert visitor.heading == DONE and visitor.problems == []
        table = read_listening_test(served.folder, screened=False).table
        session = served.design.sessions[1]
        if kind == "preference":
            chosen = {row.prompt: row.outcome for row in table.itertuples()}
            first, second = (served.design.items[trial.item].prompt for trial in session)
            assert chosen[first] == "tie" and chosen[second] == ("a" if session[1].models[0] == "alpha1" else "b")
        else:
            values = {(row.prompt, row.model): row.value for row in table.itertuples()}
            for trial in session:
                own = [values[served.design.items[trial.item].prompt, model] for model in trial.models]
                assert own == [10, 20, 30]
        visitor.context.close()


def test_nothing_goes_on_before_all_is_heard_and_answered(chromium: Any, make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True, checks={"practice": 0, "beeps": 0, "spoiled": 0, "headphones": False}))
    visitor = Visitor(chromium)
    visitor.page.goto(f"http://127.0.0.1:{served.port}/join/{listener_token(served.design, 0)}")
    visitor.until_pages()
    heading = visitor.heading
    for place in range(2):
        visitor.page.locator("fieldset").nth(place).get_by_label("4", exact=True).check()
    visitor.click("Next")
    assert visitor.page.locator("#status").inner_text() == served.design.texts["listen first"]
    visitor.page.reload()
    visitor.hear()
    assert visitor.page.locator("input:checked").count() == 2 and visitor.heading == heading
    visitor.click("Next")
    visitor.wait_for_other(heading)
    visitor.hear()
    visitor.click("Next")
    assert visitor.page.locator("#status").inner_text() == served.design.texts["answer first"]
    visitor.context.close()


def test_an_answer_waits_for_the_network(chromium: Any, make_test: MakeTest, serve: Serve) -> None:
    served = serve(
        make_test(fresh=True, checks={"practice": 0, "beeps": 0, "spoiled": 0, "headphones": False}, scales=["Harmony"])
    )
    visitor = Visitor(chromium)
    visitor.page.goto(f"http://127.0.0.1:{served.port}/join/{listener_token(served.design, 0)}")
    visitor.until_pages()
    heading = visitor.heading
    visitor.hear()
    visitor.context.set_offline(True)
    visitor.page.get_by_label("5", exact=True).check()
    visitor.click("Next")
    visitor.page.get_by_text("Not saved yet").wait_for()
    visitor.context.set_offline(False)
    visitor.wait_for_other(heading)
    visitor.context.close()


LOOKS = [(width, scheme) for width in (390, 1024, 1440) for scheme in ("light", "dark")]


@pytest.mark.parametrize("language", ["de", "en"])
def test_axe_finds_nothing_serious(language: str, chromium: Any, make_test: MakeTest, serve: Serve) -> None:
    about = [
        {"name": "Years", "question": "How many?", "choices": ["0", "1+"]},
        {"name": "Age", "question": "How old?"},
    ]
    wording = {"consent": "I agree.", "contact": "me@example.org"}
    kind = "stimuli" if language == "en" else "ratings"
    served = serve(make_test(kind=kind, about=about, wording=wording, language=language))
    visitor = Visitor(chromium, bypass_csp=True)
    base, page = f"http://127.0.0.1:{served.port}", visitor.page
    seen: dict[str, list[list[Any]]] = {}

    def check(name: str) -> None:
        page.evaluate(axe_script())
        for width, scheme in LOOKS:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            seen[f"{name} {width} {scheme}"] = serious(json.loads(page.evaluate(AXE_RUN)))
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)

    texts = served.design.texts
    page.goto(f"{base}/join/{listener_token(served.design, 0)}")
    page.wait_for_selector("button")
    check("welcome")
    page.get_by_role("button", name=texts["agree"]).click()
    page.get_by_role("heading", name=texts["volume"]).wait_for()
    for facts in ({"volume": True}, {"headphones": list(served.design.tones)}, {"about": {"Years": "0", "Age": "30"}}):
        page.reload()
        page.wait_for_selector("button")
        check(next(iter(facts)))
        page.evaluate(
            "(facts) => fetch('api/facts', {method: 'POST', headers: {'content-type': 'application/json'}, "
            "body: JSON.stringify(facts)}).then((found) => found.status)",
            facts,
        )
    page.reload()
    page.wait_for_selector("fieldset input")
    check("trial")
    page.goto(f"{base}/organizer/{organizer_token(served.design)}")
    check("organizer")
    assert len(seen) == 6 * len(LOOKS) and not any(seen.values()), seen
    visitor.context.close()


def test_static_pages_keep_answers_and_give_them_to_the_listener(
    chromium: Any, make_test: MakeTest, tmp_path: Path
) -> None:
    folder = make_test(fresh=True, prompts=["jazz-1", "rock-1"], models=["alpha1", "beta2"], **SHORT)
    site = tmp_path / "site"
    write_listening_pages(folder, site)
    secret = json.loads((folder / "design.json").read_text())["design"]["secret"]
    for path in site.rglob("*"):
        if path.suffix in (".html", ".js", ".json", ".css"):
            text = path.read_text()
            assert secret not in text and "alpha1" not in text and "beta2" not in text and "spoiled" not in text
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/?listener=3"
    visitor = Visitor(chromium)
    visitor.page.add_init_script("delete Crypto.prototype.randomUUID")  # as on a page without https
    visitor.page.goto(address)
    visitor.page.get_by_role("button", name="Begin").wait_for()
    visitor.until_pages()
    for page in range(len(read_pages(site))):
        heading = visitor.heading
        rate_by_mouse(visitor, page % 5 + 1)
        visitor.wait_for_other(heading)
        if page == 2:
            visitor.page.reload()
            visitor.page.wait_for_selector("fieldset")
    assert visitor.heading == DONE
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download your answers").click()
    (folder / ANSWERS).mkdir()
    download.value.save_as(folder / ANSWERS / download.value.suggested_filename)
    visitor.page.goto(address.replace("=3", "=1"))  # the next listener at the same computer
    visitor.page.get_by_role("button", name="Begin").wait_for()
    visitor.page.goto(address)
    visitor.page.get_by_role("heading", name=DONE).wait_for()
    visitor.context.close()
    server.shutdown()
    server.server_close()
    found = read_listening_test(folder, screened=False)
    assert found.listeners == ("listener-003",) and len(found.table) == 2 * 2 * 2


def read_pages(site: Path) -> list[Any]:
    pages: list[Any] = json.loads((site / "sessions.js").read_text().partition("=")[2].strip(" ;\n"))["sessions"][2]
    return pages


def test_a_report_shows_the_results_and_the_pages_from_the_disk(
    chromium: Any, make_test: MakeTest, run_folder: Path, tmp_path: Path
) -> None:
    folder = make_test(fresh=True, prompts=["jazz-1", "rock-1"], **SHORT)
    fill_with_honest_answers(folder)
    out = tmp_path / "report"
    ran = CliRunner().invoke(
        app, ["report", str(run_folder), "--ratings", str(folder), "--audio", "none", "--out", str(out)]
    )
    assert ran.exit_code == 0, ran.output
    names = {path.name for path in (out / "listening-test" / "sounds").iterdir()}
    assert names == {f"{name}.mp3" for name in sounds_of_session(read_design(folder), 0)}
    visitor = Visitor(chromium)
    visitor.page.goto((out / "survey.html").as_uri())
    visitor.page.get_by_role("link", name="as the first listener saw it").click()
    visitor.page.get_by_role("button", name="Begin").wait_for()
    visitor.until_pages()
    heading = visitor.heading
    rate_by_mouse(visitor, 3)
    visitor.wait_for_other(heading)
    assert visitor.page.evaluate("localStorage.length") == 0 and visitor.problems == []
    visitor.context.close()
    record = json.loads((out / "data" / "report.json").read_text())
    assert record["survey"]["record"]["design"]["listeners"] == 4
    # The same command without the test takes the preview away again.
    assert CliRunner().invoke(app, ["report", str(run_folder), "--audio", "none", "--out", str(out)]).exit_code == 0
    assert not (out / "listening-test").exists()


def test_an_answer_that_never_left_the_browser_is_there_after_a_reload(
    chromium: Any, make_test: MakeTest, serve: Serve
) -> None:
    checks = {"practice": 0, "beeps": 0, "spoiled": 0, "headphones": False}
    served = serve(make_test(fresh=True, checks=checks, scales=["Harmony"]))
    visitor = Visitor(chromium)
    visitor.page.goto(f"http://127.0.0.1:{served.port}/join/{listener_token(served.design, 0)}")
    visitor.until_pages()
    visitor.hear()
    visitor.page.route("**/api/answer", lambda route: route.abort())
    visitor.page.get_by_label("2", exact=True).check()
    visitor.page.get_by_text("Not saved yet").wait_for()
    visitor.page.unroute("**/api/answer")
    visitor.page.reload()
    visitor.page.get_by_text("Heard to the end").wait_for()
    heading = visitor.heading
    assert visitor.page.get_by_label("2", exact=True).is_checked()
    visitor.click("Next")
    visitor.wait_for_other(heading)
    assert visitor.page.evaluate("localStorage.length") == 0
    visitor.context.close()


def test_a_tab_that_was_overtaken_shows_the_page_that_comes_next(
    chromium: Any, make_test: MakeTest, serve: Serve
) -> None:
    checks = {"practice": 0, "beeps": 0, "spoiled": 0, "headphones": False}
    served = serve(make_test(fresh=True, checks=checks, scales=["Harmony"]))
    first, second = Visitor(chromium), Visitor(chromium)
    link = f"http://127.0.0.1:{served.port}/join/{listener_token(served.design, 0)}"
    first.page.goto(link)
    first.until_pages()
    second.page.goto(link)
    second.page.wait_for_selector("fieldset")
    rate_by_mouse(first, 2)
    first.page.get_by_text("Page 2 of").wait_for()
    rate_by_mouse(second, 4)
    second.page.get_by_text("Page 2 of").wait_for()
    first.page.goto(link.replace(link.rpartition("/")[2], listener_token(served.design, 1)))
    stale = first.context.new_page()  # shows listener 2, while listener 1 comes back in another tab
    stale.goto(link)
    assert "Page 2 of" in stale.locator("h1").inner_text(timeout=20_000)
    first.click("Begin")
    first.page.get_by_text("another session was opened").wait_for()
    answers = Answers(served.folder, served.design.id)
    people = answers.listeners()
    assert [one.answer for one in answers.answers()] == [{"s0": 2}] and people[1].consented_at is None
    answers.close()
    first.context.close()
    second.context.close()
