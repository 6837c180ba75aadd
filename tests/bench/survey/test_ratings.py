"""Reading surveys: every layout gives the same ratings, and nothing is left out without being said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError, TunebenchError, UsageError
from bench.survey.answer_rules import AnswerRules
from bench.survey.pair_votes import votes_of
from bench.survey.rating_range import Range, guess_range
from bench.survey.ratings import Preferences, Ratings
from bench.survey.reading import read_ratings, read_survey
from bench.survey_question import SurveyQuestion

LISTENERS, PROMPTS, MODELS, SCALES = ("ann", "bo", "cy"), ("p1", "p2", "p10"), ("base", "tuned"), ("Harmony", "Rhythm")


def long_frame() -> pd.DataFrame:
    cells = list(product(LISTENERS, PROMPTS, MODELS, SCALES))
    values = np.random.default_rng(4).permutation(np.resize([1, 2, 3, 4, 5], len(cells)))
    frame = pd.DataFrame(cells, columns=["listener", "prompt", "model", "scale"])
    return frame.assign(value=values)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def to_file(text: str, name: str = "r.csv", encoding: str = "utf-8") -> Path:
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    return to_file


def reasons(survey: Ratings | Preferences) -> dict[str, tuple[int, ...]]:
    return {one.reason: one.rows for one in survey.exclusions}


# -- layouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["comma", "semicolon", "tab", "utf-16", "bom", "parquet", "wide", "renamed", "sep="])
def test_every_form_gives_the_same_ratings(form: str, tmp_path: Path) -> None:
    frame = long_frame()
    path = tmp_path / {"parquet": "r.parquet", "tab": "r.tsv"}.get(form, "r.csv")
    if form == "parquet":
        frame.assign(value=frame["value"].astype(float), model=frame["model"].astype("category")).to_parquet(path)
    elif form == "wide":
        wide = frame.pivot_table(index=["listener", "prompt", "model"], columns="scale", values="value")
        wide.reset_index().to_csv(path, index=False)
    elif form == "renamed":
        names = ["Participant ID", "track", "System", "Question", "Score"]
        frame.set_axis(names, axis=1).to_csv(path, index=False)
    elif form == "sep=":
        path.write_text("sep=;\n" + frame.to_csv(index=False, sep=";"))
    else:
        separator = {"semicolon": ";", "tab": "\t"}.get(form, ",")
        encoding = {"utf-16": "utf-16", "bom": "utf-8-sig"}.get(form, "utf-8")
        frame.to_csv(path, index=False, sep=separator, encoding=encoding)
    found = read_ratings(path)
    assert (found.listeners, found.prompts, found.models) == (LISTENERS, PROMPTS, MODELS)
    assert found.exclusions == ()
    for scale in SCALES:
        for model, listener, prompt in product(range(2), range(3), range(3)):
            names = [LISTENERS[listener], PROMPTS[prompt], MODELS[model], scale]
            row = frame[(frame[["listener", "prompt", "model", "scale"]] == names).all(axis=1)]
            assert found.cube(scale)[model, listener, prompt] == row["value"].item()


def test_what_was_guessed_is_said(write: Callable[..., Path]) -> None:
    found = read_ratings(write("worker_id,piece,condition,mos,age\nw1,a,x,4,30\nw1,a,y,2,30\n"))
    assert found.notes[0] == "Columns guessed: listener = worker_id, prompt = piece, model = condition."
    assert found.notes[1] == "A scale each: mos."
    assert found.notes[2] == "Columns not read: age (always the same)."
    assert found.notes[3].startswith("Rating scale of mos guessed: 1–5")


def test_columns_that_were_named_win(write: Callable[..., Path]) -> None:
    path = write("listener,rater,clip,model,value\nx,r1,c,a,1\nx,r2,c,a,2\nx,r1,c,b,3\nx,r2,c,b,4\n")
    found = read_ratings(path, {"listener": "rater", "prompt": "clip"})
    assert found.listeners == ("r1", "r2")
    with pytest.raises(UsageError) as caught:
        read_ratings(path, {"prompt": "clib"})
    assert all(word in str(caught.value) for word in ("--column prompt=clib: ", "'clib'", "'clip'"))
    with pytest.raises(UsageError, match=r"'listner'.*'listener'"):  # or a column would be passed over
        read_ratings(path, {"listner": "rater"})


@pytest.mark.parametrize(
    ("header", "asked", "named"),
    [
        ("x,prompt,model,value", False, ["--column listener=NAME,"]),
        ("a1,a2,a3,a4", False, [f"--column {role}=NAME" for role in ("listener", "prompt", "model", "value")]),
        ("rater,subject,prompt,model", True, ["'rater'", "'subject'", "--column listener=NAME"]),
        ("listener,prompt,model,rating,Harmony", True, ["'rating'", "Harmony"]),
        ("listener,prompt,model,model", False, ["'model'", "twice"]),
        ("listener,prompt,model,", False, ["column 4"]),
    ],
)
def test_columns_that_cannot_be_told_are_refused(
    header: str, asked: bool, named: list[str], write: Callable[..., Path]
) -> None:
    count = header.count(",") + 1
    with pytest.raises((DataError, SurveyQuestion)) as refused:
        read_ratings(write(f"{header}\n{','.join('1' * count)}\n"))
    assert isinstance(refused.value, SurveyQuestion) == asked
    assert all(word in str(refused.value) for word in named)


def test_refusal_shows_the_canonical_form(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError) as refused:
        read_ratings(write("a1,a2\n1,2\n"))
    assert "\nlistener,prompt,model,scale,value\n" in str(refused.value)


def test_several_seeds_are_averaged_in_their_cell(write: Callable[..., Path]) -> None:
    found = read_ratings(
        write("listener,prompt,model,seed,value\nl,p,a,0,1\nl,p,a,1,4\nl,p,b,0,5\nm,p,a,0,2\nm,p,b,0,2\n")
    )
    assert found.cube("rating").tolist() == [[[2.5], [2.0]], [[5.0], [2.0]]]
    assert found.exclusions == ()


def test_prompts_numbered_anew_in_each_genre_are_different_prompts(write: Callable[..., Path]) -> None:
    rows = [f"l,{n},{g},{m},{v}" for g in ("jazz", "rock") for n in (1, 2) for m, v in (("a", 1), ("b", 5))]
    found = read_ratings(write("listener,prompt,genre,model,value\n" + "\n".join(rows)))
    assert found.prompts == ("jazz/1", "jazz/2", "rock/1", "rock/2")
    assert found.genres["rock/2"] == "rock"
    assert any("2 prompts are in several genres" in note for note in found.notes)


def test_decimal_commas_quotes_and_line_breaks(write: Callable[..., Path]) -> None:
    text = 'listener;prompt;model;value\n"l;1";"a\nb";x;3,5\n\n"l;1";"a\nb";y;five\n"l;1";"a\nb";y;2\n'
    found = read_ratings(write(text), rules=AnswerRules(missing=("five",)))
    assert found.table["value"].tolist() == [3.5, 2.0]
    assert found.prompts == ("a b",)
    assert reasons(found) == {"declared missing with --missing": (5,)}


def test_acr_categories_are_numbers(write: Callable[..., Path]) -> None:
    found = read_ratings(write("listener,prompt,model,mos\nl,p,a,Excellent\nl,p,b,bad\nm,p,a,good\nm,p,b,fair\n"))
    assert found.table["value"].tolist() == [5, 1, 4, 3]
    assert any("P.800" in note for note in found.notes)


# -- screening -------------------------------------------------------------------------------------------------------


def test_everything_excluded_is_named_with_row_and_column(write: Callable[..., Path]) -> None:
    lines = long_frame().to_csv(index=False).splitlines()  # 36 ratings in lines 2 to 37
    repeated = lines[5]
    other = "6" if lines[6].endswith(",1") else "1"
    contradicting = lines[6].rpartition(",")[0] + "," + other
    lines += [
        "ann,p1,other,Harmony,3",
        "dee,p1,base,Harmony,",
        "dee,p1,tuned,Harmony,soso",
        "dee,p2,tuned,Harmony,55",
        ",p2,base,Harmony,4",
        "dee,p3,base,Harmony,4",
        repeated,
        contradicting,
        "eve,p1,base,Harmony,N/A",
        "eve,p1,base,Harmony,1_0",
    ]
    rules = AnswerRules(missing=("soso", "1_0", "55"), duplicates="last")
    found = read_ratings(write("\n".join(lines)), ranges=Range(1, 6), models=["base", "tuned"], rules=rules)
    assert reasons(found) == {
        "a model that was not requested": (38,),
        "no rating": (39, 46),
        "declared missing with --missing": (40, 41, 47),
        "no listener": (42,),
        "a repetition of the same answer": (44,),
        "answered several times, differently: the last counts": (7,),
    }
    by_reason = {one.reason: one for one in found.exclusions}
    assert by_reason["declared missing with --missing"].column == "value"
    assert by_reason["declared missing with --missing"].found == ("soso", "55", "1_0")
    assert by_reason["no listener"].column == "listener"
    assert len(found.table) + found.excluded == 36 + 10
    assert (found.rows, found.rows_lost) == (46, found.excluded)


def test_wide_exclusions_name_the_column_of_the_scale(write: Callable[..., Path]) -> None:
    path = write("listener,prompt,model,Harmony,Genre Fit\nl,p,a,3,\nl,p,b,4,good?\nm,p,a,2,1\nm,p,b,2,5\n")
    found = read_ratings(path, rules=AnswerRules(missing=("Good?",)))
    assert (found.rows, found.rows_lost) == (4, 0)
    assert {(one.reason, one.column, one.rows) for one in found.exclusions} == {
        ("no rating", "Genre Fit", (2,)),
        ("declared missing with --missing", "Genre Fit", (3,)),
    }
    assert found.scales == ("Harmony", "Genre Fit")


@settings(max_examples=30)
@given(st.data())
def test_every_answer_counts_or_is_excluded_with_its_row(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    cell = st.sampled_from(["", "1", "2", "5", "3.5", "99", "-1", "abc", "nan", "inf", "1e999", "excellent", "½"])
    row = st.tuples(
        st.sampled_from(["", "x", "y", "z"]), st.sampled_from(["", "p", "q"]), st.sampled_from(["a", "b"]), cell
    )
    rows = data.draw(st.lists(row, min_size=1, max_size=25))
    path = tmp_path_factory.mktemp("any") / "r.csv"
    path.write_text("listener,prompt,model,value\n" + "\n".join(",".join(cells) for cells in rows))
    there = {cells[3] for cells in rows}
    missing = data.draw(st.sets(st.sampled_from(sorted(there - {"", "nan"} or {"1"})))) & there
    rules = AnswerRules(missing=tuple(missing), duplicates=data.draw(st.sampled_from(["ask", "first", "last", "mean"])))
    try:
        found = read_ratings(path, ranges=Range(1, 5), rules=rules)
    except SurveyQuestion as question:  # naming every answer that is in doubt
        assert all(
            option in ("--missing", "--words", "--duplicates", "--rating-scale") for option, _ in question.answers
        )
        return
    except DataError as error:
        assert "no answer" in str(error)
        return
    excluded = [line for one in found.exclusions for line in one.rows]
    assert len(set(excluded)) == len(excluded)
    assert len(found.table) + len(excluded) == len(rows)
    assert found.table["value"].between(1, 5).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("listener,prompt,model,value\n", "no rows"),
        ("listener,prompt,model,value\na,b,c,1,9\n", "line 2 .*5 .*4"),
        ('listener,prompt,model,value\na,b,"c,1\n', "valid table"),
        ("listener,prompt,model,value\na,b,c,n/a\n", r"1 × no rating .*row 2: 'n/a'"),
        ("listener,prompt,model,value\na,b,c\x00,1\n", "zero bytes"),
    ],
)
def test_unusable_files_are_refused_in_a_sentence(text: str, message: str, write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=message):
        read_ratings(write(text))


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(bytes(range(128, 256)))
    (tmp_path / "r.parquet").write_bytes(b"PAR1 but no more")
    for name, message in (("r.csv", "not UTF-8"), ("r.parquet", "Parquet")):
        with pytest.raises(DataError, match=message):
            read_ratings(tmp_path / name)
    with pytest.raises(UsageError):
        read_ratings(tmp_path / "none.csv")


def test_unknown_models_and_scales_are_suggested(write: Callable[..., Path]) -> None:
    path = write(long_frame().to_csv(index=False))
    with pytest.raises(UsageError, match=r"'tuned2'.*'tuned'"):
        read_ratings(path, models=["base", "tuned2"])
    with pytest.raises(UsageError, match="'Melody'"):
        read_ratings(path, scales=["Melody"])
    with pytest.raises(UsageError, match=r"--rating-scale .*'Harmoni' .*'Harmony'"):
        read_ratings(path, ranges={"Harmoni": Range(1, 5)})
    assert read_ratings(path, models=["tuned", "base"]).models == ("tuned", "base")


# -- rating scales ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 1], (0, 1)),
        ([1, 2, 2], (1, 5)),
        ([1, 5, 3.5], (1, 5)),
        ([1, 7], (1, 7)),
        ([2, 9], (1, 10)),
        ([0, 9], (0, 10)),
        ([0, 55.5, 100], (0, 100)),
        ([-3, 3], (-3, 3)),
        ([-50, 250], (-50, 250)),
        ([1, 2, 3, 4, 5] * 20 + [55], (1, 5)),
    ],
)
def test_range_is_guessed(values: list[float], expected: tuple[float, float]) -> None:
    assert guess_range(np.array(values, dtype=float), "s") == expected


def test_a_few_ratings_beyond_the_rest_are_asked_about() -> None:
    with pytest.raises(SurveyQuestion) as asked:
        guess_range(np.array([1, 2, 3, 4, 5] * 20 + [6, 7, 7], dtype=float), "MOS")
    assert all(word in str(asked.value) for word in ("100 of 103", "MOS", "1–5", "6, 7"))
    assert asked.value.answers == (["--rating-scale", "1-7"], ["--missing", "6,7"])


@pytest.mark.parametrize(
    ("text", "ends"), [("1-5", (1, 5)), ("0 – 100", (0, 100)), ("-3..3", (-3, 3)), ("-3--1", (-3, -1))]
)
def test_range_is_read(text: str, ends: tuple[float, float]) -> None:
    assert Range.parse(text) == ends


@pytest.mark.parametrize("text", ["", "5", "5-1", "one-five", "1-5-9", "nan-5"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Range.parse(text)


# -- webMUSHRA and preferences ---------------------------------------------------------------------------------------


def test_webmushra(write: Callable[..., Path]) -> None:
    head = "session_test_id,email,age,session_uuid,trial_id,rating_stimulus,rating_score,rating_time,rating_comment\n"
    rows = [
        f"t,,30,{u},{trial},{stimulus},{score},1200,"
        for u, heard in (("u1", 95), ("u2", 40))
        for trial in ("t1", "t2")
        for stimulus, score in (("reference", heard), ("anchor35", 10), ("C1", 60), ("C2", 70))
    ]
    path = write(head + "\n".join(rows))
    found = read_ratings(path)
    assert (found.listeners, found.models, found.scales) == (("u1", "u2"), ("C1", "C2"), ("MUSHRA",))
    assert found.ranges["MUSHRA"] == (0, 100)
    assert found.excluded == 8
    assert found.exclusions[0].reason.startswith("hidden reference or anchor")
    assert any("below 90" in note and "u2 (100 %)" in note and "u1" not in note for note in found.notes)
    assert read_ratings(path, models=["reference", "C1"]).cube("MUSHRA")[0].tolist() == [[95, 95], [40, 40]]
    assert read_ratings(path, {"listener": "session_uuid", "value": "rating_score"}).listeners == ("u1", "u2")
    for role, name in (("value", "rating_time"), ("model", "trial_id"), ("choice", "rating_score")):
        with pytest.raises(UsageError, match=f"--column {role}={name}: .* webMUSHRA"):  # or it would be passed over
            read_ratings(path, {role: name})


def test_webmushra_paired_comparison(write: Callable[..., Path]) -> None:
    head = "session_test_id,email,trial_id,choice_reference,choice_non_reference,choice_answer,choice_time\n"
    answers = ("correct", "incorrect", "undecided", "unknown")
    rows = [f"t,{who}@x,t{n},base,lora,{answer},9" for who in "ab" for n, answer in enumerate(answers)]
    found = read_survey(write(head + "\n".join(rows)))
    assert isinstance(found, Preferences)
    assert votes_of(found, "preference")["base", "lora"].differences.tolist() == [[-1, 1, 0]] * 2
    turned = replace(found, models=("lora", "base"))
    assert votes_of(turned, "preference")["lora", "base"].differences.tolist() == [[1, -1, 0]] * 2
    assert reasons(found) == {"no answer": (5, 9)}
    assert set(found.table["side"]) == {""}  # the reference may have stood on either
    with pytest.raises(DataError, match="preferences"):
        read_ratings(write(head + "\n".join(rows)))


def test_webmushra_likert_and_nameless_listeners(write: Callable[..., Path]) -> None:
    head = "session_test_id,name,trial_id,stimuli_rating,stimuli,rating_time\n"
    found = read_ratings(write(head + 't,a,q," 4 ",C1,3\nt,b,q,2,C2,3\nt,b,q,2,C1,3\nt,a,q,1,C2,3\n'))
    assert found.cube("rating").tolist() == [[[4.0], [2.0]], [[1.0], [2.0]]]
    with pytest.raises(DataError, match="--column listener=NAME"):
        read_ratings(write("session_test_id,age,trial_id,rating_stimulus,rating_score\nt,3,q,C1,3\nt,3,q,C2,4\n"))


def test_preferences_by_name_side_or_tie(write: Callable[..., Path]) -> None:
    text = (
        "rater,item,model A,model B,winner\nl,p,x,y,x\nl,q,y,x,b\nl,r,x,y,Tie\nl,s,x,x,x\nl,t,x,y,perhaps\nl,p,y,x,x\n"
    )
    found = read_survey(write(text), rules=AnswerRules(missing=("perhaps",)))
    assert isinstance(found, Preferences)
    assert votes_of(found, "preference")["x", "y"].differences.tolist() == [[-1, -1, 0]]
    assert reasons(found) == {"a model against itself": (5,), "declared missing with --missing": (6,)}


@pytest.mark.parametrize("seed", range(3))
def test_order_of_rows_does_not_matter(seed: int, tmp_path: Path) -> None:
    frame = long_frame()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.sample(frac=1, random_state=seed).to_csv(tmp_path / "b.csv", index=False)
    a, b = (read_ratings(tmp_path / name) for name in ("a.csv", "b.csv"))
    assert a.models == b.models
    for scale in SCALES:
        np.testing.assert_array_equal(a.cube(scale), b.cube(scale))


def test_errors_are_ours_whatever_the_file_holds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        path = tmp_path / f"{number}.csv"
        start = b"listener,prompt,model,value\n" if number % 2 else b""
        path.write_bytes(start + bytes(rng.choice(list(b'ab1,;\t"\n\r-. '), 80).astype(np.uint8)))
        try:
            read_survey(path)
        except TunebenchError as error:
            assert str(path) in str(error)
