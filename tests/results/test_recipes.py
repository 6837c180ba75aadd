"""The shipped recipes: each parameter says whose it is; the same files, shrunk, run from training to leaderboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.cli.recipe import command
from bench.config.changes import values_at
from bench.config.recipe import Recipe, load_recipe, shipped
from bench.config.run_config import MetricConfig, ModelConfig, RunConfig
from bench.contracts.entry_points import Kind
from bench.contracts.parameters import bind
from bench.contracts.plugins import find, load
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import DataError, MissingError, TunebenchError, UsageError
from models.training.config import TrainConfig, parse_train_config

NAMES = ("ace-step-lora-hip-hop", "audioldm-lora", "stable-audio-3-lora-musiccaps", "stable-audio-lora-musiccaps")
OWN = ("nano",)  # which no source states anything of
OURS = ("name", "about", "stated")  # words of the recipe itself, not parameters

TINY = """
name: tiny
about: nobody
train:
  lora: {base: {kind: audioldm, checkpoint: base}, data: {path: composer}, steps: 2}
run:
  models: [{name: audioldm, as: base}, {name: audioldm, as: tuned, params: {adapter: "{trained:lora}"}}]
  seeds: [0, 1]
compare: [[base, tuned]]
stated: {train.*.steps: page 1, run.seeds.*: page 2}
"""


def leaves(node: yaml.Node, place: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """Path and line of each scalar; what is merged or aliased is at the line where it is written."""
    if isinstance(node, yaml.MappingNode):
        own = {key.value for key, _ in node.value}
        for key, value in node.value:
            if key.value != "<<":
                yield from leaves(value, (*place, key.value))
            else:
                yield from (
                    (path, line) for path, line in leaves(value, place) if path.split(".")[len(place)] not in own
                )
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from leaves(item, (*place, str(number)))
    else:
        yield ".".join(place), node.start_mark.line


def written(tmp_path: Path, text: str = TINY) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    return path


def trainings(recipe: Recipe) -> dict[str, TrainConfig]:
    return {label: parse_train_config(content) for label, content in recipe.train.items()}


def run_of(recipe: Recipe) -> RunConfig:
    return recipe.run_config({label: Path(label) for label in recipe.train})


def test_all_experiments_are_shipped_and_told_apart_from_their_suites() -> None:
    assert tuple(shipped()) == tuple(sorted((*NAMES, *OWN)))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_says_whether_the_source_states_it(name: str) -> None:
    text = shipped()[name].read_text()
    lines = text.splitlines()
    stated = load_recipe(name).stated
    wrong = []
    root = yaml.compose(text, yaml.SafeLoader)
    assert root is not None
    for path, line in leaves(root):
        if path.partition(".")[0] in OURS:
            continue
        comment = lines[line].partition("  # ")[2]
        claimed = any(f"{path}.".startswith(f"{place}.") for place in stated)
        if not comment.startswith("stated" if claimed else "ours"):
            wrong.append(f"line {line + 1}: {path} is {'stated' if claimed else 'ours'}, and marked '{comment}'")
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stated_exists_and_says_where(name: str) -> None:
    content = yaml.safe_load(shipped()[name].read_text())
    assert content["stated"]
    for path, where in content["stated"].items():
        assert values_at(content, path), path
        assert isinstance(where, str) and where.strip(), path


@pytest.mark.parametrize("name", (*NAMES, *OWN))
def test_nothing_that_decides_the_numbers_is_left_to_a_default(name: str) -> None:
    recipe = load_recipe(name)
    for label, config in trainings(recipe).items():
        given = recipe.train[label]
        deciding = config.deciding.keys() - {"ema"}  # of full fine-tuning only
        assert deciding <= given.keys(), deciding - given.keys()
        for table, settings in (("lora", config.lora), ("optimizer", config.optimizer)):
            assert type(settings).model_fields.keys() == given[table].keys(), table
    assert {"suite", "models", "metrics", "seeds", "duration"} <= recipe.run.keys()


def test_the_figures_of_the_stable_audio_paper() -> None:
    recipe = load_recipe("stable-audio-lora-musiccaps")
    run, (training,) = run_of(recipe), trainings(recipe).values()
    suite = load_suite_named(run.suite)
    assert training.base.checkpoint == "stabilityai/stable-audio-open-1.0"
    assert training.data.format == "musiccaps" and recipe.protocol["clips"] == 5357
    assert all(name.startswith("attn2.") for name in training.targets)  # the cross-attention
    assert {prompt.genre for prompt in suite.prompts} == {"choral", "classical", "dance", "jazz", "pop", "rock"}
    assert run.duration == 20 and recipe.protocol["listeners"] == 5
    assert {model.params["guidance"] for model in run.models} == {7}
    # LoRAW's optimizer is Adam, which decays no weights; the paper speaks of LoRA, LoRAW's example is a DoRA.
    assert (training.lora.rank, training.lora.dora, training.optimizer.weight_decay) == (16, False, 0)
    assert {"harmonic-accuracy", "melodic-complexity", "rhythmic-inconsistency"} <= {m.name for m in run.metrics}


def test_the_successor_is_given_what_the_paper_gave_its_model_and_beside_it_magnitudes() -> None:
    old, new = load_recipe("stable-audio-lora-musiccaps"), load_recipe("stable-audio-3-lora-musiccaps")
    before, (lora, dora) = run_of(old), trainings(new).values()
    run = run_of(new)
    same = ("suite", "metrics", "seeds", "duration")
    assert [getattr(run, name) for name in same] == [getattr(before, name) for name in same]
    assert {model.params["guidance"] for model in run.models} == {7}
    assert [model.label for model in run.models] == ["base", "lora", "dora"]
    assert (lora.lora.dora, dora.lora.dora) == (False, True)
    assert lora.model_copy(update={"lora": dora.lora}) == dora
    assert (lora.lora.rank, lora.alpha, lora.optimizer.betas, lora.optimizer.weight_decay) == (
        16,
        16,
        (0.9, 0.95),
        0.01,
    )
    (change,) = re.findall(r"--set '(train.*?)'", shipped()["stable-audio-3-lora-musiccaps"].read_text())
    changed = trainings(load_recipe("stable-audio-3-lora-musiccaps", [change]))
    assert {training.targets for training in changed.values()} == {
        ("cross_attn.to_q", "cross_attn.to_kv", "cross_attn.to_out")
    }


def test_the_changes_that_recipes_name_can_be_made() -> None:
    text = {name: " ".join(line.strip("# ") for line in shipped()[name].read_text().splitlines()) for name in NAMES}
    (example,) = re.findall(r"--set '(train.*?})'", text["stable-audio-lora-musiccaps"])
    (training,) = trainings(load_recipe("stable-audio-lora-musiccaps", [example])).values()
    assert training.lora.dora and "proj_in" in training.targets and training.lora.rank == 16
    changes = re.findall(r"--set (run\S*)", text["audioldm-lora"])
    run = run_of(load_recipe("audioldm-lora", changes))
    assert run.duration == 10 and {model.params["guidance"] for model in run.models} == {5}


def test_the_figures_of_the_audioldm_paper() -> None:
    recipe = load_recipe("audioldm-lora")
    run, configs = run_of(recipe), trainings(recipe)
    assert {(c.lora.rank, c.alpha) for c in configs.values()} == {(r, a) for r in (1, 2, 4, 8) for a in (r, 2 * r)}
    for label, config in configs.items():
        assert label == f"r{config.lora.rank}-a{config.alpha:g}"
        assert config.base.checkpoint == "cvssp/audioldm-s-full-v2" and config.targets == ("to_q", "to_v")
        assert (config.lora.init, config.batch, config.precision) == ("gaussian", 2, "fp32")
        assert (config.optimizer.lr, config.optimizer.weight_decay, config.schedule.kind) == (1e-5, 1e-5, "polynomial")
        assert config.guidance_dropout > 0 and config.crop == run.duration == 4  # what is judged is what was trained
    assert [model.params.get("adapter") for model in run.models] == [None, *configs]
    assert {model.params["steps"] for model in run.models} == {50} and len(run.seeds) == 5
    assert load_suite_named(run.suite).prompts[0].text == "hip hop music, The subgenre of hip-hop is boom bap."


def test_ace_step_learns_the_genre_of_the_audioldm_paper() -> None:
    recipe, source = load_recipe("ace-step-lora-hip-hop"), load_recipe("audioldm-lora")
    run, configs = run_of(recipe), trainings(recipe)
    assert load_suite_named(run.suite) == load_suite_named(run_of(source).suite)
    assert recipe.protocol["dataset"] == source.protocol["dataset"] and len(run.seeds) == len(run_of(source).seeds)
    assert {(c.base.kind, c.lora.rank, c.alpha) for c in configs.values()} == {("ace-step", 8, 16)}
    assert [configs[name].lora.dora for name in ("lora", "dora")] == [False, True]
    assert {c.crop for c in configs.values()} == {run.duration}  # what is judged is what was trained
    text = " ".join(line.strip("# ") for line in shipped()["ace-step-lora-hip-hop"].read_text().splitlines())
    changes = re.findall(r"--set '((?:train|run)[^']*)'", text)
    turbo = load_recipe("ace-step-lora-hip-hop", changes)
    assert {model.params["steps"] for model in run_of(turbo).models} == {8}
    assert "turbo" in str(trainings(turbo)["dora"].base.checkpoint)


@pytest.mark.parametrize("name", NAMES)
def test_models_and_metrics_take_what_the_recipe_gives_them(name: str) -> None:
    run = run_of(load_recipe(name))
    kinds: list[tuple[Kind, Sequence[ModelConfig | MetricConfig]]] = [("model", run.models), ("metric", run.metrics)]
    for kind, entries in kinds:
        for entry in entries:
            plugin = find(kind, entry.name)
            bind(plugin, load(plugin), entry.params)


def test_a_change_replaces_one_parameter_and_unstates_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    plain = load_recipe(path)
    assert plain.stated == {"train.lora.steps": "page 1", "run.seeds.0": "page 2", "run.seeds.1": "page 2"}
    changed = load_recipe(path, ["train.*.steps=7", "run.seeds.1=5", "run.duration=2.5", "train.lora.lora={rank: 3}"])
    assert changed.train["lora"] == {**plain.train["lora"], "steps": 7, "lora": {"rank": 3}}
    assert changed.run == {**plain.run, "seeds": [0, 5], "duration": 2.5}
    assert changed.stated == {"run.seeds.0": "page 2"}
    assert load_recipe(path, ["run.seeds=[4]"]).stated == {"train.lora.steps": "page 1"}


def test_a_change_of_what_is_merged_from_one_place_reaches_one_row() -> None:
    recipe = load_recipe("audioldm-lora", ["train.r2-a4.base.checkpoint=here", "run.models.3.params.steps=9"])
    assert [label for label, c in trainings(recipe).items() if c.base.checkpoint == "here"] == ["r2-a4"]
    assert [number for number, m in enumerate(run_of(recipe).models) if m.params["steps"] == 9] == [3]


def test_the_recipe_that_is_kept_is_the_one_that_was_followed(tmp_path: Path) -> None:
    recipe = load_recipe("audioldm-lora", ["run.duration=3"])
    assert load_recipe(written(tmp_path, recipe.as_yaml())) == recipe


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{trained:lora}", "{trained:lroa}", "'lroa' .*'lora'"),
        ("{trained:lora}", "{traind:lora}", "'{traind:lora}'"),
        ("{trained:lora}", "{lora}", "'{lora}'"),
        ("{trained:lora}", "{beside:none.yaml}", "'none.yaml'"),
        ("path: composer", 'path: "{trained:lora}"', "{trained:lora}"),
        ("[base, tuned]", "[base, tunde]", "'tunde' .*'tuned'"),
        ("name: audioldm, as: base", "name: audioldm, sa: base", "'models.0.sa'"),
        ("compare:", "speed: full\ncompare:", "'full'"),
        ("compare:", "reprot: true\ncompare:", "'reprot' .*'report'"),
        ("train.*.steps", "train.*.stpes", "'train[.][*][.]stpes'"),
        ("stated: {", "stated: [", "YAML"),
        ("about: nobody", "about: nobody\nprotocol: &a {a: *a}", "contains itself"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TINY
    with pytest.raises(TunebenchError) as caught:
        load_recipe(written(tmp_path, TINY.replace(old, new)))
    assert re.search(says, str(caught.value)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("train.lora.steps", "PATH=VALUE"),
        ("=3", "PATH=VALUE"),
        ("train..steps=3", "PATH=VALUE"),
        ("train.lroa.steps=3", "train.lroa.steps: .*'lroa' .*'lora'"),
        ("trian=3", "'trian' .*'train'"),
        ("run.models.2.params={}", "'2'"),
        ("run.models.2={}", "'2'"),
        ("run.duration.x=3", "run.duration.x: .*'duration'"),
        ("train.lora.steps.x=3", "train.lora.steps.x: .*'x'"),
        ("run.duration=[1", "YAML"),
        ("run.duration=-1", "duration: .* 0"),
    ],
)
def test_a_mistake_in_a_change_is_named(tmp_path: Path, change: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(written(tmp_path), [change])
    assert re.search(says, str(caught.value)) and "\n" not in str(caught.value)


def test_an_unknown_recipe_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("audioldm-lra")
    assert "'audioldm-lora'" in str(caught.value)  # the near one
    assert all(name in str(caught.value) for name in ("ace-step-lora-hip-hop", "nano", "stable-audio-3-lora-mus"))
    with pytest.raises(UsageError, match=r"none\.yaml"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises((UsageError, DataError)):
        load_recipe(written(tmp_path, "- a list"))


def test_a_mistake_in_a_training_is_found_before_anything_is_made(tmp_path: Path) -> None:
    changes = ["train.lora.optimzer={}"]
    with pytest.raises(UsageError) as caught:
        command(str(written(tmp_path)), tmp_path / "out", changes)
    assert all(word in str(caught.value) for word in ("'tiny'", "train.lora", "'optimzer'"))
    assert not (tmp_path / "out").exists()


# What turns an experiment on a GPU into one of seconds: tiny checkpoints, composed music, few and short clips.
def shrunk(kind: str, room: Path) -> list[str]:
    suite = room / "two.yaml"
    suite.write_text(
        "name: two\nversion: 1\nprompts:\n"
        "  - {id: a, genre: jazz, level: 1, text: slow jazz}\n  - {id: b, genre: rock, level: 1, text: loud rock}\n"
    )
    base = room / kind
    data = {"path": "composer", "audio": str(room / "composed"), "clips": 4, "seconds": 1, "validation": 0.3}
    return [
        f"train.*.base.checkpoint={base}",
        f"train.*.data={json.dumps(data)}",
        "train.*.epochs=null",
        "train.*.steps=2",
        "train.*.batch=2",
        "train.*.device=cpu",
        "train.*.validation.every=2",
        "train.*.validation.clips.every=0",
        f"run.suite={suite}",
        f"run.models.*.params.checkpoint={base}",
        "run.models.*.params.steps=2",
        "run.models.*.params.device=cpu",
        f"run.metrics=[{'kad' if kind == 'audioldm' else 'pitch-variety'}]",
        "run.reference=composer",
        "run.seeds=[0]",
        "run.duration=1",
        "run.executor={workers: 0}",
    ]


OF_STABLE_AUDIO = ["train.*.base.revision=null", "run.models.*.params.revision=null", "speed=null"]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of each kind."""
    for module in ("torch", "diffusers", "peft", "accelerate"):
        pytest.importorskip(module)
    import torch

    from models import tiny

    torch.set_num_threads(1)
    room = tmp_path_factory.mktemp("recipes")
    for kind in ("audioldm", "stable-audio", "stable-audio-3"):
        tiny.make(kind, room / kind)
    return room


