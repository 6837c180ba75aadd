"""tunebench: did the tuning make the music better, and how sure are we?

The names below are the public interface for plugin authors and scripts; each is imported when first used, so that
the command line starts quickly. The names of trainings are in `models.training`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench.public_names import HOMES, OWN_NAMES

if TYPE_CHECKING:
    from bench.bundle.accept import VerifyOptions
    from bench.bundle.board import BuiltBoard, build_board
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
    from bench.contracts.front_end import FrontEnd
    from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Estimate, Score
    from bench.contracts.model import GenerationRequest, MusicModel
    from bench.contracts.notes import Note, Notes
    from bench.contracts.notice import Notice
    from bench.contracts.pairs_file import PairsFile
    from bench.contracts.prompt import Prompt, PromptSuite
    from bench.contracts.prompt_file import SuiteFile
    from bench.contracts.prompt_suite import load_suite_named as load_suite
    from bench.contracts.set_metric import Difference, EmbeddingSet, Reference, SetMetric
    from bench.contracts.tuning import Tuning
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
    from bench.export.ml_flow import log_to_mlflow
    from bench.export.push import push as push_to_hub
    from bench.export.weights_and_biases import LoggedRow, log_to_wandb
    from bench.kept_environment import KeptEnvironment
    from bench.listening_test.create import create_listening_test
    from bench.listening_test.design import HeardItem, ListeningDesign, SoundFile
    from bench.listening_test.read_test import read_listening_test
    from bench.listening_test.sessions import ListenerWorkload, ListeningTrial
    from bench.listening_test.settings import (
        ListenerQuestion,
        ListeningChecks,
        ListeningScreening,
        ListeningTest,
        ListeningWording,
        PanelCompletion,
        RatedScale,
        load_listening_test,
    )
    from bench.listening_test.static_pages import write_listening_pages
    from bench.memorisation.duplicates import ComparedCollection, DuplicatePair, Duplicates, find_duplicates
    from bench.pipeline.dry_run import RunPreview, Stage
    from bench.pipeline.dry_run import preview as preview_run
    from bench.pipeline.make_environments import make_environments
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
    from bench.references.import_npz import ImportOptions
    from bench.references.import_npz import import_statistics as import_reference
    from bench.references.load import load_reference
    from bench.report.build import build_report
    from bench.report.survey_results import ListeningResults
    from bench.storage.failures import Failure
    from bench.storage.inspect_run import Finding as RunFinding
    from bench.storage.orphans import Settled
    from bench.storage.task_results import ClipMade
    from bench.survey.analysis import analyse as analyze_survey
    from bench.survey.answer_rules import AnswerRules, Condition
    from bench.survey.forms.questionnaire import BlindClip, Questionnaire
    from bench.survey.listener_results import Agreement, GroupMean, ListenerRating
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
        OrdinalModel,
        SurveyComparison,
        SurveyDesign,
        VarianceComponents,
    )
    from bench.survey.template import write_template as write_survey_template
    from bench.survey.vote_agreement import Accuracy, VoteCeiling, VotePredictions, predict_votes
    from bench.survey.vote_results import SideChoice, Strength, StrengthDifference, StrengthFit
    from bench.survey_question import SurveyQuestion

    __version__: str

__all__ = [
    "Accuracy",
    "Agreement",
    "Analysis",
    "AnswerRules",
    "Audio",
    "AudioScores",
    "BlindClip",
    "Built",
    "BuiltBoard",
    "Bundle",
    "Ceiling",
    "ClipMade",
    "ClipMetric",
    "Coefficient",
    "CommonGround",
    "ComparedCollection",
    "Condition",
    "CustomaryTest",
    "DataError",
    "DecodedClip",
    "Deviation",
    "Difference",
    "Direction",
    "DuplicatePair",
    "Duplicates",
    "Embedder",
    "EmbedderRef",
    "EmbeddingSet",
    "EquivalenceTest",
    "Estimate",
    "Exclusion",
    "ExecutorConfig",
    "Exported",
    "Failure",
    "FrontEnd",
    "GenerationError",
    "GenerationRequest",
    "GenreComparison",
    "GroupMean",
    "HeardItem",
    "ImportOptions",
    "KeptEnvironment",
    "ListenerQuestion",
    "ListenerRating",
    "ListenerWorkload",
    "ListeningChecks",
    "ListeningDesign",
    "ListeningResults",
    "ListeningScreening",
    "ListeningTest",
    "ListeningTrial",
    "ListeningWording",
    "LoggedRow",
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
    "OrdinalModel",
    "PairsFile",
    "PanelCompletion",
    "Pick",
    "Place",
    "Prediction",
    "Predictions",
    "Preferences",
    "Progress",
    "Prompt",
    "PromptSuite",
    "Questionnaire",
    "Range",
    "Rate",
    "RatedScale",
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
    "SideChoice",
    "SoundFile",
    "Stage",
    "Strength",
    "StrengthDifference",
    "StrengthFit",
    "SuiteFile",
    "SurveyComparison",
    "SurveyDesign",
    "SurveyQuestion",
    "TransientError",
    "TunebenchError",
    "Tuning",
    "Undefined",
    "UsageError",
    "VarianceComponents",
    "Verification",
    "VerifyOptions",
    "View",
    "VoteCeiling",
    "VotePredictions",
    "__version__",
    "analyze_survey",
    "build_board",
    "build_reference",
    "build_report",
    "check_model",
    "create_listening_test",
    "export_hugging_face",
    "find_duplicates",
    "import_reference",
    "inspect_run",
    "load_config",
    "load_listening_test",
    "load_reference",
    "load_suite",
    "log_to_mlflow",
    "log_to_wandb",
    "make_environments",
    "merge_shards",
    "pack_bundle",
    "predict_ratings",
    "predict_votes",
    "preview_run",
    "push_to_hub",
    "read_audio",
    "read_listening_test",
    "read_ratings",
    "read_survey",
    "repair_run",
    "rescore",
    "run",
    "score_audio",
    "verify_bundle",
    "write_listening_pages",
    "write_survey_template",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tunebench")
    if name not in HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(import_module(f"bench.{HOMES[name]}"), OWN_NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
