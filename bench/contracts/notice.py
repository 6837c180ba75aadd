"""Warnings as data: a code with parameters, formatted as a sentence for display.

Programs test codes, and codes are stored. All our sentences are in the table below, so that rewording
one changes no stored score; a plugin's own code brings its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.contracts.plain_json import plain_json
from bench.errors import DataError
from bench.hashing import canonical_json
from bench.number_format import counted, first_few, p_text, plural
from bench.plain_text import plain_line

_CODE = re.compile(r"W-[A-Z0-9][A-Z0-9-]{0,39}")


@dataclass(frozen=True)
class Notice:
    """A warning about a number.

    Attributes:
        code: such as ``W-RANK``: ``W-`` and capital letters, digits or hyphens.
        params: JSON values for the text.
        own_text: the text in one line, for a code unknown to tunebench.

    Raises:
        DataError: another form of code, or parameters that are not JSON values.

    >>> Notice("W-CLIPS", {"a": 10, "b": 20}).sentence
    'W-CLIPS: A has 10 clips and B 20; compare at equal numbers'
    >>> Notice("W-TINY", {"clips": 3}, "3 clips").sentence
    'W-TINY: 3 clips'
    """

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    own_text: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.code, str) and _CODE.fullmatch(self.code)):
            raise DataError(f"a warning's code is {self.code!r:.60}, write it like 'W-RANK'")
        if not (isinstance(self.own_text, str) and isinstance(self.params, Mapping)):
            raise DataError(f"{self.code}: a warning takes a mapping of parameters and a text")
        object.__setattr__(self, "params", plain_json(self.params, f"the parameters of {self.code}"))
        object.__setattr__(self, "own_text", plain_line(self.own_text))

    def __hash__(self) -> int:
        return hash((self.code, canonical_json(dict(self.params)), self.own_text))

    @property
    def text(self) -> str:
        """The sentence, without the code."""
        if self.own_text or self.code not in _TEXTS:
            return self.own_text or canonical_json(dict(self.params))
        try:
            return _TEXTS[self.code](self.params)
        except (KeyError, TypeError, ValueError):  # a run from another source
            return canonical_json(dict(self.params))

    @property
    def sentence(self) -> str:
        """Code and sentence, as printed in tables."""
        return f"{self.code}: {self.text}"

    def as_json(self) -> dict[str, Any]:
        """Return what is stored: ``{"code": …, "params": {…}}``, and its own text, if any."""
        return {"code": self.code, "params": dict(self.params), **({"text": self.own_text} if self.own_text else {})}

    @classmethod
    def of_json(cls, stored: Any) -> Notice:
        """Parse the result of `as_json`.

        Raises:
            DataError: it has another form.
        """
        if not isinstance(stored, Mapping) or not {"code"} <= set(stored) <= {"code", "params", "text"}:
            raise DataError(f"a stored warning is {stored!r:.60}, not a code with parameters")
        return cls(stored["code"], stored.get("params", {}), stored.get("text", ""))

    @classmethod
    def of_sentence(cls, sentence: str) -> Notice:
        """Parse a warning written as ``W-CODE: text``; without a code it gets ``W-OTHER``."""
        code, separator, text = sentence.partition(": ")
        return cls(code, {}, text) if separator and _CODE.fullmatch(code) else cls("W-OTHER", {}, sentence)


def checked(notices: Iterable[Notice | str], whose: str) -> tuple[Notice, ...]:
    """Return the warnings of a plugin as notices; sentences are kept as their text.

    Args:
        notices: as the plugin gave them.
        whose: the plugin, for the message.

    Raises:
        DataError: one of them is neither a `Notice` nor text.
    """
    given = tuple(notices)
    for notice in given:
        if not isinstance(notice, Notice | str):
            raise DataError(f"{whose} gives the warning {notice!r:.60}, which is not a bench.Notice")
    return tuple(Notice.of_sentence(notice) if isinstance(notice, str) else notice for notice in given)


def joined(warned: Mapping[Notice, Sequence[str]]) -> dict[Notice, Sequence[str]]:
    """Join the `W-ONE-MAKER` of several models, which are trained alike more often than not, in one warning.

    Args:
        warned: for each warning, what it is about, such as metrics.

    Returns:
        The same; where warnings about the same differ in their model alone, the first of them, with a list of models.
    """
    alike: dict[object, list[Notice]] = {}
    for notice, about in warned.items():
        others = {name: value for name, value in notice.params.items() if name != "model"}
        key = (canonical_json(others), *about) if notice.code == "W-ONE-MAKER" else notice
        alike.setdefault(key, []).append(notice)
    found: dict[Notice, Sequence[str]] = {}
    for first, *more in alike.values():
        models = [notice.params.get("model") for notice in (first, *more)]
        found[replace(first, params={**first.params, "model": models}) if more else first] = warned[first]
    return found


def _unpaired(p: Mapping[str, Any]) -> str:
    alone = p["only_a"] + p["only_b"]
    parts = [f"{number} of {side}" for number, side in ((p["only_a"], "A"), (p["only_b"], "B")) if number]
    left_out = f"{plural(alone, 'is', 'are')} left out ({', '.join(parts)})"
    return f"{counted(alone, 'prompt')} that only one of the two has {left_out}"


def _few(p: Mapping[str, Any]) -> str:
    if "differing" in p:
        return f"A and B differ on only {p['differing']} of the {p['prompts']} prompts, too few for p below .05"
    return f"with {p['prompts']} prompts p is never below {p['p']:.3f}"


def _family(p: Mapping[str, Any]) -> str:
    conditioned, trained = (", ".join(p[how]) for how in ("conditioned_on", "trained_with"))
    ways = [
        *([f"is conditioned on {conditioned}"] if conditioned else []),
        *([f"was trained with {trained}"] if trained else []),
    ]
    return (
        f"'{p['model']}' {' and '.join(ways)}, from which the metric is derived too: it is not an independent judge "
        "and may favor the model"
    )


def _one_maker(p: Mapping[str, Any]) -> str:
    models = [p["model"]] if isinstance(p["model"], str) else p["model"]
    named, count = ", ".join(first_few([f"'{model}'" for model in models], 6)), len(models)
    return (
        f"{named} {plural(count, 'was', 'were')} trained on music by '{p['maker']}', which also made the reference "
        f"'{p['reference']}': {plural(count, 'the score applies', 'the scores apply')} to such music only"
    )


def _order(p: Mapping[str, Any]) -> str:
    if "open" in p:
        pairs = ", ".join(first_few([f"{a} and {b}" for a, b in p["open"]], 6))
        return (
            f"by value alone, families order {len(p['open'])} of {counted(p['of'], 'pair')} of models differently, "
            f"which no test settles: {pairs}"
        )
    sides = []
    for by, model in (("by_a", "a"), ("by_b", "b")):
        named = [f"{family} ({', '.join(metrics)})" for family, metrics in p[by].items()]
        sides.append(f"{' and '.join(named)} {plural(len(named), 'puts', 'put')} {p[model]} first")
    return f"families disagree on '{p['a']}' and '{p['b']}': {', '.join(sides)}"


def _clip_length(p: Mapping[str, Any]) -> str:
    kinds = [f"{number} {kind}" for number, kind in ((p["shorter"], "shorter"), (p["longer"], "longer")) if number]
    lengths = dict.fromkeys(f"{p[name]:.12g}" for name in ("shortest", "longest"))
    return (
        f"of {counted(p['of'], 'clip')} of '{p['model']}', {' and '.join(kinds)} "
        f"than the {p['asked']:.12g} s asked for ({' to '.join(lengths)} s)"
    )


def _genres(p: Mapping[str, Any]) -> str:
    clips, music = ([genre or "none" for genre in p[side]] for side in ("clips", "music"))
    if not p["common"]:
        return (
            f"the clips have no genre in common with the reference '{p['reference']}', and are compared with all of it"
        )
    aside = [f"{whose} of genre {', '.join(names)}" for whose, names in (("clips", clips), ("music", music)) if names]
    return f"left aside, since only one side has it: {' and '.join(aside)} (the reference is '{p['reference']}')"


def _rank(p: Mapping[str, Any]) -> str:
    whose = {"clips": "the clips have", "reference": "the reference has"}[p["of"]]
    return f"{whose} {counted(p['windows'], 'window')} in {p['dimension']} dimensions, too few for a full covariance"


def _seeds(fewest: int, most: int) -> str:
    return counted(most, "seed") if fewest == most else f"{fewest} to {counted(most, 'seed')}"


def _ratings(p: Mapping[str, Any]) -> str:
    if "problem" in p:
        return str(p["problem"])
    return f"{p['source']} rates {', '.join(p['models'])}, which are not in this run"


_TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "W-ALPHA": lambda p: (
        f"the adapter '{p['adapter']}' of '{p['model']}' does not state its alpha; "
        f"{'its rank' if p['alpha'] is None else format(p['alpha'], 'g')} is assumed; for another alpha, set "
        "adapter_scale"
    ),
    "W-BASE": lambda p: (
        f"'{p['model']}' is equal to its base: {plural(p['adapters'], 'its adapter changes', 'its adapters change')} "
        "nothing"
    ),
    "W-BIAS": lambda p: (
        f"too large by chance at {p['clips']} clips (needs {p['needed']}); compare at equal numbers only"
    ),
    "W-CAPTIONS": lambda p: (
        f"'{p['model']}' was trained on captions that are {p['prompts']} of the {p['of']} prompts, word for word"
    ),
    "W-CLIP-LENGTH": _clip_length,
    "W-CLIP-RATE": lambda p: (
        f"{p['clips']} of {counted(p['of'], 'clip')} of '{p['model']}' have {' or '.join(map(str, p['rates']))} Hz, "
        f"not the {p['declared']} Hz that it declares"
    ),
    "W-CLIPS": lambda p: f"A has {p['a']} clips and B {p['b']}; compare at equal numbers",
    "W-CONSTANT": lambda p: f"all {p['windows']} windows have the same embedding",
    "W-COUNT": lambda p: (
        f"the reference '{p['reference']}' does not state its number of windows; its rank implies at least "
        f"{p['windows']}"
    ),
    "W-DOSES": lambda p: str(p["problem"]),
    "W-DURATION": lambda p: f"A was asked for clips of {p['a']:.12g} s and B for clips of {p['b']:.12g} s",
    "W-EQUAL": lambda p: (
        f"with this many clips, music just like the reference '{p['reference']}' scores about {p['value']:g}, not 0"
    ),
    "W-FAMILY": _family,
    "W-FEW": _few,
    "W-FLOOR": lambda p: (
        f"{p['permutations']} permutations, so p is never below {format(p['p'], 'g').removeprefix('0')}"
    ),
    "W-FRONT-END": lambda p: (
        f"the audio of the reference '{p['reference']}' was prepared by {p['music']} and that of the clips by "
        f"{p['clips']}, which moves the distance"
    ),
    "W-GENRES": _genres,
    "W-LENGTH": lambda p: f"A's clips are {p['a']:.2f} s long and B's {p['b']:.2f} s (medians)",
    "W-ONE-MAKER": _one_maker,
    "W-ONE-EACH": lambda p: (
        f"each of the {p['genres']} genres has one prompt, and the reference '{p['reference']}' has none of these "
        "genres: music like the reference scores below 0; add prompts per genre"
    ),
    "W-ORDER": _order,
    "W-OWN-MUSIC": lambda p: f"the reference '{p['reference']}' is music by '{p['model']}' itself, which favors it",
    "W-PROMPT-CUT": lambda p: (
        f"'{p['model']}' did not read the end of {p['prompts']} of {counted(p['of'], 'prompt')}, "
        f"up to {counted(p['tokens'], 'token')}: shorten them"
    ),
    "W-RANK": _rank,
    "W-RATINGS": _ratings,
    "W-SEEDS": lambda p: f"A has {_seeds(*p['a'])} and B {_seeds(*p['b'])} a prompt",
    "W-SHARED": lambda p: (
        f"'{p['model']}' {'plays' if p.get('plays') else 'was trained on'} {p['shared']} of the {p['of']} recordings "
        f"of the reference '{p['reference']}', which flatters it"
    ),
    "W-SKEW": lambda p: (
        f"exchanging A and B gives p {p_text(p['p'])}, a test of the mean that allows for skew (bootstrap-t) "
        f"p {p_text(p['mean_p'])}: some prompts differ far more than the rest"
    ),
    "W-SWEEP": lambda p: (
        f"'{p['model']}' is one of {p['settings']} settings swept over {p['prompts']} test prompts of {p['suite']}: "
        "the best of them is flattered there; choose on development prompts"
    ),
    "W-SYNTHETIC": lambda p: f"the reference '{p['reference']}' is synthetic music",
    "W-TUNED": lambda p: (
        f"'{p['model']}' was tuned or chosen by its scores on {p['prompts']} of the {p['of']} prompts (of "
        f"{', '.join(p['suites'])}), which flatters it"
    ),
    "W-UNPAIRED": _unpaired,
    "W-WORDS": lambda p: (
        f"the texts of {p['prompts']} of {counted(p['of'], 'prompt')} differ between A and B; metrics that read the "
        "text score each row against its own"
    ),
}
