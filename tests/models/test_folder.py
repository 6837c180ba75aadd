from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest
import soundfile

from bench.contracts.audio import Audio, read_audio
from bench.contracts.model import GenerationRequest
from bench.contracts.notes import Notes
from bench.contracts.prompt import Prompt
from bench.errors import DataError, GenerationError, UsageError
from models.folder import FolderModel

RATE = 16_000


def request(
    id: str = "jazz-3", seed: int = 0, duration: float = 10.0, text: str = "Cool, quiet jazz"
) -> GenerationRequest:
    return GenerationRequest(Prompt(id, text, "jazz"), seed, duration)


def write(
    path: Path, seconds: float = 0.5, rate: int = RATE, channels: int = 1, level: float = 0.5, **how: Any
) -> Path:
    path.parent.mkdir(exist_ok=True)
    time = np.arange(round(seconds * rate))[:, np.newaxis] / rate
    tone = level * np.sin(2 * np.pi * 440 * time) * np.ones(channels)
    soundfile.write(path, tone.astype(np.float32), rate, **how)
    return path


def write_midi(path: Path, notes: int = 4) -> Path:
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    piano = pretty_midi.Instrument(0)
    piano.notes += [pretty_midi.Note(90, 60 + i, i * 0.5, i * 0.5 + 0.5) for i in range(notes)]
    midi.instruments.append(piano)
    midi.write(str(path))
    return path


def one(model: FolderModel, wanted: GenerationRequest | None = None) -> Audio:
    (result,) = model.generate([wanted or request()])
    assert isinstance(result, Audio), result
    return result


def notes_of(audio: Audio) -> Notes:
    assert audio.notes is not None
    return audio.notes


def failure(model: FolderModel, wanted: GenerationRequest | None = None) -> str:
    (result,) = model.generate([wanted or request()])
    assert isinstance(result, GenerationError)
    assert "\n" not in str(result)
    return str(result)


# Names


@pytest.mark.parametrize(
    "name", ["jazz-3.wav", "jazz-3_0.wav", "jazz-3-seed0.wav", "jazz-3_seed0.WAV", "jazz-3_00.Flac"]
)
def test_seed_zero_by_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    audio = one(FolderModel(tmp_path))
    assert (audio.rate, audio.frames, audio.notes) == (RATE, RATE // 2, None)


def _sound(result: Audio | GenerationError) -> Audio:
    assert isinstance(result, Audio)
    return result


@pytest.mark.parametrize("composed", [True, False])
def test_accents_spelled_otherwise_are_the_same_name(tmp_path: Path, composed: bool) -> None:
    nfc, nfd = "Caf\u00e9", "Cafe\u0301"
    told, there = (nfc, nfd) if composed else (nfd, nfc)
    write(tmp_path / there / f"{there}.wav", 0.25)
    manifest = {"prompt": told, "file": f"{told}/{told}.wav"}
    (tmp_path / "list.jsonl").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    wanted = request("jazz-3", text=there)
    assert one(FolderModel(tmp_path, "list.jsonl"), wanted).duration == 0.25
    model = FolderModel(tmp_path / there)
    assert one(model, request("jazz-3", text=told)).duration == 0.25
    assert model.unused([request("jazz-3", text=told).prompt]) == []
    assert model.available([request("jazz-3", text=told).prompt]) == {"jazz-3": [0]}


def test_seeds_by_name(tmp_path: Path) -> None:
    for seed, seconds in ((0, 0.1), (1, 0.2), (12, 0.3)):
        write(tmp_path / f"jazz-3_{seed}.wav", seconds)
    write(tmp_path / "jazz-3-seed7.wav", 0.4)
    results = FolderModel(tmp_path).generate([request(seed=seed) for seed in (12, 7, 0, 1)])
    assert [round(_sound(audio).duration, 6) for audio in results] == [0.3, 0.4, 0.1, 0.2]


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "aiff", "aif", "opus"])
def test_audio_formats(tmp_path: Path, ending: str) -> None:
    how: dict[str, Any] = {"opus": {"format": "OGG", "subtype": "OPUS"}, "aif": {"format": "AIFF"}}.get(ending, {})
    write(tmp_path / f"jazz-3.{ending}", **how)
    audio = one(FolderModel(tmp_path))
    assert abs(np.sqrt(np.mean(audio.mono() ** 2)) - 0.5 / np.sqrt(2)) < 0.03


