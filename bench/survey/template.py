"""Write questions about a run's clips for a survey tool, with labels that do not reveal models."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from bench.atomic_write import check_new_folder, new_folder
from bench.errors import DataError, UsageError, suggestion
from bench.paths import StrPath
from bench.storage.layout import audio_name, is_audio
from bench.storage.store import Store, StoredClip
from bench.survey.forms.layouts import LAYOUTS
from bench.survey.forms.questionnaire import BlindClip, Questionnaire, Template, clip_map_text

TOOLS = tuple(name for name, layout in LAYOUTS.items() if layout.write is not None)
MAP, CLIPS, STEPS = "clips.csv", "clips", "README.txt"


def write_template(
    run: StrPath,
    tool: str,
    folder: StrPath,
    url: str | None = None,
    models: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    seed: int = 0,
) -> Questionnaire:
    """Write a new folder with questions for a tool, labeled copies of the clips, the clip map, and instructions.

    Args:
        run: the run's folder.
        tool: one of `TOOLS`.
        folder: a new or an empty one.
        url: URL of the clips; by default a relative path beside the page.
        models: only these.
        seeds: only clips of these seeds.
        seed: seed of the random order of labels.

    Raises:
        UsageError: no such tool or model, no run, or the folder is not empty or cannot be written.
        DataError: the run has no such clips, or a clip is outside its folder.
    """
    run, folder = Path(run), Path(folder)
    write = LAYOUTS[tool].write if tool in TOOLS else None
    if write is None:
        raise UsageError(f"--for is '{tool}'{suggestion(tool, TOOLS)}; must be one of {', '.join(TOOLS)}")
    check_new_folder(folder)
    clips, sources = _blind_clips(run, url, models, seeds, seed)
    survey = Questionnaire(clips, url is not None)
    with new_folder(folder) as whole:
        _fill(whole, write(survey), clips, sources, LAYOUTS[tool].tool)
    return survey


def _blind_clips(
    run: Path, url: str | None, models: Collection[str] | None, seeds: Collection[int] | None, seed: int
) -> tuple[list[BlindClip], list[Path]]:
    """Return the clips in random order with labels c1, c2, … of equal length, and the paths of their audio."""
    with Store.read(run) as store:
        labels, prompts = store.labels(), store.prompts()
        made = store.made()
    for name in models or ():
        if name not in labels:
            raise UsageError(f"{run} has no model '{name}'{suggestion(name, labels)}; it has {', '.join(labels)}")
    chosen = [
        clip for clip in made if (models is None or clip.model in models) and (seeds is None or clip.seed in seeds)
    ]
    if not chosen:
        raise DataError(f"{run} has no such clips; finish it with 'tunebench run', or ask for others")
    for clip in chosen:
        _check_place(run, clip, prompts)
    order = np.random.default_rng([seed, 0x7E3]).permutation(len(chosen))
    digits = max(2, len(str(len(chosen))))
    clips, sources = [], []
    for number, place in enumerate(order, 1):
        clip = chosen[place]
        label = f"c{number:0{digits}d}"
        file = f"{CLIPS}/{label}{Path(clip.path).suffix}"
        address = f"{url.rstrip('/')}/{label}{Path(clip.path).suffix}" if url else file
        prompt = prompts[clip.prompt]
        facts = (clip.prompt, clip.model, prompt.genre or "", str(clip.seed))
        clips.append(BlindClip(label, file, address, " ".join(prompt.text.split()), *facts))
        sources.append(run / clip.path)
    return clips, sources


def _check_place(run: Path, clip: StoredClip, prompts: Collection[str]) -> None:
    """Refuse a clip with an unexpected path, as the database may be untrusted."""
    if clip.path != audio_name(clip.model, clip.id) or not is_audio(clip.path) or clip.prompt not in prompts:
        raise DataError(f"{run}: the clip {clip.id[:16]!r} has the unexpected path {clip.path[:200]!r}")


def _fill(folder: Path, template: Template, clips: Sequence[BlindClip], sources: Sequence[Path], tool: str) -> None:
    """Write all files of the template."""
    (folder / CLIPS).mkdir()
    for clip, source in zip(clips, sources, strict=True):
        try:
            shutil.copyfile(source, folder / clip.file)
        except OSError as error:
            raise DataError(f"{source}: cannot be copied ({error.strerror})") from None
    for name, text in template.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / MAP).write_text(clip_map_text(clips, template.scale_columns), encoding="utf-8")
    lines = [
        f"A listening survey of {len(clips)} clips for {tool}.",
        "",
        *(f"{number}. {step}" for number, step in enumerate(template.steps, 1)),
        f"{len(template.steps) + 1}. tunebench survey analyze EXPORT --clips {MAP}",
        "",
        f"{MAP} maps clips to models: keep it secret until the survey is over.",
        "Every clip is asked about once. Listeners should hear them in different orders.",
    ]
    (folder / STEPS).write_text("\n".join(lines) + "\n", encoding="utf-8")
