"""What an embedder is given of a recording, as data: everything between the decoded file and the network.

Two distances in one embedding are of one kind only if both sides were prepared alike. So what prepares them has a name,
is a part of the embedder's identity where it is not the embedder's own, and can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

OWN = "tunebench"
"""Name of the front end that an embedder has when none is named; its version covers it."""

Channels = Literal["mean", "mean-or-loudest", "first"]
Resampler = Literal["soxr", "librosa", "resampy", "torchaudio-kaiser", "torchaudio-hann"]
Level = Literal["none", "peak", "loudness"]
Rounding = Literal["wav", "scaled"]
Selection = Literal["all", "random"]
Padding = Literal["zeros", "repeat", "drop"]

_CHANNELS = {"mean": "mean of the channels", "first": "first channel"}
_LEVELS = {"peak": "peak at {:g} dB", "loudness": "{:g} LUFS"}


@dataclass(frozen=True)
class FrontEnd:
    """How audio is prepared for a network.

    The steps are taken in the order of the fields: channels, center, resampler, level, rounding, windows.

    Attributes:
        name: such as ``fadtk``.
        channels: ``mean``; ``mean-or-loudest`` takes the loudest channel where they cancel each other; ``first``.
        center: whether the mean of the samples is subtracted.
        resampler: ``soxr`` (high quality), ``librosa`` (the same, its length rounded up), ``resampy`` (kaiser_best), or
            torchaudio's windowed sinc: ``torchaudio-kaiser`` (64 zero crossings) or ``torchaudio-hann`` (6).
        level: what the audio is scaled to: a ``peak`` in dB, an integrated ``loudness`` in LUFS, or ``none``.
        target: the peak or the loudness.
        rounding: to 16 bits: ``wav`` by way of a WAV file, ``scaled`` by clipping to ±1 and truncating at ±32,767; one
            after another.
        shortest: in seconds; zeros follow audio that is shorter.
        window: length of a window in seconds; None for the whole recording.
        hop: from one window to the next in seconds; None for the whole recording.
        selection: whether ``all`` windows are taken, or of longer audio one at a ``random`` place, drawn from a seed
            that is the hash of the audio.
        padding: what follows the last window, where audio ends in it: ``zeros``; ``repeat`` repeats short audio whole,
            and zeros follow; ``drop`` leaves the window out.
        precision: bits of the floating-point numbers that vectors are rounded to, 32 or 16.
        source: where it was published; no part of what it is.
    """

    name: str
    channels: Channels = "mean"
    center: bool = False
    resampler: Resampler = "soxr"
    level: Level = "none"
    target: float | None = None
    rounding: tuple[Rounding, ...] = ()
    shortest: float = 0.0
    window: float | None = None
    hop: float | None = None
    selection: Selection = "all"
    padding: Padding = "zeros"
    precision: Literal[32, 16] = 32
    source: str = ""

    def identity(self) -> dict[str, Any]:
        """What can change a vector, as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
        return {**values, "rounding": list(self.rounding)}

    @property
    def text(self) -> str:
        """In a line, for a reader.

        >>> FrontEnd("it", resampler="librosa", level="peak", target=-1, window=10, hop=1).text
        'it: mean of the channels, librosa, peak at -1 dB, windows of 10 s every 1 s, the last followed by zeros'
        """
        return describe(self.identity())


def describe(identity: Mapping[str, Any]) -> str:
    """Say in a line what the identity of a front end says."""
    said = [_CHANNELS.get(identity["channels"], "mean of the channels, or the loudest where they cancel")]
    said += ["mean subtracted"] * identity["center"] + [identity["resampler"]]
    said += [_LEVELS[identity["level"]].format(identity["target"]) if identity["level"] in _LEVELS else "no levelling"]
    said += ["rounded to 16 bits"] * bool(identity["rounding"])
    said += [f"at least {identity['shortest']:g} s"] * bool(identity["shortest"])
    padding = {"zeros": "the last followed by zeros", "drop": "none past the end"}.get(identity["padding"], "")
    if identity["window"] is None:
        said.append("whole recordings")
    elif identity["selection"] == "random":
        said += [f"one window of {identity['window']:g} s at a random place (seeded by the audio's hash)"]
        said += ["short audio repeated"] * (identity["padding"] == "repeat")
    else:
        said += [f"windows of {identity['window']:g} s every {identity['hop']:g} s", padding]
    said += ["vectors rounded to 16 bits"] * (identity["precision"] == 16)
    return f"{identity['name']}: {', '.join(said)}"
