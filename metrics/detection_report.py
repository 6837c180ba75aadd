"""Detections as files: the data, a picture, and a page that says how they were measured and what they show."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from bench.atomic_write import replacing
from bench.contracts.set_metric import Reference
from bench.errors import UsageError
from bench.text_table import markdown_table
from metrics.damaged_music import EMBEDDER, TAKES, DamagedMusic
from metrics.degradation_kinds import Degradation
from metrics.detection import Design, Detection, prompts_needed
from metrics.detection_plot import draw_detections
from metrics.distances_of_prompts import CODEBOOKS
from metrics.frechet import LEAST_PROMPTS

NAME = "prompts-needed"


def write_detections(
    detections: Sequence[Detection],
    kinds: Sequence[Degradation],
    music: DamagedMusic,
    reference: Reference,
    design: Design,
    folder: Path,
    seconds: float = 10.0,
) -> list[Path]:
    """Write ``prompts-needed`` as .csv, .svg, .png and .md into a folder, and return the paths.

    Args:
        detections: of `metrics.detection.detect`.
        kinds: of damage.
        music: what was compared.
        reference: what it was compared with.
        design: how subsets were drawn.
        folder: exists.
        seconds: length of each clip.

    Raises:
        UsageError, MissingError: a file cannot be written, or matplotlib is not installed.
    """
    data, *pictures, page = (folder / f"{NAME}.{ending}" for ending in ("csv", "svg", "png", "md"))
    for picture in pictures:
        draw_detections(detections, kinds, LEAST_PROMPTS, picture)
    try:
        with replacing(data) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, [field.name for field in fields(Detection)], lineterminator="\n")
            table.writeheader()
            for one in detections:
                table.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in asdict(one).items()})
        with replacing(page) as temporary:
            temporary.write_text(_page(detections, kinds, music, reference, design, seconds), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror}") from error
    return [data, *pictures, page]


def needed_rows(detections: Sequence[Detection], kinds: Sequence[Degradation]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the prompts needed: a row for each dose, a column for each distance.

    A number is the fewest prompts; ``> n`` says that the most tried are not enough, ``+`` that these call the damaged
    music better, in half of the cases or more; ``–`` that there is no value.

    Args:
        detections: at least one for each distance, kind and dose.
        kinds: of damage.
    """
    distances = list(dict.fromkeys(one.distance for one in detections))
    rows = []
    for kind in kinds:
        for dose in kind.labels:
            row = [kind.name, f"{dose} {kind.unit}"]
            for distance in distances:
                own = [one for one in detections if (one.distance, one.damage, one.dose) == (distance, kind.name, dose)]
                row.append(_needed(own))
            rows.append(row)
    return ["damage", "dose", *distances], rows


def _needed(detections: Sequence[Detection]) -> str:
    needed, most = prompts_needed(detections), max(detections, key=lambda one: one.prompts)
    fewest = min(one.prompts for one in detections)
    if most.detected is None:
        return "–"
    if needed is not None:
        return f"≤ {needed}" if needed == fewest else str(needed)
    return "+" if (most.improved or 0) >= 0.5 else f"> {most.prompts}"


def _page(
    detections: Sequence[Detection],
    kinds: Sequence[Degradation],
    music: DamagedMusic,
    reference: Reference,
    design: Design,
    seconds: float,
) -> str:
    header, rows = needed_rows(detections, kinds)
    return _PAGE.format(
        name=NAME,
        least=LEAST_PROMPTS,
        tried=", ".join(map(str, design.sizes)),
        most=max(design.sizes),
        table=markdown_table(header, rows, words=2),
        prompts=len(music.prompts),
        genres=len(music.of_genres()),
        a_genre=len(music.of_genres()[0]),
        seconds=seconds,
        takes=", ".join(f"{name} {seed}" for name, seed in TAKES.items()),
        damages="\n".join(f"- {kind.name}: {kind.about}, {', '.join(kind.labels)} {kind.unit}" for kind in kinds),
        embedder=EMBEDDER,
        reference=reference.name,
        fingerprint=reference.fingerprint[:8],
        codebooks=CODEBOOKS,
        subsets=design.subsets,
        null=design.null,
        seed=design.seed,
    )


_PAGE = """# Prompts needed to see a damage

Made by `tunebench check metrics --prompts-needed FOLDER`. Which distance sees which damage of music, and with how many
prompts? Huang et al. (ISMIR 2025) measured how distances follow the dose; here the axis is the number of prompts, which
are the independent units: clips of one prompt are not.

![Probability of detection by distance, damage, dose and number of prompts]({name}.svg)

A row for each distance, a column for each kind of damage, a curve for each dose. Dotted: .05, what chance gives;
dashed: .8. Orange: the probability that the damaged music is called *better*, where that is above .25 somewhere.
Hollow: `fad` gives no value below {least} prompts; the curve is what it would see. Density and coverage have none below
11 prompts. The data: [{name}.csv]({name}.csv).

## Prompts needed

The fewest prompts with which the damage is detected with a probability of .8 (and with all larger numbers tried), with
one clip a prompt. Tried: {tried}. `> {most}`: not with the most; `+`: these call the damaged music better in half of
the cases or more. `fad` itself asks for {least} prompts.

{table}

## Method

- **Music.** The composer of this package, synthetic: {prompts} prompts, {a_genre} in each of {genres} genres, with the
  words of levels 1 to 3 of `genres@1`, a tempo and a key; no genre has a key twice. One clip of {seconds:g} s a prompt
  and take; takes are seeds ({takes}).
- **Damage** of take B, with the same draws at every dose; "genre" is the music of another prompt:

{damages}

- **Distances** on {embedder} windows (3 s, leveled to −14 LUFS) against the reference `{reference}` (fingerprint
  {fingerprint}), as in a run. `kl-musicnn` is KL(recording ‖ clip) of musicnn's 50 tags, their probabilities averaged
  over windows and divided by their sum; the recording is another take of the same prompt; averaged over prompts.
  `mad` has {codebooks} codebooks (seeds) for the subsets of a size, which take them in turn, with as many buckets as a
  subset's clips would have.
- **Two models on n prompts**, one clean and one damaged: T is by how much the distance calls the second worse, and T =
  effect + chance. The effect is the change from take B to the damaged take B on a subset of n prompts ({subsets}
  subsets, drawn without replacement, equally many of each genre). Chance is the change from one clean take to another
  on such a subset ({null} subsets, with both signs), with a coin for every prompt that says which take is whose. Every
  effect meets every chance.
- **Detected** where T is above the 95 % quantile of chance: a one-sided test of size .05, the same for all distances.
  The CSV also has the probability that T exceeds what undamaged music gives (auc), and the mean effect in standard
  deviations of chance (separation). Draws come from seed {seed}.

## What this does not say

- It is one composer's music, one embedder and one reference. Real music varies more within a genre: it will take more
  prompts, and other embedders see other damages.
- Damage and chance are added, as if damaged pieces differed by chance as clean ones do.
- All subsets are of these {prompts} prompts: the nearer n comes to that, the less effects vary.
- Tests of one model's clips before and after a damage, pair by pair, see far more (`tunebench check metrics`).
- Softer music is leveled before it is embedded: `gain` shows what chance gives, at most .05.
- "genre" at 100 % deals the same pieces to other prompts. Distances that ask whether the set is like the reference
  cannot see that and need not; KL compares with each prompt's own recording. A smaller dose joins two pieces in one
  clip, which any of them may see.
"""
