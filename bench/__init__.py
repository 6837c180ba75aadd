"""tunebench: did the tuning make the music better, and how sure are we?

The names below are the public interface for plugin authors and scripts; each is imported when first used, so that
starting the command line stays light. Trainings have theirs in `models.training`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.bundle.pack import Bundle
    from bench.bundle.pack import pack as pack_bundle
    from bench.bundle.verification import Deviation, Place, Verification
    from bench.bundle.verify import verify as verify_bundle
    from bench.config.run_config import CommonGround, ExecutorConfig, MetricConfig, ModelConfig, RunConfig, load_config
    from bench.conformance.check import Report as ModelReport
    from bench.conformance.check import check as check_model
    from bench.conformance.checks import Finding as ModelFinding
    from bench.contracts.audio import Audio, read_audio
    from bench.contracts.clip_view import View
    from bench.contracts.embedder import Embedder, EmbedderRef
    from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Estimate, Score
    from bench.contracts.model import GenerationRequest, MusicModel
    from bench.contracts.notes import Note, Notes
    from bench.contracts.notice import Notice
    from bench.contracts.prompt import Prompt, PromptSuite
    from bench.contracts.prompt_suite import load_suite_named as load_suite
    from bench.contracts.set_metric import Difference, EmbeddingSet, Reference, SetMetric
    from bench.errors import (
        DataError,
        GenerationError,
        MissingError,
        TransientError,
        TunebenchError,
        Undefined,
        UsageError,
    )
    from bench.execution.score_audio import AudioScores, score_audio
    from bench.export.hugging_face import Exported
    from bench.export.hugging_face import export as export_hugging_face
    from bench.pipeline.dry_run import RunPreview, Stage
    from bench.pipeline.dry_run import preview as preview_run
    from bench.pipeline.merge_shards import Merged
    from bench.pipeline.merge_shards import merge as merge_shards
    from bench.pipeline.rates import Rate
    from bench.pipeline.read_run import Run
    from bench.pipeline.repair_run import Repaired, inspect_run, repair_run
    from bench.pipeline.run import rescore, run
    from bench.planning.shards import Shard
    from bench.progress import Progress
    from bench.recordings import Recording
    from bench.references.build import Built, ReferenceOptions, build_reference
    from bench.references.import_npz import import_statistics as import_reference
    from bench.references.load import load_reference
    from bench.report.build import build_report
    from bench.storage.failures import Failure
    from bench.storage.inspect_run import Finding as RunFinding
    from bench.storage.orphans import Settled
    from bench.storage.task_results import ClipMade
    from bench.survey.analysis import analyse as analyze_survey
    from bench.survey.listener_results import Agreement
    from bench.survey.metric_agreement import Ceiling, Coefficient, Prediction, Predictions
    from bench.survey.metric_agreement import predict as predict_ratings
    from bench.survey.metric_picks import Pick
    from bench.survey.rating_range import Range
    from bench.survey.ratings import Exclusion, Preferences, Ratings
    from bench.survey.reading import read_ratings, read_survey
    from bench.survey.results import (
        Analysis,
        CustomaryTest,
        EquivalenceTest,
        GenreComparison,
        ModelRating,
        OmnibusTest,
        SurveyComparison,
        SurveyDesign,
        VarianceComponents,
    )
    from bench.survey.vote_agreement import Accuracy, VoteCeiling, VotePredictions, predict_votes
    from bench.survey.vote_results import Strength

    __version__: str

# Where each stands: its module below `bench`, and after a colon its name there, if that is another.
_HOMES = {
    "Accuracy": "survey.vote_agreement",
    "Agreement": "survey.listener_results",
    "Analysis": "survey.results",
    "Audio": "contracts.audio",
    "AudioScores": "execution.score_audio",
    "Built": "references.build",
    "Bundle": "bundle.pack",
    "Ceiling": "survey.metric_agreement",
    "ClipMade": "storage.task_results",
    "ClipMetric": "contracts.metric",
    "Coefficient": "survey.metric_agreement",
    "CommonGround": "config.run_config",
    "CustomaryTest": "survey.results",
    "DataError": "errors",
    "DecodedClip": "contracts.metric",
    "Deviation": "bundle.verification",
    "Difference": "contracts.set_metric",
    "Direction": "contracts.metric",
    "Embedder": "contracts.embedder",
    "EmbedderRef": "contracts.embedder",
    "EmbeddingSet": "contracts.set_metric",
    "EquivalenceTest": "survey.results",
    "Estimate": "contracts.metric",
    "Exclusion": "survey.ratings",
    "ExecutorConfig": "config.run_config",
    "Exported": "export.hugging_face",
    "Failure": "storage.failures",
    "GenerationError": "errors",
    "GenerationRequest": "contracts.model",
    "GenreComparison": "survey.results",
    "Merged": "pipeline.merge_shards",
    "MetricConfig": "config.run_config",
    "MissingError": "errors",
    "ModelConfig": "config.run_config",
    "ModelFinding": "conformance.checks:Finding",
    "ModelRating": "survey.results",
    "ModelReport": "conformance.check:Report",
    "MusicModel": "contracts.model",
    "Note": "contracts.notes",
    "Notes": "contracts.notes",
    "Notice": "contracts.notice",
    "OmnibusTest": "survey.results",
    "Pick": "survey.metric_picks",
    "Place": "bundle.verification",
    "Prediction": "survey.metric_agreement",
    "Predictions": "survey.metric_agreement",
    "Preferences": "survey.ratings",
    "Progress": "progress",
    "Prompt": "contracts.prompt",
    "PromptSuite": "contracts.prompt",
    "Range": "survey.rating_range",
    "Rate": "pipeline.rates",
    "Ratings": "survey.ratings",
    "Recording": "recordings",
    "Reference": "contracts.set_metric",
    "ReferenceOptions": "references.build",
    "Repaired": "pipeline.repair_run",
    "Run": "pipeline.read_run",
    "RunConfig": "config.run_config",
    "RunFinding": "storage.inspect_run:Finding",
    "RunPreview": "pipeline.dry_run",
    "Score": "contracts.metric",
    "SetMetric": "contracts.set_metric",
    "Settled": "storage.orphans",
    "Shard": "planning.shards",
    "Stage": "pipeline.dry_run",
    "Strength": "survey.vote_results",
    "SurveyComparison": "survey.results",
    "SurveyDesign": "survey.results",
    "TransientError": "errors",
    "TunebenchError": "errors",
    "Undefined": "errors",
    "UsageError": "errors",
    "VarianceComponents": "survey.results",
    "Verification": "bundle.verification",
    "View": "contracts.clip_view",
    "VoteCeiling": "survey.vote_agreement",
    "VotePredictions": "survey.vote_agreement",
    "analyze_survey": "survey.analysis:analyse",
    "build_reference": "references.build",
    "build_report": "report.build",
    "check_model": "conformance.check:check",
    "export_hugging_face": "export.hugging_face:export",
    "import_reference": "references.import_npz:import_statistics",
    "inspect_run": "pipeline.repair_run",
    "load_config": "config.run_config",
    "load_reference": "references.load",
    "load_suite": "contracts.prompt_suite:load_suite_named",
    "merge_shards": "pipeline.merge_shards:merge",
    "pack_bundle": "bundle.pack:pack",
    "predict_ratings": "survey.metric_agreement:predict",
    "predict_votes": "survey.vote_agreement",
    "preview_run": "pipeline.dry_run:preview",
    "read_audio": "contracts.audio",
    "read_ratings": "survey.reading",
    "read_survey": "survey.reading",
    "repair_run": "pipeline.repair_run",
    "rescore": "pipeline.run",
    "run": "pipeline.run",
    "score_audio": "execution.score_audio",
    "verify_bundle": "bundle.verify:verify",
}

__all__ = [
    "Accuracy",
    "Agreement",
    "Analysis",
    "Audio",
    "AudioScores",
    "Built",
    "Bundle",
    "Ceiling",
    "ClipMade",
    "ClipMetric",
    "Coefficient",
    "CommonGround",
    "CustomaryTest",
    "DataError",
    "DecodedClip",
    "Deviation",
    "Difference",
    "Direction",
    "Embedder",
    "EmbedderRef",
    "EmbeddingSet",
    "EquivalenceTest",
    "Estimate",
    "Exclusion",
    "ExecutorConfig",
    "Exported",
    "Failure",
    "GenerationError",
    "GenerationRequest",
    "GenreComparison",
    "Merged",
    "MetricConfig",
    "MissingError",
    "ModelConfig",
    "ModelFinding",
    "ModelRating",
    "ModelReport",
    "MusicModel",
    "Note",
    "Notes",
    "Notice",
    "OmnibusTest",
    "Pick",
    "Place",
    "Prediction",
    "Predictions",
    "Preferences",
    "Progress",
    "Prompt",
    "PromptSuite",
    "Range",
    "Rate",
    "Ratings",
    "Recording",
    "Reference",
    "ReferenceOptions",
    "Repaired",
    "Run",
    "RunConfig",
    "RunFinding",
    "RunPreview",
    "Score",
    "SetMetric",
    "Settled",
    "Shard",
    "Stage",
    "Strength",
    "SurveyComparison",
    "SurveyDesign",
    "TransientError",
    "TunebenchError",
    "Undefined",
    "UsageError",
    "VarianceComponents",
    "Verification",
    "View",
    "VoteCeiling",
    "VotePredictions",
    "__version__",
    "analyze_survey",
    "build_reference",
    "build_report",
    "check_model",
    "export_hugging_face",
    "import_reference",
    "inspect_run",
    "load_config",
    "load_reference",
    "load_suite",
    "merge_shards",
    "pack_bundle",
    "predict_ratings",
    "predict_votes",
    "preview_run",
    "read_audio",
    "read_ratings",
    "read_survey",
    "repair_run",
    "rescore",
    "run",
    "score_audio",
    "verify_bundle",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tunebench")
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    module, _, own_name = _HOMES[name].partition(":")
    return getattr(import_module(f"bench.{module}"), own_name or name)


def __dir__() -> list[str]:
    return sorted(__all__)
