"""Custom front ends as settings in a configuration, validated and converted to a `FrontEnd`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from bench.contracts.front_end import (
    OWN,
    Channels,
    FrontEnd,
    Level,
    Padding,
    Pooling,
    Resampler,
    Rounding,
    Selection,
)
from bench.errors import UsageError
from bench.schema import Settings, parse_settings

_LOWEST = {"peak": -60.0, "source-peak": -60.0, "loudness": -70.0}
_UNITS = {"peak": "dB", "source-peak": "dB", "loudness": "LUFS"}
_REPEATING = ("repeat", "cycle")

Seconds = Annotated[float, Field(gt=0, le=3600)]


class FrontEndSettings(Settings):
    """How audio is prepared for an embedder, in the order of the settings; what is left out is as it stands here.

    name: in tables, not that of a published one. channels: ``mean``, ``first``, ``mean-or-loudest`` (the loudest where
    they cancel), ``stereo`` (two channels, for a ``command`` embedder), ``joined`` (one after another). center:
    subtract the mean of the samples. resampler: ``soxr``, ``librosa``, ``resampy``, ``julius``, ``torchaudio-kaiser``,
    ``torchaudio-hann`` or ``torchaudio-hann-double``. level: ``none``, ``peak``, ``source-peak`` (before resampling) or
    ``loudness``. target: of the level, in dB for a peak and in LUFS for a loudness. rounding: to 16 bits, ``wav`` by
    way of a file, ``scaled`` by ±32,767; one after another. shortest: in seconds, zeros follow what is shorter. window:
    in seconds, null for whole recordings. hop: in seconds, null for windows side by side. selection: ``all`` windows,
    or one at a ``random`` place that the audio's hash draws. padding: of the last window, ``zeros``, ``cover`` (zeros,
    none after the first that reaches the end), ``shorter`` or ``drop``; of short audio and a random place ``repeat`` or
    ``cycle``. precision: bits of the vectors' numbers. rate: in Hz, of a ``command`` embedder; null for that of the
    audio. pooling: of the windows' vectors, ``none``, ``mean`` or ``mean-softmax``.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    channels: Channels = "mean"
    center: bool = False
    resampler: Resampler = "soxr"
    level: Level = "none"
    target: Annotated[float, Field(ge=-70, le=0)] | None = None
    rounding: tuple[Rounding, ...] = ()
    shortest: Annotated[float, Field(ge=0, le=3600)] = 0.0
    window: Seconds | None = None
    hop: Seconds | None = None
    selection: Selection = "all"
    padding: Padding | None = None
    precision: Literal[32, 16] = 32
    rate: Annotated[int, Field(ge=1000, le=655_350)] | None = None
    pooling: Pooling = "none"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.level == "none" and self.target is not None:
            raise ValueError(f"target is {self.target:g} and level is none; name the level: peak or loudness")
        if self.level != "none" and (self.target is None or self.target < _LOWEST[self.level]):
            raise ValueError(
                f"level is {self.level}, so target must be a number from {_LOWEST[self.level]:g} to 0 "
                f"({_UNITS[self.level]})"
            )
        for name in ("hop", "padding"):
            if self.window is None and getattr(self, name) is not None:
                raise ValueError(f"{name} needs window, in seconds")
        if self.selection == "random" and self.window is None:
            raise ValueError("selection is random, so window must be its length in seconds")
        if self.padding is not None and (self.padding in _REPEATING) != (self.selection == "random"):
            needed = "repeat or cycle" if self.selection == "random" else "zeros, cover, shorter or drop"
            raise ValueError(f"padding is {self.padding} and selection is {self.selection}, so it must be {needed}")
        return self

    @cached_property
    def front_end(self) -> FrontEnd:
        """The settings as a `FrontEnd`."""
        values = {field.name: getattr(self, field.name) for field in fields(FrontEnd) if field.name != "source"}
        padding = self.padding or ("cycle" if self.selection == "random" else "zeros")
        return FrontEnd(**{**values, "hop": self.hop or self.window, "padding": padding})


def front_end_of(
    settings: Mapping[str, Any], embedder: str, decided: Mapping[str, Any], published: Collection[str]
) -> FrontEnd:
    """Return the front end described by settings in a configuration.

    Args:
        settings: the settings.
        embedder: name of the embedder, for messages.
        decided: settings fixed by the network: their value, allowed values (a tuple), or None if there
            is no choice. They may be omitted.
        published: names of published front ends.

    Raises:
        UsageError: an unknown or invalid setting, or a value that the network does not allow.
    """
    place = f"{embedder}: front_end"
    known = {name: value for name, value in decided.items() if not isinstance(value, tuple | None)}
    found = parse_settings(FrontEndSettings, {**known, **settings}, place).front_end
    for name, value in decided.items():
        own, choice = getattr(found, name), value if isinstance(value, tuple) else (value,)
        if own not in choice:
            takes = f"takes {' or '.join(map(str, choice))}" if value is not None else "decides it: leave it out"
            raise UsageError(f"{place}.{name} is {own}, but this network {takes}")
    if found.name in (OWN, *published):
        raise UsageError(f"{place}: the name {found.name} is that of a published one; choose another name")
    return found
