"""Front ends as data: all processing between the decoded file and the network.

Distances in an embedding are comparable only if the audio was prepared in the same way. So each preparation has a name,
is part of the embedder's identity unless it is the embedder's own, and can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

OWN = "tunebench"
"""Name of an embedder's own front end, the default; its version covers it."""

Channels = Literal["mean", "mean-or-loudest", "first", "stereo", "joined"]
Resampler = Literal[
    "soxr", "librosa", "resampy", "julius", "torchaudio-kaiser", "torchaudio-hann", "torchaudio-hann-double"
]
Level = Literal["none", "peak", "source-peak", "loudness"]
Rounding = Literal["wav", "scaled"]
Selection = Literal["all", "random"]
Padding = Literal["zeros", "repeat", "cycle", "cover", "shorter", "drop"]
Pooling = Literal["none", "mean", "mean-softmax"]

_CHANNELS = {
    "mean": "mean of the channels",
    "mean-or-loudest": "mean of the channels, or the loudest where they cancel",
    "first": "first channel",
    "stereo": "two channels, mono as both",
    "joined": "channels one after another",
}
_LEVELS = {"peak": "peak at {:g} dB", "source-peak": "peak at {:g} dB before resampling", "loudness": "{:g} LUFS"}
_PADDINGS = {
    "zeros": "the last followed by zeros",
    "cover": "zeros after the first that reaches the end",
    "shorter": "the last one shorter",
    "drop": "none past the end",
}
_POOLINGS = {"mean": "mean of the windows' vectors", "mean-softmax": "softmax of the mean of the windows' vectors"}
_LATER = {"rate": None, "pooling": "none"}  # fields that an identity omits at these values


@dataclass(frozen=True)
class FrontEnd:
    """How audio is prepared for a network.

    The steps are applied in the order of the fields: channels, center, resampler, level, rounding, windows.

    Attributes:
        name: such as ``fadtk``.
        channels: ``mean``; ``mean-or-loudest`` takes the loudest channel if they cancel each other; ``first``;
            ``stereo`` takes the first two, or mono twice; ``joined`` takes them one after another, as one long channel.
            All but the last two are mixed before they are resampled.
        center: whether the mean of the samples is subtracted.
        resampler: ``soxr`` (high quality), ``librosa`` (the same, its length rounded up), ``resampy`` (kaiser_best),
            or a windowed sinc: ``julius`` (24 zero crossings), ``torchaudio-kaiser`` (64), ``torchaudio-hann`` (6) or
            ``torchaudio-hann-double`` (6, its filters in float64).
        level: scaling of the audio: to a ``peak`` in dB, a ``source-peak`` as it is before resampling, an
            integrated ``loudness`` in LUFS, or ``none``.
        target: the peak or the loudness.
        rounding: to 16 bits: ``wav`` by way of a WAV file, ``scaled`` by clipping to ±1 and truncating at ±32,767; one
            after another.
        shortest: in seconds; shorter audio is padded with zeros.
        window: length of a window in seconds; None for the whole recording.
        hop: from one window to the next in seconds; None for the whole recording.
        selection: ``all`` windows, or one at a ``random`` position of longer audio, drawn from a seed
            that is the hash of the audio.
        padding: padding of the last window: ``zeros``; ``repeat`` repeats short audio as a whole,
            then zeros; ``cycle`` repeats it until the window is full; ``cover`` has zeros, and no window after
            the first that reaches the end; ``shorter`` leaves the window as short as it is; ``drop`` leaves it out.
        precision: bits of the floating-point numbers of vectors, 32 or 16.
        rate: in Hz, if not set by the network: for a ``command`` embedder; None for that of the audio.
        pooling: pooling of the windows' vectors: ``none`` keeps them, ``mean`` and ``mean-softmax`` give one.
        source: its publication; not part of the identity.
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
    rate: int | None = None
    pooling: Pooling = "none"
    source: str = ""

    def identity(self) -> dict[str, Any]:
        """Return what can change a vector, as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
        said = {name: value for name, value in values.items() if name not in _LATER or value != _LATER[name]}
        return {**said, "rounding": list(self.rounding)}

    @property
    def text(self) -> str:
        """A one-line description.

        >>> FrontEnd("it", resampler="librosa", level="peak", target=-1, window=10, hop=1).text
        'it: mean of the channels, librosa, peak at -1 dB, windows of 10 s every 1 s, the last followed by zeros'
        """
        return describe(self.identity())


def describe(identity: Mapping[str, Any]) -> str:
    """Describe the identity of a front end in a line."""
    said = [_CHANNELS[identity["channels"]]]
    said += ["mean subtracted"] * identity["center"]
    said += [identity["resampler"] + (f" to {identity['rate']:,} Hz" if identity.get("rate") else "")]
    said += [_LEVELS[identity["level"]].format(identity["target"]) if identity["level"] in _LEVELS else "no leveling"]
    said += ["rounded to 16 bits"] * bool(identity["rounding"])
    said += [f"at least {identity['shortest']:g} s"] * bool(identity["shortest"])
    if identity["window"] is None:
        said.append("whole recordings")
    elif identity["selection"] == "random":
        said += [f"one window of {identity['window']:g} s at a random place (seeded by the audio's hash)"]
        said += ["short audio repeated"] * (identity["padding"] in ("repeat", "cycle"))
    else:
        said += [f"windows of {identity['window']:g} s every {identity['hop']:g} s"]
        said += [_PADDINGS[identity["padding"]]] if identity["padding"] in _PADDINGS else []
    said += ["vectors rounded to 16 bits"] * (identity["precision"] == 16)
    said += [_POOLINGS[identity["pooling"]]] if identity.get("pooling") else []
    return f"{identity['name']}: {', '.join(said)}"
