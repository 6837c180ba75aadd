"""Options shared by the commands of ``tunebench survey`` that say how to read a survey's file."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from bench.cli.survey_options import (
    Clips,
    Columns,
    DuplicateRule,
    FileLayout,
    Missing,
    OnlyModels,
    PostScreening,
    QualityChecks,
    RatingScale,
    Scales,
    Where,
    WithoutListener,
    Words,
    columns,
    names,
    ranges,
    rules,
)
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.survey.rating_range import Range
    from bench.survey.ratings import Preferences, Ratings


@dataclass(frozen=True)
class SurveyFile:
    """The options of a command about a survey's file, as typed.

    Attributes:
        context: of the running command, to suggest commands that answer a question.
        the others: the options of the same name.
    """

    context: typer.Context
    column: Columns = None
    clips: Clips = None
    layout: FileLayout = None
    models: OnlyModels = None
    scales: Scales = None
    rating_scale: RatingScale = None
    words: Words = None
    missing: Missing = None
    where: Where = None
    without_listener: WithoutListener = None
    duplicates: DuplicateRule = None
    post_screening: PostScreening = None
    quality_check: QualityChecks = None

    def read_unscreened(self, file: Path) -> Ratings | Preferences | None:
        """Read the file without excluding listeners by their answers; return None if no such exclusion is set.

        Raises:
            TunebenchError: as `read`.
        """
        from bench.listening_test.folder import is_test

        if is_test(file):
            from bench.listening_test.read_test import read_listening_test

            return read_listening_test(file, screened=False)
        if not (self.post_screening or self.quality_check):
            return None
        return replace(self, post_screening=None, quality_check=None).read(file)

    def read(self, file: Path, limits: Range | None = None) -> Ratings | Preferences:
        """Read a file by these options, or a listening test's folder by the rules of its design.

        ``limits`` apply to all scales if the command has no option ``rating_scale``.

        Raises:
            TunebenchError: what `bench.survey.reading.read_survey` raises; a question comes with the commands that
                answer it. A listening test has its own rules, and accepts no others.
        """
        from bench.listening_test.folder import is_test

        if is_test(file):
            from bench.listening_test.read_test import read_listening_test

            if given := self.given():
                raise UsageError(
                    f"{given[0]}: a listening test is read by the rules of its design; for others, export its answers "
                    f"with 'tunebench survey answers {file}' and name that file"
                )
            return read_listening_test(file)
        from bench.survey.reading import read_survey

        screening = bool(self.post_screening), tuple(self.quality_check or ())
        which = rules(self.words, self.missing, self.where, self.without_listener, self.duplicates, screening)
        only = names(self.models, "--models"), names(self.scales, "--scales")
        with _answerable(self.context):
            limited = limits or ranges(self.rating_scale)
            return read_survey(file, columns(self.column), limited, *only, which, self.clips, self.layout)

    def given(self) -> list[str]:
        """Return the options that were given, as typed."""
        used = [name for name, value in vars(self).items() if name != "context" and value]
        return [f"--{name.replace('_', '-')}" for name in used]


def about_a_survey_file(*but: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's parameter ``about`` by the options of `SurveyFile`, except those named."""

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        shared = get_type_hints(SurveyFile, include_extras=True)
        told = [name for name in shared if name not in (*but, "context")]
        parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        for one in inspect.signature(command).parameters.values():
            if one.name == "about":
                options = [one.replace(name=name, annotation=shared[name], default=None) for name in told]
            else:
                options = [one.replace(annotation=hints[one.name])]
            parameters += [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]

        def run(**given: Any) -> None:
            about = SurveyFile(**{name: given.pop(name) for name in ["context", *told]})
            command(about=about, **given)

        run.__doc__, run.__name__ = command.__doc__, command.__name__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return with_options


@contextmanager
def _answerable(context: typer.Context) -> Iterator[None]:
    """Add to a question about a file the commands that answer it: the running one, with one more option."""
    from bench.survey_question import SurveyQuestion

    try:
        yield
    except SurveyQuestion as question:
        question.commands = tuple(_command_with(context, answer) for answer in question.answers)
        raise


def _command_with(context: typer.Context, answer: list[str]) -> str:
    """Return the running command line with more options; options that take a single value are replaced."""
    names, parent = [context.info_name or ""], context.parent
    while parent is not None and parent.parent is not None:
        names, parent = [parent.info_name or "", *names], parent.parent
    known = {option for parameter in context.command.params for option in parameter.opts}
    answer = ["--scale" if part == "--rating-scale" and part not in known else part for part in answer]
    given: list[str] = []
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        if parameter.param_type_name == "argument":
            given.append(str(value))
            continue
        option, several = parameter.opts[0], getattr(parameter, "multiple", False)
        if option in answer and (not several or option == "--rating-scale"):
            continue
        for one in (value or []) if several else [value]:
            given += [option] if one is True else [option, str(one)]
    return shlex.join(["tunebench", *names, *given, *answer])