@pytest.mark.parametrize(
    "names", [("jazz-3.wav", "jazz-3.flac"), ("jazz-3.wav", "jazz-3_0.wav"), ("jazz-3_0.wav", "jazz-3-seed00.wav")]
)
def test_two_files_for_one_clip_are_an_error(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write(tmp_path / name)
    model = FolderModel(tmp_path)
    for ask in (model.generate, lambda requests: model.request_fingerprint(requests[0])):
        with pytest.raises(DataError) as caught:
            ask([request()])
        assert all(str(tmp_path / name) in str(caught.value) for name in names)
    assert "pop-1" in failure(model, request("pop-1"))


def test_a_missing_file_fails_its_own_clip(tmp_path: Path) -> None:
    write(tmp_path / "jazz-3.wav")
    found, missing = FolderModel(tmp_path).generate([request(), request("pop-1", seed=2)])
    assert isinstance(found, Audio)
    assert str(missing).startswith(
        f"no file for prompt 'pop-1', seed 2 in {tmp_path}: expected pop-1_2.wav or pop-1-seed2.wav, or another ending"
    )
    assert str(missing).endswith("; its files (1): jazz-3.wav")


def test_the_message_shows_what_is_there_instead(tmp_path: Path) -> None:
    assert failure(FolderModel(tmp_path)).endswith("; it is empty")
    for name in "abcdef":
        write(tmp_path / f"{name}.wav")
    write(tmp_path / "x jazz-3.wav")
    (tmp_path / "jazz-3.xyz").touch()
    said = failure(FolderModel(tmp_path))
    assert " jazz-3.wav or jazz-3_0.wav or jazz-3-seed0.wav" in said
    assert said.endswith("; its files (8): jazz-3.xyz, x jazz-3.wav, a.wav, b.wav, …")


def test_a_folder_named_like_a_clip_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "jazz-3.wav").mkdir()
    assert "prompt 'jazz-3'" in failure(FolderModel(tmp_path))


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=re.escape(f"'{tmp_path / 'gone'}'")):
        FolderModel(tmp_path / "gone")
    with pytest.raises(UsageError, match=re.escape(f"'{tmp_path / 'file'}'")):
        FolderModel(str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"'m\.csv'"):
        FolderModel(tmp_path, "m.csv")


# What is heard


