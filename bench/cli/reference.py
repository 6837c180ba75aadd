"""``tunebench reference``: make, import and describe the sets of music that FAD and KAD compare with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli import complete

app = typer.Typer(
    help="Make and describe reference sets: the music that FAD and KAD compare with.", no_args_is_help=True
)

Embedder = Annotated[
    str,
    typer.Option(
        help="The embedder, such as musicnn-msd; see 'tunebench list embedders'.", autocompletion=complete.embedders
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param", metavar="PARAMETER=VALUE", help="A parameter of the embedder, as in YAML; may be repeated."
    ),
]
Out = Annotated[Path, typer.Option(help="The reference file to write, *.safetensors.")]
Name = Annotated[str | None, typer.Option(help="Name in tables.  [default: that of the output file]")]
Licence = Annotated[str, typer.Option(help="License of the music, kept as a note.")]
CompareWith = Annotated[
    str | None,
    typer.Option(help="Compare with clips of this front end anyway, and mark every score (W-FRONT-END)."),
]
Synthetic = Annotated[bool, typer.Option("--synthetic", help="Mark the reference as synthetic music in every table.")]


_WHOLE = 100_000  # columns, where lines are not broken


class GenreFrom(StrEnum):
    """Sources of a recording's genre."""

    folder = "folder"
    manifest = "manifest"


@app.command("build")
def build(
    source: Annotated[Path, typer.Argument(help="A folder of audio, or a manifest (CSV, JSONL) with a column 'file'.")],
    embedder: Embedder,
    out: Out,
    param: Params = None,
    name: Name = None,
    licence: Licence = "",
    genre_from: Annotated[
        GenreFrom | None,
        typer.Option(help="Label recordings by their first subfolder, or by the manifest's column 'genre'."),
    ] = None,
    statistics_only: Annotated[
        bool, typer.Option("--statistics-only", help="Keep mean and covariance only: enough for FAD, not for KAD.")
    ] = False,
    max_bad: Annotated[
        float, typer.Option(help="Stop when more than this share of the files, and more than one, is unusable.")
    ] = 0.05,
    compare_with: CompareWith = None,
    synthetic: Synthetic = False,
) -> None:
    """Embed recordings and write them as one reference file.

    Fingerprints are written beside it, so that 'check duplicates' works without the audio. With genre labels, one file
    serves as the reference for all genres and for each genre. Recordings that cannot be used are named and left out;
    the others are written, with exit status 4.
    """
    import sys

    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.config.overrides import parse_params
    from bench.contracts.embedder import EmbedderRef
    from bench.errors import FailuresRecorded
    from bench.number_format import counted, first_few
    from bench.recordings import GenreFrom as GenreSource
    from bench.recordings import folders_of, read_recordings
    from bench.references.build import ReferenceOptions, build_reference

    genres: GenreSource | None = None if genre_from is None else "folder" if genre_from == "folder" else "manifest"
    about = {"licence": licence, "synthetic": synthetic}
    clips = _front_end(compare_with)
    ref = EmbedderRef(embedder, parse_params(param or (), "--param"))
    options = ReferenceOptions(
        statistics_only, max_bad, about=about, genre_from=genres, compare_with=clips, fingerprints=True
    )
    with shown() as progress, all_or_nothing():
        built = build_reference(source, ref, out, name, options, progress)
    print(f"{out}: {built.windows} windows of {built.recordings} recordings, {len(built.skipped)} skipped")
    if genres is None and (folders := folders_of(read_recordings(source))):
        names = ", ".join(first_few(folders, 5))
        print(f"the audio is in subfolders ({names}); --genre-from folder uses them as genres", file=sys.stderr)
    if built.bad:
        raise FailuresRecorded(f"{counted(built.bad, 'recording')} left out of {out}: see above")


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            help="An .npz file with mu and cov (or <model>.mu and <model>.cov, or mu_ref and sigma_ref), or "
            "embeddings: a folder of .npy files, one per recording, or a single file."
        ),
    ],
    embedder: Embedder,
    out: Out,
    param: Params = None,
    model: Annotated[str | None, typer.Option(help="The model to take, if the file has several.")] = None,
    windows: Annotated[
        int | None, typer.Option(min=2, help="Number of windows behind the statistics; not stored in the file.")
    ] = None,
    front_end: Annotated[
        str | None,
        typer.Option(
            help="How the audio was prepared: fadtk, kadtk, ..., tunebench for the embedder's own way, or settings: "
            "'{name: mine, level: peak, target: -1}'."
        ),
    ] = None,
    compare_with: CompareWith = None,
    name: Name = None,
    licence: Licence = "",
    synthetic: Synthetic = False,
) -> None:
    """Convert statistics or embeddings saved by another tool to a reference file.

    Files of fadtk, kadtk and stable-audio-metrics are read directly. They do not say how the audio was prepared;
    say it with --front-end, as the reference is compared only with clips prepared alike.
    """
    from bench.config.overrides import parse_params
    from bench.contracts.embedder import EmbedderRef
    from bench.number_format import counted
    from bench.references.file_format import reference_path
    from bench.references.import_npz import ImportOptions, holds_statistics, import_embeddings, import_statistics

    about = {"licence": licence, "synthetic": synthetic, "provenance": {"imported": source.name, "model": model}}
    ref = EmbedderRef(embedder, parse_params(param or (), "--param"))
    options = ImportOptions(model, windows, _front_end(front_end), _front_end(compare_with), about)
    reference_path(out)
    if holds_statistics(source):
        count = import_statistics(source, ref, out, name, options)
        print(f"{out}: mean and covariance of {'' if windows else 'at least '}{count} windows")
        return
    built = import_embeddings(source, ref, out, name, options)
    if built.recordings:
        print(f"{out}: {counted(built.windows, 'window')} of {counted(built.recordings, 'recording')}")
    else:
        print(
            f"{out}: mean and covariance of {built.windows} windows; their recordings are not known, so KAD "
            "cannot use it (give a folder with one .npy file per recording instead)"
        )


