"""``tunebench survey``: analyze listeners' ratings, and plan surveys."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import survey_agree, survey_power, survey_simulate, survey_template, survey_test
from bench.cli.output import AsJson, Output
from bench.cli.survey_file import SurveyFile, about_a_survey_file
from bench.cli.survey_options import ByListener, Margin

if TYPE_CHECKING:
    from bench.survey.results import Analysis


class SurveyFormat(StrEnum):
    """Formats of an analysis."""

    table = "table"
    markdown = "markdown"
    json = "json"


Format = Annotated[SurveyFormat | None, typer.Option("--format", help="Output format.  [default: table, or FILE's]")]

app = typer.Typer(
    help="Analyze listening surveys so that the result holds for new listeners and new prompts.", no_args_is_help=True
)


@app.command("analyze")
@about_a_survey_file()
def analyze(
    file: Annotated[Path, typer.Argument(help="Ratings or preferences: CSV, TSV, Excel, JSON or Parquet.")],
    about: SurveyFile,
    by_listener: ByListener = None,
    margin: Margin = None,
    confidence: Annotated[float | None, typer.Option(help="Coverage of the intervals.  [default: 0.95]")] = None,
    omnibus: Annotated[bool, typer.Option("--omnibus", help="Also test whether the models differ at all.")] = False,
    compare_tests: Annotated[
        bool, typer.Option("--compare-tests", help="Show the customary tests, and how often they err here.")
    ] = False,
    style: Format = None,
    as_json: AsJson = False,
    output: Output = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the report as Markdown.")] = None,
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Also draw plots into this folder.")] = None,
) -> None:
    """Compare the models of a listening survey: differences that hold for new listeners and new prompts.

    FILE has one rating per row (columns listener, prompt, model, scale, value), one column per scale, or preferences
    (listener, prompt, a, b, choice); exports of survey tools are read too. Ratings of several seeds of a clip are
    averaged. Excluded answers are listed.
    """
    from bench.cli.output import style_of
    from bench.errors import UsageError
    from bench.survey.analysis import analyse
    from bench.survey.report import as_markdown

    written = style_of(style, as_json, output, SurveyFormat)
    if plots is not None:
        from bench.survey.plots import FORMATS, check_formats

        check_formats(FORMATS[:2])
    survey = about.read(file)
    margin, confidence = _planned(file, margin, confidence)
    found = analyse(survey, margin, confidence, omnibus, compare_tests, by_listener=by_listener or ())
    if (before := about.read_unscreened(file)) is not None:
        from bench.survey.analysis import with_unscreened

        found = with_unscreened(found, before, confidence)
    if markdown is not None:
        try:
            markdown.write_text(as_markdown(found), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {markdown}: {error.strerror}") from error
    if plots is not None:
        from bench.survey.plots import draw

        draw(survey, found, plots)
    _print(found, written, output)


def _planned(file: Path, margin: float | None, confidence: float | None) -> tuple[float | None, float]:
    """Return margin and confidence of an analysis: those of a listening test's design, else the given ones."""
    from bench.listening_test.folder import is_test

    if not is_test(file):
        return margin, 0.95 if confidence is None else confidence
    from bench.errors import UsageError
    from bench.listening_test.design import read_design

    planned = read_design(file).test
    for option, asked, fixed in (
        ("--margin", margin, planned.margin),
        ("--confidence", confidence, planned.confidence),
    ):
        if asked is not None and asked != fixed:
            raise UsageError(
                f"{option} is {asked:g}, but the design of {file} sets {'none' if fixed is None else f'{fixed:g}'}; "
                f"for another analysis, export the answers with 'tunebench survey answers {file}'"
            )
    return planned.margin, planned.confidence


def _print(found: Analysis, style: SurveyFormat, output: Path | None) -> None:
    import json

    from bench.cli.output import emit, page_layout
    from bench.survey.report import as_markdown, as_text
    from bench.survey.results import record

    if style is SurveyFormat.json:
        content = json.dumps(record(found), indent=2, ensure_ascii=False, allow_nan=False)
    elif style is SurveyFormat.markdown:
        content = as_markdown(found).rstrip("\n")
    else:
        content = as_text(found, page_layout(output))
    emit(content, style.value, output)


app.command("power")(survey_power.command)
app.command("agree")(survey_agree.command)
app.command("simulate")(survey_simulate.command)
app.command("template")(survey_template.command)
app.command("new")(survey_test.new)
app.command("serve")(survey_test.serve)
app.command("pages")(survey_test.pages)
app.command("answers")(survey_test.answers)