def test_longer_clips_are_cropped_and_shorter_ones_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "jazz-3.wav", seconds=2)
    model = FolderModel(tmp_path)
    assert np.array_equal(one(model, request(duration=0.75)).samples, read_audio(path).samples[:, : RATE * 3 // 4])
    assert one(model, request(duration=5)).duration == 2


@pytest.mark.parametrize(
    "how",
    [
        {"channels": 8},
        {"rate": 8_000},
        {"rate": 192_000},
        {"level": 0.0},
        {"seconds": 1 / RATE},
        {"subtype": "FLOAT", "level": 3},
    ],
)
def test_unusual_audio_is_played_as_it_is(tmp_path: Path, how: Any) -> None:
    path = write(tmp_path / "jazz-3.wav", **how)
    audio = one(FolderModel(tmp_path))
    assert np.array_equal(audio.samples, read_audio(path).samples)
    assert (audio.channels, audio.rate) == (how.get("channels", 1), how.get("rate", RATE))
    assert audio.frames == round(how.get("seconds", 0.5) * audio.rate)


def truncated_flac(path: Path) -> None:
    content = write(path.with_suffix(".flac"), seconds=3).read_bytes()
    path.with_suffix(".flac").unlink()
    path.write_bytes(content[: len(content) // 2])


def nan(path: Path) -> None:
    soundfile.write(path, np.full((100, 1), np.nan, np.float32), RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_text("not audio at all"), "decoded as audio"),
        (lambda path: write(path, seconds=0), "no audio frames"),
        (lambda path: write(path, channels=9), "channels"),
        (nan, "not finite"),
        (truncated_flac, "jazz-3.wav: "),
        (lambda path: path.write_bytes(b"RIFF\x24\0\0\0WAVEfmt "), "decoded as audio"),
    ],
)
def test_damaged_audio_fails_its_own_clip(tmp_path: Path, spoil: Callable[[Path], object], reason: str) -> None:
    spoil(tmp_path / "jazz-3.wav")
    write(tmp_path / "pop-1.wav")
    bad, good = FolderModel(tmp_path).generate([request(), request("pop-1")])
    assert isinstance(bad, GenerationError)
    assert str(tmp_path / "jazz-3.wav") in str(bad)
    assert reason in str(bad)
    assert isinstance(good, Audio)


# Scores


def test_midi_is_scored_on_its_notes_and_heard(tmp_path: Path) -> None:
    write_midi(tmp_path / "jazz-3.mid")
    audio = one(FolderModel(tmp_path))
    assert notes_of(audio).origin == "symbolic"
    assert notes_of(audio).quarter == pytest.approx(0.5)
    assert list(notes_of(audio).pitches) == [60, 61, 62, 63]
    assert list(notes_of(audio).onsets) == pytest.approx([0, 0.5, 1, 1.5], abs=0.005)
    assert 2 <= audio.duration < 10
    assert 0.01 < audio.peak <= 1


def test_symbolic_clips_are_cropped(tmp_path: Path) -> None:
    write_midi(tmp_path / "jazz-3.MID", notes=40)
    audio = one(FolderModel(tmp_path), request(duration=1.2))
    assert audio.duration == pytest.approx(1.2, abs=1e-4)
    assert list(notes_of(audio).pitches) == [60, 61, 62]
    assert max(n.onset + n.duration for n in notes_of(audio).events) <= 1.2 + 1e-9


@pytest.mark.parametrize("ending", ["musicxml", "xml", "mxl"])
def test_musicxml_is_scored_on_its_notes(tmp_path: Path, ending: str) -> None:
    import music21

    part = music21.stream.Part([music21.note.Note(pitch) for pitch in (67, 66, 64, 62)])
    part.write("mxl" if ending == "mxl" else "musicxml", tmp_path / f"jazz-3.{ending}")
    audio = one(FolderModel(tmp_path))
    assert (notes_of(audio).origin, notes_of(audio).quarter) == ("symbolic", 0.5)
    assert list(notes_of(audio).pitches) == [67, 66, 64, 62]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("jazz-3.mid", b"", "is empty"),
        ("jazz-3.mid", b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "holds no notes"),
        ("jazz-3.midi", b"RIFF", "MIDI"),
        ("jazz-3.mxl", b"PK\3\4", "MusicXML"),
        ("jazz-3.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><score-partwise>&b;</score-partwise>', "entity 'b'"),
    ],
)
def test_damaged_scores_fail_their_own_clip(tmp_path: Path, name: str, content: Any, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    write(tmp_path / "pop-1.wav")
    bad, good = FolderModel(tmp_path).generate([request(), request("pop-1")])
    assert isinstance(bad, GenerationError)
    assert str(tmp_path / name) in str(bad)
    assert reason in str(bad)
    assert isinstance(good, Audio)


# Manifests


def manifest(folder: Path, *rows: str, name: str = "clips.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_csv_manifest_by_id_and_by_text(tmp_path: Path) -> None:
    write(tmp_path / "one.wav", 0.1)
    write(tmp_path / "sub" / "Zwölf.wav", 0.2)
    manifest(
        tmp_path,
        "file,seed,prompt,remark",
        "one.wav,,jazz-3,the first",
        'sub/Zwölf.wav, 4 ,"Cool, quiet jazz",',
    )
    for name in ("clips.csv", tmp_path / "clips.csv"):
        results = FolderModel(tmp_path, name).generate([request(), request(seed=4)])
        assert [round(_sound(audio).duration, 6) for audio in results] == [0.1, 0.2]


def test_a_manifest_written_by_a_spreadsheet(tmp_path: Path) -> None:
    write(tmp_path / "one.wav")
    (tmp_path / "clips.csv").write_bytes(b"\xef\xbb\xbfprompt,file\r\njazz-3,one.wav\r\n\r\n")
    one(FolderModel(tmp_path, "clips.csv"))


def test_a_manifest_is_found_in_the_working_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "audio" / "one.wav")
    manifest(tmp_path, "prompt,file", "jazz-3,audio/one.wav")
    monkeypatch.chdir(tmp_path)
    one(FolderModel("audio", "clips.csv"))


def test_a_jsonl_manifest(tmp_path: Path) -> None:
    write(tmp_path / "one.wav", 0.1)
    write_midi(tmp_path / "two.mid")
    rows = [{"prompt": "jazz-3", "file": "one.wav"}, {"prompt": "jazz-3", "file": "two.mid", "seed": 1, "by": "me"}]
    manifest(tmp_path, json.dumps(rows[0]), "", json.dumps(rows[1]), name="clips.jsonl")
    sound, score = FolderModel(tmp_path, "clips.jsonl").generate([request(), request(seed=1)])
    notes = _sound(score).notes
    assert notes is not None and (round(_sound(sound).duration, 6), len(notes.events)) == (0.1, 4)


def test_names_do_not_count_beside_a_manifest(tmp_path: Path) -> None:
    write(tmp_path / "jazz-3.wav")
    write(tmp_path / "one.wav")
    manifest(tmp_path, "prompt,file", "pop-1,one.wav")
    said = failure(FolderModel(tmp_path, "clips.csv"))
    assert "prompt 'jazz-3', seed 0" in said and str(tmp_path / "clips.csv") in said
    assert said.endswith("its lines (1): 'pop-1', seed 0")


def test_a_manifest_naming_a_missing_file_fails_that_clip(tmp_path: Path) -> None:
    write(tmp_path / "one.wav")
    (tmp_path / "three.wav").mkdir()
    manifest(tmp_path, "prompt,file", "jazz-3,one.wav", "pop-1,two.wav", "pop-2,three.wav")
    good, *bad = FolderModel(tmp_path, "clips.csv").generate([request(), request("pop-1"), request("pop-2")])
    assert isinstance(good, Audio)
    for error, file in zip(bad, ("two.wav", "three.wav"), strict=True):
        assert isinstance(error, GenerationError) and str(tmp_path / file) in str(error)
    assert "'pop-1'" in str(bad[0])


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("clips.csv", ["promt,file", "a,b"], "line 1: no column 'prompt'; the columns are promt, file"),
        ("clips.csv", ["prompt;file", "a;b"], "line 1: no column 'prompt'; the columns are prompt;file"),
        ("clips.csv", [""], "line 1: no column 'prompt'; the columns are none"),
        ("clips.csv", ["prompt,file"], "names no files"),
        ("clips.csv", ["prompt,file", "a,b.wav", "c,"], "line 3: file is missing"),
        ("clips.csv", ["prompt,file", "a"], "line 2: file is missing"),
        ("clips.csv", ["prompt,file", "Cool, quiet jazz,b.wav"], "line 2: more fields"),
        ("clips.csv", ["prompt,file,seed", "a,b.wav,one"], "line 2: seed is 'one'"),
        ("clips.csv", ["prompt,file,seed", "a,b.wav,-1"], "line 2: seed is '-1'"),
        ("clips.csv", ["prompt,file,seed", "a,b.wav,1.0"], "line 2: seed is '1.0'"),
        ("clips.csv", ["prompt,file", 'a,"b.wav'], "line 2: not valid CSV"),
        (
            "clips.csv",
            ["prompt,file", "a,b.wav", "x,y.wav", "a,c.wav"],
            "line 4: 'a', seed 0 is 'b.wav' on line 2 already",
        ),
        (
            "clips.csv",
            ["prompt,file,model", "a,b.wav,x", "a,c.wav,y", "a,d.wav,x"],
            "line 4: 'a', seed 0 of model 'x' is 'b.wav' on line 2 already",
        ),
        ("clips.csv", ["prompt,file,model", "a,b.wav,x", "a,c.wav,"], "line 3: model is missing"),
        ("clips.jsonl", ['{"prompt": "a", "file": "b.wav", "model": 4}'], "line 1: model is '4'"),
        ("clips.csv", ["prompt,file,seed", f"a,b.wav,{2**63}"], "line 2: seed is '9223372036854775808'"),
        ("clips.csv", ["prompt,file", "a,/etc/passwd"], "line 2: file is '/etc/passwd'"),
        ("clips.csv", ["prompt,file", "a,../b.wav"], "line 2: file is '../b.wav'"),
        ("clips.csv", ["prompt,file", "a,sub/../../b.wav"], "line 2: file is 'sub/../../b.wav'"),
        ("clips.csv", ["prompt,file", "a,C:\\b.wav"], "line 2: file is 'C:\\b.wav'"),
        ("clips.csv", ["prompt,file", "a,..\\b.wav"], "line 2: file is '..\\b.wav'"),
        ("clips.jsonl", ['{"prompt": "a", "file": "b.wav"}', "{"], "line 2: not valid JSON"),
        ("clips.jsonl", ["[1]"], "line 1: not an object like"),
        ("clips.jsonl", ["[" * 100_000], "line 1: not valid JSON"),
        ("clips.jsonl", ['{"file": "b.wav"}'], "line 1: prompt is missing"),
        ("clips.jsonl", ['{"prompt": 3, "file": "b.wav"}'], "line 1: prompt is '3'"),
        ("clips.jsonl", ['{"prompt": "a", "file": "b\\u0000.wav"}'], "line 1: file is"),
        ("clips.jsonl", ['{"prompt": "a", "file": "b.wav", "seed": true}'], "line 1: seed is 'True'"),
        ("clips.jsonl", ['{"prompt": "a", "file": "b.wav", "seed": 1.5}'], "line 1: seed is '1.5'"),
    ],
)
def test_mistakes_in_a_manifest(tmp_path: Path, name: str, rows: Any, message: str) -> None:
    path = manifest(tmp_path, *rows, name=name)
    with pytest.raises(DataError) as caught:
        FolderModel(tmp_path, name).generate([request()])
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_manifests(tmp_path: Path) -> None:
    manifest(tmp_path, "{}", name="clips.json")
    with pytest.raises(UsageError, match=r"clips\.json: .*\.csv .*\.jsonl"):
        FolderModel(tmp_path, "clips.json").generate([request()])
    (tmp_path / "clips.csv").write_bytes(b"prompt,file\n\xff\xfe,b\n")
    with pytest.raises(DataError, match=r"clips\.csv.*UTF-8"):
        FolderModel(tmp_path, "clips.csv").generate([request()])