@app.command("show")
def show(
    reference: Annotated[Path, typer.Argument(help="A reference file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Print the contents of a reference file."""
    import json

    from bench.references.front_ends import front_end_of
    from bench.references.load import load_reference

    loaded = load_reference(reference)
    recordings = loaded.about["recordings"]
    genres = sorted(set(loaded.genres.values()))
    counts = {genre: list(loaded.genres.values()).count(genre) for genre in genres}
    facts: dict[str, Any] = {
        "name": loaded.name,
        "embedder": loaded.about["embedder"],
        "front_end": front_end_of(loaded.about),
        "fingerprint": loaded.fingerprint,
        "windows": loaded.windows,
        "dimension": len(loaded.mean),
        "recordings": len(recordings),
        "pairs": sum(isinstance(recording, int) for recording in loaded.pairs.values()),
        "genres": counts,
        "keeps": "mean and covariance" if loaded.embeddings is None else "embeddings",
        "licence": loaded.about.get("licence", ""),
        "provenance": loaded.about.get("provenance", {}),
        "warnings": [warning.sentence for warning in loaded.warnings],
    }
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    from bench.cli.output import page_layout
    from bench.contracts.identity import plugin_label
    from bench.text_table import definitions

    facts["embedder"] = plugin_label(facts["embedder"])
    page = page_layout()
    entries = [(fact, [page.line(_plain(value))]) for fact, value in facts.items()]
    print(definitions(entries, page.width or _WHOLE, indent=0))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items() if item not in ("", None))
    return "; ".join(value) if isinstance(value, list) else str(value)


def _front_end(given: str | None) -> Any:
    """Parse a front end: a name, or settings as a YAML mapping on one line."""
    if given is None or not given.lstrip().startswith("{"):
        return given
    import yaml

    from bench.errors import UsageError, one_line

    try:
        return yaml.safe_load(given)
    except yaml.YAMLError as error:
        raise UsageError(f"the front end {given!r:.60} is not a mapping ({one_line(error)[:120]})") from None
