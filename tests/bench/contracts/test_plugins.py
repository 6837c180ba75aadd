"""Names find plugins: built-in, installed, in a file; broken and shadowed ones say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import ClipMetric, MissingError, MusicModel, UsageError
from bench.contracts.entry_points import Kind
from bench.contracts.parameters import bind
from bench.contracts.plugins import create, find, installed, load

PACKAGE = Path(__file__).parents[2] / "plugin_package"


@pytest.mark.parametrize("kind", ["model", "metric", "suite"])
def test_every_built_in_loads_and_has_a_docstring(kind: Kind) -> None:
    plugins = installed(kind)
    assert plugins
    for plugin in plugins.values():
        assert load(plugin).__doc__, plugin.name


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'composr' .*'composer'"):
        find("model", "composr")


def test_file_plugin_is_identified_by_its_text_not_its_place(tmp_path: Path) -> None:
    source = "from bench import MusicModel\nclass M(MusicModel):\n    def generate(self, requests): return []\n"
    plugins = []
    for folder in ("a", "b"):
        file = tmp_path / folder / "mine.py"
        file.parent.mkdir()
        file.write_text(source)
        plugins.append(find("model", f"{file}:M"))
    assert plugins[0].source == plugins[1].source
    (tmp_path / "b" / "mine.py").write_text(source + "# changed\n")
    assert find("model", f"{tmp_path}/b/mine.py:M").source != plugins[0].source
    assert issubclass(load(plugins[0]), MusicModel)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("import not_installed_anywhere", MissingError, "'not_installed_anywhere'"),
        ("1 / 0", UsageError, "cannot be loaded: ZeroDivisionError: division by zero"),
        ("def broken(:", UsageError, "cannot be loaded: SyntaxError"),
        ("Other = 1", UsageError, "there is no 'M' in"),
        ("M = 1", UsageError, "is not a subclass of bench.MusicModel"),
        ("from bench import MusicModel\nclass M(MusicModel): pass", UsageError, "does not define generate"),
    ],
)
def test_broken_file_plugin_says_what_is_wrong(
    tmp_path: Path, source: str, error: type[Exception], message: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    with pytest.raises(error, match=message.replace("(", r"\(")):
        create(find("model", f"{file}:M"), {}, MusicModel)


def test_missing_file_plugin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.py"):
        find("model", f"{tmp_path}/none.py:M")


def test_parameters_are_bound_with_defaults_and_typos_suggested(tiny: Path) -> None:
    plugin = find("model", f"{tiny}:Sine")
    factory = load(plugin)
    assert bind(plugin, factory, {"hz": 100})["hz"] == 100
    assert bind(plugin, factory, {})["hz"] == 200.0
    with pytest.raises(UsageError, match=r"'second' .*'seconds'"):
        bind(plugin, factory, {"second": 100})


def test_wrong_kind_is_refused(tiny: Path) -> None:
    with pytest.raises(UsageError, match=r"'.*:Sine'.*bench\.ClipMetric"):
        create(find("metric", f"{tiny}:Sine"), {}, ClipMetric)


@pytest.fixture(scope="module")
def plugin_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the plugin package was really installed with pip."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", site, PACKAGE], check=True, timeout=120)
    return site


def _run(site: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_installed_plugins_are_listed_and_run(plugin_site: Path, tmp_path: Path, tunebench_path: str) -> None:
    listed = _run(plugin_site, tmp_path, tunebench_path, "list")
    assert listed.returncode == 0
    assert "plugin-sine" in listed.stdout
    assert "plugin-zero-crossings" in listed.stdout
    assert "plugin-suite" in listed.stdout
    # A plugin that raises while being imported is listed with its error and breaks nothing else.
    assert "plugin-broken" in listed.stdout
    assert "RuntimeError: this plugin is broken" in listed.stdout
    config = tmp_path / "c.yaml"
    config.write_text(
        "{suite: plugin-suite@3, models: [plugin-sine], metrics: [plugin-zero-crossings], duration: 1, "
        "executor: {workers: 1}}"
    )
    ran = _run(plugin_site, tmp_path, tunebench_path, "run", "c.yaml", "--json")
    assert ran.returncode == 0, ran.stderr
    assert '"metric": "plugin-zero-crossings@4"' in ran.stdout


def test_broken_plugin_breaks_only_the_run_that_names_it(
    plugin_site: Path, tmp_path: Path, tunebench_path: str
) -> None:
    (tmp_path / "c.yaml").write_text("{models: [plugin-broken], metrics: []}")
    ran = _run(plugin_site, tmp_path, tunebench_path, "run", "c.yaml")
    assert ran.returncode == 2
    assert "plugin-broken" in ran.stderr
    assert "Traceback" not in ran.stderr


class TestShadowing:
    """A working folder with its own package ``models``."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "__init__.py").write_text("raise RuntimeError('the wrong models')\n")
        (tmp_path / "c.yaml").write_text("{models: [noise], metrics: [], duration: 0.1, executor: {workers: 1}}\n")
        return tmp_path

    def _ran(self, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "run", "c.yaml"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )

    def test_console_script_finds_ours(self, folder: Path, tunebench_path: str) -> None:
        assert self._ran(folder, tunebench_path).returncode == 0

    def test_safe_path_finds_ours(self, folder: Path) -> None:
        assert self._ran(folder, sys.executable, "-P", "-m", "bench").returncode == 0

    def test_unsafe_path_says_which_folder_hides_ours(self, folder: Path) -> None:
        ran = self._ran(folder, sys.executable, "-m", "bench")
        assert ran.returncode == 2
        assert f"the folder {folder}/models hides tunebench's own package 'models'" in ran.stderr
        assert "Traceback" not in ran.stderr