def test_an_id_and_a_text_of_one_prompt_are_two_files(tmp_path: Path) -> None:
    manifest(tmp_path, "prompt,file", "jazz-3,a.wav", '"Cool, quiet jazz",b.wav')
    with pytest.raises(DataError, match=r"'jazz-3', seed 0: '.*a\.wav' .*'.*b\.wav'"):
        FolderModel(tmp_path, "clips.csv").generate([request()])


# What there is


PROMPTS = [Prompt("jazz", "Cool, quiet jazz", "jazz"), Prompt("jazz_1", "Loud", "jazz"), Prompt("pop-2", "Pop", "pop")]


def test_the_seeds_of_each_prompt_are_those_of_its_files(tmp_path: Path) -> None:
    for name in ("jazz_7", "jazz-seed0", "pop-2_3", "pop-2_2147483648", "zzz"):
        write(tmp_path / f"{name}.wav", 0.1)
    model = FolderModel(tmp_path)
    assert model.available(PROMPTS) == {"jazz": [0, 7], "pop-2": [3, 2147483648]}
    assert model.unused(PROMPTS) == ["zzz.wav"]
    assert model.available(PROMPTS[:1]) == {"jazz": [0, 7]}


def test_a_name_that_is_an_id_belongs_to_that_prompt_alone(tmp_path: Path) -> None:
    """``jazz_1.wav`` is the prompt ``jazz_1``, not the seed 1 of ``jazz`` besides."""
    for name in ("jazz", "jazz_1", "jazz_1_1"):
        write(tmp_path / f"{name}.wav", 0.1)
    model = FolderModel(tmp_path)
    assert model.available(PROMPTS) == {"jazz": [0], "jazz_1": [0, 1]}
    assert model.available([PROMPTS[0], PROMPTS[2]]) == {"jazz": [0, 1]}


