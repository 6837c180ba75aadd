"""``--set PATH=VALUE`` and the other options that replace settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.config.changes import change, values_at
from bench.config.overrides import Overrides, load_overridden, parse_named, parse_params
from bench.config.run_config import RunConfig, parse_config
from bench.errors import DataError, UsageError

KEYS = st.text("abc", min_size=1, max_size=2)
VALUES = st.none() | st.booleans() | st.integers(-99, 99) | st.text("xy ", max_size=3)
TREES: Any = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


def _leaves(tree: Any, above: str = "") -> dict[str, Any]:
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = {f"{above}.{key}".lstrip("."): value for key, value in inside}
    return {k: v for place, value in found.items() for k, v in {place: value, **_leaves(value, place)}.items()}


@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=3), VALUES, st.data())
def test_one_place_gets_the_value_and_all_others_stay(tree: Any, value: Any, data: st.DataObject) -> None:
    before = _leaves(tree)
    path = data.draw(st.sampled_from(sorted(before)))
    after = _leaves(change(tree, f"{path}={yaml.safe_dump([value], default_flow_style=True).strip()[1:-1]}"))
    assert after[path] == value
    apart = {
        place for place in before if not f"{place}.".startswith(f"{path}.") and not f"{path}.".startswith(f"{place}.")
    }
    assert {place: after[place] for place in apart} == {place: before[place] for place in apart}
    assert _leaves(tree) == before


def test_a_star_is_all_of_a_level() -> None:
    tree = {"models": [{"steps": 1}, {"steps": 2}], "seeds": [0]}
    assert values_at(change(tree, "models.*.steps=9"), "models.*.steps") == {"models.0.steps": 9, "models.1.steps": 9}


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ("executor.timeout=60", "executor.timeout", 60.0),
        ("common.band=8000", "common.band", 8000.0),
        ("models.1.params.share=0.1", "models.1.params", {"share": 0.1}),
        ("models.*.seeds=[3, 4]", "models.3.seeds", [3, 4]),
        ("metrics.8.params.embedder=vggish", "metrics.8.params", {"embedder": "vggish"}),
        ("limit=3", "limit", 3),
        ("models.0.as=first", "models.0.as", "first"),
    ],
)
def test_settings_that_a_file_leaves_out_can_be_changed(text: str, place: str, value: Any) -> None:
    config = parse_config(Overrides((text,)).applied({}))
    assert values_at(config.model_dump(mode="json", by_alias=True), place) == {place: value}


def test_short_names_of_a_list_can_be_changed() -> None:
    made = Overrides(("models.1.params.share=0.1",)).applied({"models": ["composer", "composer-offkey"]})
    assert made["models"][1] == {"name": "composer-offkey", "params": {"share": 0.1}}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("duraton=3", "'duration'"),
        ("executor.worker=3", "'workers'"),
        ("models.4.as=x", "0, 1, 2, 3"),
        ("models.x.as=y", "0, 1, 2, 3"),
        ("models.0.param.x=1", "'params'"),
        ("seeds.0.x=1", "--set seeds.0.x"),
        ("duration", "PATH=VALUE"),
        ("=3", "PATH=VALUE"),
        ("a..b=3", "PATH=VALUE"),
        ("seeds=[1", "not YAML"),
        ("executor.workers=many", "executor.workers"),
        ("duration=yes", "duration"),
    ],
)
def test_mistakes_are_named(text: str, named: str) -> None:
    with pytest.raises(UsageError) as error:
        load_overridden(None, Overrides((text,)))
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("composer", "composer", {}),
        ("m,a=1,b=2.5,c=x", "m", {"a": 1, "b": 2.5, "c": "x"}),
        ("m, a=[1, 2] ,b={x: 1, y: 2}", "m", {"a": [1, 2], "b": {"x": 1, "y": 2}}),
        ("m,a='x, y',b=\"1\"", "m", {"a": "x, y", "b": "1"}),
        ("m,a=it's,b=don't", "m", {"a": "it's", "b": "don't"}),
        ("p/f.py:M@2,a=null", "p/f.py:M@2", {"a": None}),
        ("kad[embedder=vggish, k=2]@2,b=true", "kad[embedder=vggish, k=2]@2", {"b": True}),
        ("m,adapter=a/b=c", "m", {"adapter": "a/b=c"}),
        ("m,lr=1e-4", "m", {"lr": 1e-4}),
    ],
)
def test_names_with_parameters(text: str, name: str, params: dict[str, Any]) -> None:
    assert parse_named(text, "--model") == (name, params)


@pytest.mark.parametrize("text", ["", ",a=1", "m,a", "m,=1", "m,a=1,a=2", "m,a=[1"])
def test_names_that_are_not_written_like_that(text: str) -> None:
    with pytest.raises(UsageError):
        parse_named(text, "--model")


@pytest.mark.parametrize(
    ("texts", "params"),
    [
        ([], {}),
        (["layer=12", " sd = .5", "name=a,b=c"], {"layer": 12, "sd": 0.5, "name": "a,b=c"}),
        (["floor=1e-4", "text='1e-4'"], {"floor": 1e-4, "text": "1e-4"}),
        (
            ["keys=[C major, F major]", "none=null", "empty="],
            {"keys": ["C major", "F major"], "none": None, "empty": None},
        ),
    ],
)
def test_parameters_of_their_own_option(texts: list[str], params: dict[str, Any]) -> None:
    found = parse_params(texts, "--param")
    assert found == params and [type(value) for value in found.values()] == [type(value) for value in params.values()]


@pytest.mark.parametrize(
    ("texts", "named"), [(["a"], "'a'"), (["=1"], "'=1'"), (["a=1", "a=2"], "'a'"), (["a=[1"], "'[1'"), ([""], "''")]
)
def test_parameters_that_are_not_written_like_that(texts: list[str], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_params(texts, "--param")
    assert "--param" in str(caught.value) and named in str(caught.value)


CONFIGURED: dict[str, Any] = {
    "models": [
        "composer",
        {"name": "stable-audio", "as": "base", "params": {"checkpoint": "x"}},
        {"name": "stable-audio", "as": "tuned", "params": {"checkpoint": "x"}, "sweep": {"adapter_scale": [0.5, 1]}},
    ],
    "metrics": ["harmonic-accuracy", {"name": "kad", "params": {"embedder": "vggish"}}],
}


def _rows(*models: str) -> dict[str, dict[str, Any]]:
    return {row.row: row.params for row in parse_config(Overrides(models=models).applied(CONFIGURED)).models}


def test_models_replace_those_that_are_configured() -> None:
    assert _rows("noise") == {"noise": {}}
    assert _rows("composer-offkey,share=0.1", "composer-offkey,share=0.2,as=more") == {
        "composer-offkey": {"share": 0.1},
        "more": {"share": 0.2},
    }


def test_a_configured_row_keeps_what_is_set_of_it() -> None:
    assert _rows("base") == {"base": {"checkpoint": "x"}}
    assert _rows("base,steps=5,as=fast") == {"fast": {"checkpoint": "x", "steps": 5}}
    assert set(_rows("tuned")) == {"tuned[adapter_scale=0.5]", "tuned[adapter_scale=1]"}
    assert _rows("tuned,adapter_scale=0.7") == {"tuned": {"checkpoint": "x", "adapter_scale": 0.7}}
    assert set(_rows("stable-audio")) == {"base", "tuned[adapter_scale=0.5]", "tuned[adapter_scale=1]"}


def test_metrics_replace_those_that_are_configured() -> None:
    made = parse_config(Overrides(metrics=("kad", "fad,embedder=vggish")).applied(CONFIGURED)).metrics
    assert [(m.name, m.params) for m in made] == [("kad", {"embedder": "vggish"}), ("fad", {"embedder": "vggish"})]


def test_changes_come_before_what_is_chosen() -> None:
    made = Overrides(("models.1.params.steps=3",), models=("base",)).applied(CONFIGURED)
    assert made["models"] == [{"name": "stable-audio", "as": "base", "params": {"checkpoint": "x", "steps": 3}}]


def test_without_a_file_and_options_it_is_the_default_run(tmp_path: Path) -> None:
    assert load_overridden(None, Overrides()) == RunConfig()
    (tmp_path / "broken.yaml").write_text("models: [")
    with pytest.raises(DataError):
        load_overridden(tmp_path / "broken.yaml", Overrides(limit=2))
