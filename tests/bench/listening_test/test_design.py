"""The frozen design: what it says, that it stays, and what of it a listener sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DataError, UsageError
from bench.listening_test.create import create_listening_test
from bench.listening_test.design import read_design
from bench.listening_test.folder import DESIGN, SOUNDS
from bench.listening_test.language import languages, read_texts
from bench.listening_test.listener_session import common_content, session_content, sounds_of_session
from bench.listening_test.settings import ListeningTest, load_listening_test

MakeTest = Callable[..., Path]


@pytest.mark.parametrize("kind", ["ratings", "preference", "stimuli"])
def test_a_design_is_read_as_it_was_drawn(kind: str, make_test: MakeTest) -> None:
    folder = make_test(kind=kind)
    design = read_design(folder)
    assert design.test.kind == kind and design.models == ("alpha1", "beta2", "gamma3") and len(design.items) == 6
    assert {path.stem for path in (folder / SOUNDS).iterdir()} == {design.sound(key) for key in design.files}
    for key, file in design.files.items():
        assert (folder / SOUNDS / f"{design.sound(key)}.mp3").stat().st_size == file.size
    assert design.analysis["tests"] == 3 * len(design.test.scales)


def test_one_seed_draws_one_plan_under_other_names(run_folder: Path, tmp_path: Path) -> None:
    test = ListeningTest(listeners=3, minutes=30)
    first, second = (create_listening_test(run_folder, test, tmp_path / name) for name in "ab")
    assert first.sessions == second.sessions and first.files == second.files
    assert not {first.sound(key) for key in first.files} & {second.sound(key) for key in second.files}


@pytest.mark.parametrize("change", ["secret", "tones", "analysis", "sessions"])
def test_a_changed_design_is_refused(change: str, make_test: MakeTest) -> None:
    folder = make_test(fresh=True)
    whole = json.loads((folder / DESIGN).read_text())
    whole["design"][change] = whole["design"][change][:-1] if change != "analysis" else {}
    (folder / DESIGN).write_text(json.dumps(whole))
    with pytest.raises(DataError, match="changed"):
        read_design(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "tunebench listening test"}', '{"kind": "other"}'])
def test_what_is_no_design_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / DESIGN).write_text(text)
    with pytest.raises(DataError):
        read_design(tmp_path)
    with pytest.raises(UsageError):
        read_design(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"about": [{"name": "Age", "question": "?"}, {"name": "age", "question": "!"}]}, "about"),
        ({"checks": {"headphones": False}, "screening": {"headphones": 5}}, "headphones"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        ListeningTest.model_validate(settings)


@pytest.mark.parametrize("kind", ["ratings", "preference", "stimuli"])
def test_listeners_are_told_nothing_of_models(kind: str, make_test: MakeTest) -> None:
    design = read_design(make_test(kind=kind))
    for listener in range(len(design.sessions)):
        told = json.dumps([common_content(design), session_content(design, listener)])
        for secret in (*design.models, "spoiled", "jazz-1", "role", design.secret, '"seed"'):
            assert secret not in told, secret
        names = {sound["name"] for page in session_content(design, listener)["pages"] for sound in page["sounds"]}
        assert names <= sounds_of_session(design, listener)


def test_genre_is_shown_where_it_is_asked_about(make_test: MakeTest) -> None:
    with_genre = session_content(read_design(make_test(scales=["Genre Fit"])), 0)["pages"]
    without = session_content(read_design(make_test()), 0)["pages"]
    assert any(page["genre"] for page in with_genre) and not any(page["genre"] for page in without)


def test_scales_speak_the_language_of_the_test_and_are_exported_in_english(make_test: MakeTest) -> None:
    design = read_design(make_test(language="de"))
    shown = common_content(design)
    assert shown["texts"]["next"] == "Weiter" and shown["scales"][0]["name"] == "Harmonie"
    assert design.test.scales[0].name == "Harmony"


def test_every_language_has_every_text() -> None:
    assert {"de", "en"} <= set(languages())
    english = read_texts("en")
    for language in languages():
        assert set(english) <= set(read_texts(language))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda texts: texts.pop("next"), "next"),
        (lambda texts: texts.update(left="soon"), "minutes"),
        (lambda texts: texts.update(nxt="Next"), "nxt"),
        (lambda texts: texts.update(next=3), "mapping"),
    ],
)
def test_a_translation_with_a_gap_is_refused(change: Callable[[Any], Any], problem: str, tmp_path: Path) -> None:
    texts: dict[str, Any] = dict(read_texts("en"))
    change(texts)
    path = tmp_path / "xx.yaml"
    path.write_text(json.dumps(texts))
    with pytest.raises(DataError, match=problem):
        read_texts(str(path))


def test_settings_name_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "test.yaml"
    for text, problem in [
        ("scales: [Harmoni]", "Harmony"),
        ("scales: []", "scales: "),
        ("scales: [Harmony, harmony]", "scales: .*Harmony"),
        ("kind: votes", "kind"),
        ("listener: 3", "listeners"),
        ("scales: [{name: 'a,b', question: x}]", "scales"),
        ("completion: {address: 'javascript:alert(1)'}", "completion"),
    ]:
        path.write_text(text)
        with pytest.raises(UsageError, match=problem):
            load_listening_test(path)
    path.write_text("kind: preference")
    assert [scale.name for scale in load_listening_test(path).scales] == ["Overall quality"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"models": ["alpha1", "bta2"]}, "beta2"),
        ({"models": ["alpha1"]}, "two models"),
        ({"prompts": ["jazz-9"]}, "jazz"),
        ({"seeds": [5]}, "seed"),
        ({"minutes": 0.2}, "minutes"),
        ({"language": "klingon"}, "language"),
    ],
)
def test_what_the_run_lacks_is_refused_and_nothing_is_written(
    settings: dict[str, Any], problem: str, run_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=problem):
        create_listening_test(run_folder, ListeningTest.model_validate(settings), tmp_path / "test")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="--out"):
        create_listening_test(run_folder, ListeningTest(minutes=30), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_every_text_is_on_some_page() -> None:
    room = Path(str(files("bench.listening_test")))
    sources = "".join(path.read_text(encoding="utf-8") for path in [*room.glob("*.py"), *room.glob("static/*.js")])
    assert [name for name in read_texts("en") if f'"{name}"' not in sources] == []


def test_an_organizers_own_question_is_asked_in_any_language(make_test: MakeTest) -> None:
    own = {"name": "Harmony", "question": "Klingt es gut?"}
    first, second = common_content(read_design(make_test(language="de", scales=[own, "Rhythm"])))["scales"]
    assert first["question"] == "Klingt es gut?" and first["meaning"] == ""
    assert second["question"] == read_texts("de")["scale Rhythm question"]
