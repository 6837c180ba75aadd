"""Make a listening test of a run: draw the design, prepare the sounds, and store both in a new folder."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from bench.atomic_write import check_new_folder, new_folder
from bench.contracts.audio import Audio
from bench.listening_test.check_sounds import beeps, headphone_order, headphone_tones
from bench.listening_test.design import (
    HeardItem,
    ListeningDesign,
    SoundFile,
    beeps_key,
    sound_key,
    tones_key,
    write_design,
)
from bench.listening_test.folder import SOUNDS, SPOILED
from bench.listening_test.items import Item, Material, find_material
from bench.listening_test.language import read_texts
from bench.listening_test.sessions import ListenerWorkload, plan_sessions, plan_workload
from bench.listening_test.settings import ListeningTest
from bench.listening_test.sounds import as_mp3, prepared, spoiled
from bench.paths import StrPath
from bench.progress import ProgressOption, shown
from bench.storage.clip_file import made_audio
from bench.storage.store import Store


def plan_listening_test(run: StrPath, test: ListeningTest) -> tuple[Material, ListenerWorkload]:
    """Return the material of a listening test of a run, and the workload of one listener.

    Args:
        run: a run folder.
        test: the settings.

    Raises:
        UsageError, DataError: as `create_listening_test`, if the run and the settings do not match.
    """
    with Store.read(Path(run)) as store:
        material = find_material(store, test)
    return material, _workload(material, test)


def create_listening_test(
    run: StrPath, test: ListeningTest, folder: StrPath, progress: ProgressOption = None
) -> ListeningDesign:
    """Draw the sessions, prepare the sounds, and write both into a new folder.

    Args:
        run: a run folder.
        test: the settings.
        folder: a new or an empty one. ``design.json`` in it maps sounds to models: listeners must not see it.
        progress: receives the progress.

    Returns:
        The design.

    Raises:
        UsageError: no such model, prompt or seed, the listeners' time is too short, or the folder is not empty.
        DataError: no prompt has a clip of every model, or a clip's file is missing or damaged.
    """
    run, folder = Path(run), Path(folder)
    check_new_folder(folder)
    with Store.read(run) as store:
        material = find_material(store, test)
        about = {"title": run.resolve().name, "suite": str(store.about()["suite"])}
    workload = _workload(material, test)
    sessions = plan_sessions(test, material.models, len(material.items), workload.items)
    design = ListeningDesign(
        test=test,
        models=material.models,
        items=tuple(HeardItem(item.prompt, item.text, item.genre, item.seed) for item in material.items),
        sessions=tuple(sessions),
        tones=tuple(headphone_order(test.seed)) if test.checks.headphones else (),
        files={},
        workload=workload,
        texts=read_texts(test.language),
        run=about,
        secret=secrets.token_hex(32),
        tunebench=version("tunebench"),
    )
    with new_folder(folder) as whole:
        (whole / SOUNDS).mkdir()
        design = _with_sounds(design, run, material.items, whole, progress)
        write_design(design, whole)
    return design


def _workload(material: Material, test: ListeningTest) -> ListenerWorkload:
    longest = max(clip.duration for item in material.items for clip in item.clips.values())
    return plan_workload(test, len(material.models), len(material.items), min(test.seconds, longest))


def _with_sounds(
    design: ListeningDesign, run: Path, items: tuple[Item, ...], folder: Path, progress: ProgressOption
) -> ListeningDesign:
    """Write every sound that a page plays, and return the design with their files."""
    written = {}
    with shown(progress) as told:
        told.begin("preparing sounds", len(items), 0)
        for number, item in enumerate(items):
            for key, sound in _sounds_of(design, run, number, item):
                written[key] = _write(design, folder, key, sound)
            told.advance(1)
        for key, sound in _check_sounds(design):
            written[key] = _write(design, folder, key, sound)
    return replace(design, files=written)


def _sounds_of(design: ListeningDesign, run: Path, number: int, item: Item) -> Iterator[tuple[str, Audio]]:
    """Yield the sounds of an item that some page plays."""
    pages = [trial for session in design.sessions for trial in session if trial.item == number]
    if not pages:
        return
    clips = {model: made_audio(run / clip.path, clip.content) for model, clip in item.clips.items()}
    copies = sorted({trial.spoils for trial in pages if trial.spoils})
    named: Mapping[str, Audio] = {sound_key(number, model): clip for model, clip in clips.items()} | {
        sound_key(number, SPOILED, model): spoiled(clips[model], design.test.seed + number) for model in copies
    }
    yield from prepared(named, design.test.seconds, design.test.matched).items()


def _check_sounds(design: ListeningDesign) -> Iterator[tuple[str, Audio]]:
    pages = (trial for session in design.sessions for trial in session if trial.role == "beeps")
    for count in sorted({page.beeps for page in pages}):
        yield beeps_key(count), beeps(count)
    for place in sorted(set(design.tones)):
        yield tones_key(place), headphone_tones(place)


def _write(design: ListeningDesign, folder: Path, key: str, sound: Audio) -> SoundFile:
    content = as_mp3(sound)
    (folder / SOUNDS / f"{design.sound(key)}.mp3").write_bytes(content)
    return SoundFile(hashlib.sha256(content).hexdigest(), round(sound.duration, 3), len(content))
