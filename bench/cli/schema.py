"""``tunebench schema``: JSON Schemas of configurations, with which editors complete and check them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Configuration(StrEnum):
    """Kinds of configuration."""

    run = "run"
    train = "train"
    recipe = "recipe"
    listening_test = "listening-test"


def command(
    kind: Annotated[Configuration, typer.Argument(help="Kind of configuration.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it to this file instead of printing it.")
    ] = None,
) -> None:
    """Print the JSON Schema of runs, trainings, recipes or listening tests, for completion in editors.

    The configurations that tunebench writes, and those of its documentation, name KIND.schema.json beside them in their
    first lines. With that file there, editors with a YAML language server offer every setting and say what it means.
    """
    import json

    text = json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
        return
    from bench.atomic_write import replace_file
    from bench.errors import UsageError

    try:
        replace_file(out, text)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error
    print(out)


def schema_of(kind: Configuration) -> dict[str, Any]:
    """Return the schema of one kind of configuration, with the names of all installed plugins."""
    from bench.config.json_schema import json_schema, nested
    from bench.config.recipe import Recipe
    from bench.config.run_config import RunConfig
    from bench.contracts.entry_points import declared
    from models.training.config import TrainConfig

    suites, models, metrics = list(declared("suite")), list(declared("model")), list(declared("metric"))
    names = {
        "RunConfig.suite": suites,
        "RunConfig.reference": list(declared("reference")),
        "RunConfig.models": models,
        "RunConfig.metrics": metrics,
        "ModelConfig.name": models,
        "MetricConfig.name": metrics,
        "ListeningConfig.suite": suites,
        "ListeningConfig.metrics": metrics,
    }
    run = json_schema(RunConfig, "Configuration of 'tunebench run'", names)
    train = json_schema(TrainConfig, "Configuration of 'tunebench train run'", names)
    if kind is Configuration.run:
        return run
    if kind is Configuration.train:
        return train
    if kind is Configuration.listening_test:
        from bench.listening_test.settings import ListeningTest

        return json_schema(ListeningTest, "Settings of 'tunebench survey new'", names)
    return nested(json_schema(Recipe, "Recipe of 'tunebench train recipe'", names), {"train": train, "run": run})
