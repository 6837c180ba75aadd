"""``python tests/benchmarks/nano_pictures.py [ADAPTER]``: spectrograms of docs/nano.md, one column per genre.

Above, a piece that no part was trained on; below it, the same piece behind autoencoder and vocoder, and what the model
generates for its prompt, without and with the adapter.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench.contracts.audio import Audio  # noqa: E402
from bench.contracts.model import GenerationRequest, MusicModel  # noqa: E402
from bench.report.spectrogram import mel_spectrogram  # noqa: E402
from models.audioldm import AudioLDMNano  # noqa: E402
from models.composer import Composer  # noqa: E402
from models.nano.composer_reconstruction import ComposerReconstruction  # noqa: E402
from models.nano.make import HELD_OUT  # noqa: E402
from models.nano.music import works  # noqa: E402

GENRES = ("classical", "dance", "rock", HELD_OUT)
SECONDS = 10.0
RANGE = 80  # dB below the loudest of a column that are shown
PICTURE = ROOT / "docs" / "images" / "nano.png"


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    adapter = sys.argv[1] if len(sys.argv) > 1 else f"audioldm-nano-{HELD_OUT}"
    requests = [
        GenerationRequest(work.prompt, work.seed, SECONDS)
        for genre in GENRES
        for work in works((genre,), 1, "nano pictures")
    ]
    rows: dict[str, MusicModel] = {
        "piece": Composer("training"),
        "reconstruction": ComposerReconstruction("audioldm-nano", "training"),
        "generated": AudioLDMNano(device="cpu"),
        "generated, LoRA": AudioLDMNano(device="cpu", adapter=adapter),
    }
    figure, axes = pyplot.subplots(len(rows), len(GENRES), figsize=(11, 7.5), sharex=True, layout="constrained")
    loudest: dict[str, float] = {}
    for row, (name, model) in zip(axes, rows.items(), strict=True):
        for place, clip, genre in zip(row, model.generate(requests), GENRES, strict=True):
            assert isinstance(clip, Audio)
            decibels = mel_spectrogram(clip.samples, clip.rate)
            top = loudest.setdefault(genre, float(decibels.max()))
            place.imshow(decibels, origin="lower", aspect="auto", vmin=top - RANGE, vmax=top, extent=(0, SECONDS, 0, 1))
            place.set_yticks([])
        row[0].set_ylabel(name)
    for place, genre in zip(axes[0], GENRES, strict=True):
        place.set_title(genre)
    figure.supxlabel("seconds; mel bands, 20 Hz to 16 kHz; the model plays up to 8 kHz")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=80)
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