def test_seeds_that_no_run_can_store_are_no_seeds(tmp_path: Path) -> None:
    write(tmp_path / f"pop-2_{2**63}.wav", 0.1)
    assert FolderModel(tmp_path).available(PROMPTS) == {}
    manifest(tmp_path, "prompt,file,seed", f"pop-2,a.wav,{2**63 - 1}")
    assert FolderModel(tmp_path, "clips.csv").available(PROMPTS) == {"pop-2": [2**63 - 1]}


@pytest.mark.parametrize("name", ["clips.csv", "clips.jsonl"])
def test_a_manifest_says_what_there_is_by_id_or_text(tmp_path: Path, name: str) -> None:
    rows = [("jazz", "a.wav", 5), ("Cool, quiet jazz", "b.wav", 3), ("Loud", "a.wav", 9), ("nothing", "c.wav", 0)]
    if name.endswith("csv"):
        manifest(tmp_path, "prompt,file,seed", *(f'"{prompt}",{file},{seed}' for prompt, file, seed in rows), name=name)
    else:
        lines = (json.dumps({"prompt": prompt, "file": file, "seed": seed}) for prompt, file, seed in rows)
        manifest(tmp_path, *lines, name=name)
    model = FolderModel(tmp_path, name)
    assert model.available(PROMPTS) == {"jazz": [3, 5], "jazz_1": [9]}
    assert model.unused(PROMPTS) == ["c.wav"]