@pytest.mark.slow(6)
@pytest.mark.parametrize(
    ("name", "kind", "more", "labels"),
    [
        ("stable-audio-lora-musiccaps", "stable-audio", OF_STABLE_AUDIO, ["lora"]),
        ("stable-audio-3-lora-musiccaps", "stable-audio-3", ["speed=null"], ["lora", "dora"]),
        ("audioldm-lora", "audioldm", [], [f"r{r}-a{a}" for r in (1, 2, 4, 8) for a in (r, 2 * r)]),
    ],
)
def test_a_recipe_runs_from_training_to_report(
    name: str, kind: str, more: list[str], labels: list[str], room: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changes, out = [*shrunk(kind, room), *more], room / f"out-{kind}"
    command(name, out, changes)
    table = capfd.readouterr().out
    rows = ["base", "tuned"] if labels == ["lora"] else ["base", *labels]
    assert [line.split()[0] for line in table.split("\n\n")[0].splitlines() if line.split()[0] in rows] == rows
    recipe = load_recipe(out / "recipe.yaml")
    words = " ".join(table.split())
    assert [f"A is {a} and B is {b}" in words for a, b in recipe.compare] == [True] * len(recipe.compare) != []
    assert str(out / "run" / "report" / "index.html") in table.splitlines()
    assert (out / "run" / "report" / "index.html").is_file()
    for label, config in trainings(recipe).items():
        card: dict[str, Any] = json.loads((out / "train" / label / "adapter" / "card.json").read_text())
        targets = config.targets if isinstance(config.targets, str) else list(config.targets)
        assert (card["rank"], card["steps"], card["targets"]) == (config.lora.rank, 2, targets)
        assert card["dora"] is config.lora.dora
    assert len(list((out / "run" / "audio").rglob("*.flac"))) == 2 * len(rows)

    made = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.suffix in (".flac", ".safetensors")}
    command(name, out, changes)
    assert capfd.readouterr().out == table
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command("audioldm-lora", room / "none", shrunk("audioldm", room), dry_run=True)
    told = capfd.readouterr().out
    assert "Applied Sciences" in told and told.count("2 steps of 2; 4 examples") == 8
    assert "run: clips of 1 s\n  base: 2\n  r1-a1: 2\n" in told and "r8-a16 with base" in told
    assert not (room / "none").exists()


def test_a_dry_run_counts_the_weights_that_a_training_counts(room: Path) -> None:
    from models.training.lora import prepare, trainable
    from models.training.preview import preview
    from models.training.registry import open_trainee

    config = trainings(load_recipe("stable-audio-lora-musiccaps", [*shrunk("stable-audio", room), *OF_STABLE_AUDIO]))
    (training,) = config.values()
    told = preview(training).weights
    trainee = open_trainee(training)
    prepare(trainee, training)
    assert told is not None
    assert told.trained == sum(weight.numel() for weight in trainable(trainee.network).values())
    assert told.of == sum(weight.numel() for weight in trainee.network.parameters())


def test_a_dry_run_names_what_is_missing_and_fails_as_the_run_would(
    tmp_path: Path, room: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changes = [*shrunk("audioldm", room), f"train.r1-a1.data.path={tmp_path / 'nowhere'}"]
    with pytest.raises((UsageError, MissingError), match="nowhere"):
        command("audioldm-lora", tmp_path / "out", changes, dry_run=True)
    told = capfd.readouterr().out
    assert told.count("2 steps of 2; 4 examples") == 7 and "\n  base: 2\n" in told
