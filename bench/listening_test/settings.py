"""The settings of a listening test, as an organizer writes them in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bench.errors import suggestion
from bench.paths import StrPath
from bench.schema import Settings, load_settings

Kind = Literal["ratings", "preference", "stimuli"]
Count = Annotated[int, Field(ge=0, le=50)]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=5000)]
Name = Annotated[str, Field(pattern=r"""^[^\s,;"'](?:[^,;"'\n]{0,38}[^\s,;"'])?$""")]

EXAMPLE = "kind: ratings"


class RatedScale(Settings):
    """A scale that clips are rated on.

    name: name of the scale in tables. question: the question to listeners. meaning: what to judge. lowest, highest:
    labels of the ends. points: steps of the scale; for several stimuli on one page, it is continuous from 0 to 100.
    """

    name: Name
    question: Line
    meaning: Annotated[str, Field(max_length=200)] = ""
    lowest: Line = "bad"
    highest: Line = "excellent"
    points: Annotated[int, Field(ge=2, le=11)] = 5


HARMONY = RatedScale(
    name="Harmony",
    question="How good is the harmony?",
    meaning="the quality of pitches, both in the melodies and chords of the music",
)
RHYTHM = RatedScale(
    name="Rhythm",
    question="How good is the rhythm?",
    meaning="the consistency and stability of beats within the music",
)
GENRE_FIT = RatedScale(
    name="Genre Fit",
    question="How well does the music fit its genre?",
    meaning="the accuracy of the music to its categorized genre",
)
OVERALL_QUALITY = RatedScale(name="Overall quality", question="How good is the music as a whole?")
TEXT_RELEVANCE = RatedScale(
    name="Text relevance",
    question="How well does the music fit the text?",
    lowest="not at all",
    highest="completely",
)
KnownScale = Literal["Harmony", "Rhythm", "Genre Fit", "Overall quality", "Text relevance"]
SCALES = {scale.name: scale for scale in (HARMONY, RHYTHM, GENRE_FIT, OVERALL_QUALITY, TEXT_RELEVANCE)}
"""Scales that can be requested by name. The first three have the definitions of a survey of a fine-tuned Stable
Audio, in its words ("Fine-tuning Stable Audio with LoRA on MusicCaps", section 4)."""


class ListeningChecks(Settings):
    """Checks of listeners' attention.

    practice: practice trials before the test, which do not count. beeps: trials that ask for the number of beeps.
    spoiled: trials with a degraded copy of a clip. headphones: whether to ask listeners which of
    three tones is the quietest, which fails on loudspeakers (Woods et al. 2017).
    """

    practice: Count = 1
    beeps: Count = 1
    spoiled: Count = 2
    headphones: bool = True


class ListeningScreening(Settings):
    """Rules for excluding listeners, fixed before anybody answers; all exclusions are reported.

    beeps: beep trials that may be wrong. spoiled: share of checks with degraded clips that may be failed,
    one always may. headphones: how many of six tones must be found; 0 for no check.
    fastest: minimum seconds from the sound's end to an answer; a listener who is faster in more than
    a quarter of the trials is excluded.
    """

    beeps: Count = 0
    spoiled: Annotated[float, Field(ge=0, le=1)] = 0.15
    headphones: Annotated[int, Field(ge=0, le=6)] = 0
    fastest: Annotated[float, Field(ge=0, le=10)] = 0.3


class ListenerQuestion(Settings):
    """A question about the listener.

    name: name of the question in tables. question: the question to listeners. choices: possible answers; without them,
    a short text is requested.
    """

    name: Name
    question: Line
    choices: tuple[Line, ...] = ()


class ListeningWording(Settings):
    """Texts of the organizer, as plain text; empty lines separate paragraphs.

    title: title of the test. introduction: what it is about. consent: what listeners agree to. ethics: who approved it.
    pay: compensation. contact: whom they can ask. thanks: text at the end.
    """

    title: Line = "Music listening test"
    introduction: Text = ""
    consent: Text = ""
    ethics: Text = ""
    pay: Text = ""
    contact: Text = ""
    thanks: Text = ""


class PanelCompletion(Settings):
    """How a panel learns that a listener is done.

    code: completion code, shown at the end. address: where the browser then goes; it may contain ``{code}`` and
    ``{listener}``. parameter: query parameter that holds the listener's id in the address from the panel, such as
    PROLIFIC_PID.
    """

    code: Annotated[str, Field(max_length=100)] = ""
    address: Annotated[str, Field(pattern=r"^(https?://\S{1,1000})?$")] = ""
    parameter: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{0,40}$")] = ""


def _known(name: object) -> object:
    """Return the scale with a name."""
    if not isinstance(name, str):
        return name
    found = {known.casefold(): scale for known, scale in SCALES.items()}.get(name.casefold())
    if found is None:
        raise ValueError(
            f"no scale is called '{name}'{suggestion(name, SCALES)}; known: {', '.join(SCALES)}; or define your own "
            "as {name: …, question: …}"
        )
    return found


AskedScale = Annotated[RatedScale, BeforeValidator(_known, json_schema_input_type=KnownScale | RatedScale)]


class ListeningTest(Settings):
    """Settings of a listening test.

    kind: ``ratings`` of one clip at a time, ``preference`` between two models, or several ``stimuli`` on one page
    without a given reference (ITU-R BS.2132). scales: rating scales: names of known ones (Harmony, Rhythm, Genre Fit,
    Overall quality, Text relevance) or scales of your own; for a preference, Overall quality if none is named.
    one_scale_a_pass: whether each scale has its own pass through the clips. models, seeds, prompts: only these; by
    default all. ties, both_bad: whether listeners may answer that there is no difference, or that both are bad.
    listeners: number of listeners. minutes: time per listener; one who cannot hear everything in that time gets a block
    of the prompts. seconds: maximum length of a played clip. matched: whether the clips of a prompt are cut to one
    length and one bandwidth. answer_seconds: time for an answer. checks, screening: how listeners are checked. about:
    questions about the listener. wording, completion: what listeners read. language: of the pages, a file's name or
    path. enrollment: ``links`` that you send out, or ``open`` to everyone. seed: seed of all random choices. margin:
    for equivalence, in points of the scale. confidence: confidence level of intervals.
    """

    kind: Kind = "ratings"
    scales: tuple[AskedScale, ...] = (HARMONY, RHYTHM, GENRE_FIT)
    one_scale_a_pass: bool = False
    models: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    prompts: tuple[str, ...] | None = None
    ties: bool = True
    both_bad: bool = False
    listeners: Annotated[int, Field(ge=2, le=10_000)] = 20
    minutes: Annotated[float, Field(gt=0, le=240)] = 20
    seconds: Annotated[float, Field(ge=1, le=60)] = 12
    matched: bool = False
    answer_seconds: Annotated[float, Field(ge=0, le=120)] = 5
    checks: ListeningChecks = ListeningChecks()
    screening: ListeningScreening = ListeningScreening()
    about: tuple[ListenerQuestion, ...] = ()
    wording: ListeningWording = ListeningWording()
    completion: PanelCompletion = PanelCompletion()
    language: str = "en"
    enrollment: Literal["links", "open"] = "links"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    margin: Annotated[float, Field(gt=0, le=100)] | None = None
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95

    @model_validator(mode="before")
    @classmethod
    def _preferred_as_a_whole(cls, content: object) -> object:
        """Ask about overall quality in a preference test without scales."""
        if isinstance(content, dict) and content.get("kind") == "preference" and "scales" not in content:
            return {**content, "scales": [OVERALL_QUALITY.name]}
        return content

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [scale.name for scale in self.scales]
        if not names:
            raise ValueError("scales: name at least one")
        if len({name.casefold() for name in names}) < len(names):
            raise ValueError(f"scales: two have the same name ({', '.join(names)})")
        asked = [question.name for question in self.about]
        if len({name.casefold() for name in asked}) < len(asked):
            raise ValueError(f"about: two questions have the same name ({', '.join(asked)})")
        if self.screening.headphones and not self.checks.headphones:
            raise ValueError("screening: headphones needs checks: headphones, which is off")
        return self

    @property
    def passes(self) -> tuple[tuple[RatedScale, ...], ...]:
        """The scales asked together in each pass."""
        if self.kind == "preference":
            return tuple((scale,) for scale in self.scales)
        return tuple((scale,) for scale in self.scales) if self.one_scale_a_pass else (self.scales,)


def load_listening_test(path: StrPath) -> ListeningTest:
    """Read the settings of a listening test.

    Raises:
        UsageError: no such file, or an unknown or invalid setting.
        DataError: the file is not YAML.
    """
    return load_settings(ListeningTest, Path(path), EXAMPLE)