def test_a_manifest_of_several_models_is_asked_for_one(tmp_path: Path) -> None:
    for place, name in enumerate("ab", 1):
        write(tmp_path / f"{name}.wav", place / 10)
    manifest(tmp_path, "model,prompt,file,seed", "base,jazz-3,a.wav,0", "GPT 4,jazz-3,b.wav,0", "GPT 4,jazz-3,a.wav,1")
    base, other = (FolderModel(tmp_path, "clips.csv", model) for model in ("base", "GPT 4"))
    assert [round(one(model).duration, 6) for model in (base, other)] == [0.1, 0.2]
    prompts = [request().prompt]
    assert (base.available(prompts), other.available(prompts)) == ({"jazz-3": [0]}, {"jazz-3": [0, 1]})
    assert "prompt 'jazz-3', seed 1 of model 'base'" in failure(base, request(seed=1))
    with pytest.raises(UsageError, match=r"\b2 models \(base, GPT 4\)"):
        FolderModel(tmp_path, "clips.csv").available(prompts)
    with pytest.raises(UsageError, match=r"'bse'.*'base'"):
        FolderModel(tmp_path, "clips.csv", "bse").available(prompts)
    with pytest.raises(UsageError, match=r"'base'.*manifest"):
        FolderModel(tmp_path, model="base")
    manifest(tmp_path, "prompt,file", "jazz-3,a.wav", name="plain.csv")
    with pytest.raises(UsageError, match=r"'base'.*column 'model'"):
        FolderModel(tmp_path, "plain.csv", "base").available(prompts)


def test_a_manifest_that_names_one_model_needs_no_more(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    manifest(tmp_path, "model,prompt,file", "base,jazz-3,a.wav")
    one(FolderModel(tmp_path, "clips.csv"))
    manifest(tmp_path, "model,prompt,file", " ,jazz-3,a.wav")
    one(FolderModel(tmp_path, "clips.csv"))


# Links


@pytest.mark.parametrize("how", ["name", "manifest"])
def test_links_do_not_lead_out_of_the_folder(tmp_path: Path, how: Any) -> None:
    outside = write(tmp_path / "secret.wav")
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "jazz-3.wav").symlink_to(outside)
    manifest(folder, "prompt,file", "jazz-3,jazz-3.wav")
    model = FolderModel(folder, "clips.csv" if how == "manifest" else None)
    said = failure(model)
    assert "jazz-3.wav: " in said and f"'{folder}'" in said
    assert model.request_fingerprint(request()) == {"missing": True}


def test_links_inside_the_folder_and_to_the_folder_work(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "sub.wav")
    (tmp_path / "clips" / "jazz-3.wav").symlink_to("sub.wav")
    (tmp_path / "alias").symlink_to("clips")
    one(FolderModel(tmp_path / "alias"))


def test_links_to_nothing_and_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("a.wav")
    (tmp_path / "b.wav").symlink_to("gone.wav")
    manifest(tmp_path, "prompt,file", "jazz-3,a.wav", "pop-1,b.wav", f"pop-2,{'x' * 300}.wav")
    model = FolderModel(tmp_path, "clips.csv")
    for id in ("jazz-3", "pop-1", "pop-2"):
        assert "there is no such file" in failure(model, request(id))
        assert model.request_fingerprint(request(id)) == {"missing": True}


# Identity


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "jazz-3.wav")
    model = FolderModel(tmp_path)
    first = model.request_fingerprint(request())
    assert first == {"sha256": sha256(path.read_bytes()).hexdigest()}
    write(path, seconds=0.4)
    assert model.request_fingerprint(request()) != first
    assert model.request_fingerprint(request("pop-1")) == {"missing": True}
    path.rename(tmp_path / "jazz-3_0.wav")
    again = FolderModel(tmp_path).request_fingerprint(request())
    assert again == {"sha256": sha256((tmp_path / "jazz-3_0.wav").read_bytes()).hexdigest()}


def test_where_the_files_lie_is_no_part_of_the_identity() -> None:
    assert FolderModel.provenance_params == {"path", "manifest", "model"}
    assert FolderModel.sample_rate is None
