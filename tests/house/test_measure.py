"""The check of how the packages are built, on small packages that break one rule each."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Arrows = Callable[[dict[str, str]], dict[tuple[str, str], int]]
SCRIPT = Path(__file__).with_name("measure.py")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure"] = module
    spec.loader.exec_module(module)
    return module


measure = _load()


@pytest.fixture
def arrows(tmp_path: Path) -> Arrows:
    """Write files and return the arrows between their rooms, each with how many imports it stands for."""

    def found(files: dict[str, str]) -> dict[tuple[str, str], int]:
        write(tmp_path, files)
        return {arrow: len(imports) for arrow, imports in measure.find_arrows(measure.read_modules(tmp_path)).items()}

    return found


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text))


@pytest.mark.parametrize(
    "text",
    [
        "from bench.low.a import f",
        "import bench.low.a",
        "import bench.low.a as other",
        "from bench.low import a",
        "from ..low.a import f",
        "from ..low import a",
        "def g():\n    from bench.low.a import f",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bench.low.a import f",
        "class C:\n    async def g(self):\n        import bench.low.a",
    ],
)
def test_every_kind_of_import_is_an_arrow(arrows: Arrows, text: str) -> None:
    assert arrows({"bench/low/a.py": "def f(): ...", "bench/high/b.py": text}) == {("bench/high", "bench/low"): 1}


def test_imports_within_a_room_and_of_others_are_none(arrows: Arrows) -> None:
    files = {
        "bench/low/a.py": "f = 1",
        "bench/low/b.py": "import json\nfrom bench.low.a import f\nfrom bench.low import a",
    }
    assert arrows(files) == {}


def test_a_folder_inside_a_room_is_a_room(arrows: Arrows) -> None:
    files = {"bench/low/a.py": "f = 1", "bench/low/inner/b.py": "from bench.low.a import f"}
    assert arrows(files) == {("bench/low/inner", "bench/low"): 1}


def test_a_name_that_is_passed_on_counts_where_it_is_defined(arrows: Arrows) -> None:
    files = {
        "bench/__init__.py": "from bench.middle.b import f as g\n__all__ = ['g']",
        "bench/low/a.py": "def f(): ...",
        "bench/middle/b.py": "from bench.low.a import f as f",
        "models/c.py": "from bench import g",
    }
    assert arrows(files) == {
        ("models", "bench/low"): 1,
        ("bench/middle", "bench/low"): 1,
        ("bench/__init__.py", "bench/low"): 1,
    }


def test_an_init_that_defines_something_is_a_module_of_its_room(arrows: Arrows) -> None:
    files = {"bench/low/a.py": "f = 1", "bench/high/__init__.py": "from bench.low.a import f\ndef g(): ..."}
    assert arrows(files) == {("bench/high", "bench/low"): 1}


def test_a_program_is_a_room_of_its_own(arrows: Arrows) -> None:
    files = {
        "bench/__main__.py": "from bench.cli.run import f\nfrom bench.errors import E",
        "bench/errors.py": "class E: ...",
        "bench/cli/run.py": "from bench.errors import E\ndef f(): ...",
    }
    assert arrows(files) == {("bench/__main__.py", "bench/cli"): 1, ("bench/cli", "bench"): 1}


def test_names_that_import_each_other_end(arrows: Arrows) -> None:
    files = {"bench/low/a.py": "from bench.high.b import f", "bench/high/b.py": "from bench.low.a import f"}
    assert set(arrows(files)) == {("bench/low", "bench/high"), ("bench/high", "bench/low")}


def test_floors_are_the_longest_way_down() -> None:
    arrows = [("d", "a"), ("d", "c"), ("c", "b"), ("b", "a"), ("e", "a")]
    assert measure.find_floors("abcdef", arrows) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 2, "f": 1}
    assert measure.find_circles(arrows) == []


def test_circles_are_found_over_any_number_of_rooms() -> None:
    arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "f"), ("f", "e"), ("c", "g")]
    assert measure.find_circles(arrows) == [{"a", "b", "c"}, {"e", "f"}]
    assert measure.find_floors("abcdefg", arrows) == {"a": 2, "b": 2, "c": 2, "d": 3, "e": 1, "f": 1, "g": 1}


PARAMETERS = ", ".join(f"p{number}" for number in range(9))


@pytest.mark.parametrize(
    ("file", "text", "counted"),
    [
        ("bench/a.py", f"def f({PARAMETERS}): ...", 9),
        ("bench/a.py", "def f(a, /, b, *c, d, **e): ...", 5),
        ("bench/a.py", f"class C:\n    def f(self, {PARAMETERS}): ...", 9),
        ("bench/a.py", f"class C:\n    def __init__(self, {PARAMETERS}): ...", 9),
        ("bench/a.py", f"def f():\n    def g({PARAMETERS}): ...", 9),
        ("bench/a.py", f"def command({PARAMETERS}): ...", 9),
        ("bench/cli/a.py", f"def command({PARAMETERS}): ...", 0),
        ("bench/cli/a.py", f"@app.command('f')\ndef f({PARAMETERS}): ...", 0),
        ("bench/cli/a.py", f"@app.callback()\ndef f({PARAMETERS}): ...", 0),
        ("bench/cli/a.py", f"def f({PARAMETERS}): ...", 9),
        ("models/a.py", f"class M(bench.MusicModel):\n    def __init__(self, {PARAMETERS}): ...", 0),
        ("models/a.py", f"class M(B): ...\nclass N(M):\n    def __init__(self, {PARAMETERS}): ...", 0),
        ("models/a.py", f"class M(bench.MusicModel):\n    def generate(self, {PARAMETERS}): ...", 9),
    ],
)
def test_parameters(tmp_path: Path, file: str, text: str, counted: int) -> None:
    write(tmp_path, {"models/b.py": "class B(MusicModel): ...", file: text})
    assert max(width for _, _, width in measure.measure_functions(measure.read_modules(tmp_path))) == counted


def test_lines_of_a_function_are_from_its_name_to_its_end(tmp_path: Path) -> None:
    write(tmp_path, {"bench/a.py": '@cache\ndef f(\n    a,\n):\n    """Return 1."""\n\n    return 1\n\n\nx = 1\n'})
    assert list(measure.measure_functions(measure.read_modules(tmp_path))) == [("bench/a.py:2 f", 6, 1)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ('with pytest.raises(E, match="cannot be read"): ...', ["cannot be read"]),
        ('with pytest.raises(E, match=r"a\\.csv: line 3 is not a row"): ...', [r"a\.csv: line 3 is not a row"]),
        ('with pytest.raises(E, match=f"{one} is not here"): ...', ["| is not here"]),
        ('with pytest.raises(E, match=re.escape("is not here")): ...', ["is not here"]),
        ('with pytest.raises(E, match=r"\\bbpm\\b .*900.* line 2"): ...', []),
        ("with pytest.raises(E, match=\"'no such name'\"): ...", []),
        ('with pytest.raises(E, match="run bench/run.py now"): ...', []),
        ('with pytest.raises(E, match="cannot read"): ...', []),
        ('assert "cannot be read" in text', []),
        (
            """
            @pytest.mark.parametrize(("change", "said"), [("a is not b", "'a'"), ("x", "must not be x")])
            def test_it(change, said):
                with pytest.raises(E, match=said): ...
            """,
            ["must not be x"],
        ),
        (
            """
            @pytest.mark.parametrize("said", ["must not be x", "'y'"])
            def test_it(said):
                with pytest.raises(E, match=said): ...
            """,
            ["must not be x"],
        ),
    ],
)
def test_sentences_that_tests_pin(tmp_path: Path, text: str, sentences: list[str]) -> None:
    write(tmp_path, {"tests/test_a.py": text})
    found = measure.find_pinned_sentences(measure.read_modules(tmp_path, ("tests",)))
    assert [place.partition(" ")[2] for place in found] == sentences


LIMITS = {
    "a circle": {"bench/low/a.py": "import bench.high.b", "bench/high/b.py": "import bench.low.a"},
    "a circle of modules": {"bench/a.py": "import bench.b", "bench/b.py": "def f():\n    from bench import a"},
    "floors": {f"bench/r{n}/a.py": f"import bench.r{n - 1}.a" if n else "" for n in range(measure.FLOORS + 1)},
    "arrows": {
        f"bench/r{n}/a.py": "".join(f"import bench.r{m}.a\n" for m in range(n) if n < 14 or m % 2) for n in range(26)
    },
    "lines of a file": {"bench/a.py": "x = 1\n" * (measure.FILE_LINES + 1)},
    "lines of a function": {"bench/a.py": "def f():\n" + "    x = 1\n" * measure.FUNCTION_LINES},
    "parameters of a function": {"bench/a.py": f"def f({PARAMETERS}): ..."},
    "sentences in match=": {"tests/a.py": 'raises(E, match="is not here")\n' * (measure.PINNED_SENTENCES + 1)},
}


def test_doors_lead_anywhere_and_are_not_counted(tmp_path: Path) -> None:
    rooms = {f"bench/r{n}/a.py": "f = 1" for n in range(measure.ARROWS + 1)}
    names = "".join(f"from bench.r{n}.a import f as f{n}\n" for n in range(len(rooms)))
    write(tmp_path, {**rooms, "bench/__init__.py": names, "bench/__main__.py": "import bench.r0.a"})
    lines, exceeded = measure.report(measure.read_modules(tmp_path))
    assert exceeded == []
    assert f"{len(rooms) + 2} rooms, 1 floors, 0 arrows, 0 circles" in lines


@pytest.mark.parametrize("limit", LIMITS)
def test_each_limit_ends_with_1_and_is_named(tmp_path: Path, limit: str) -> None:
    write(tmp_path, LIMITS[limit])
    ran = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert any(line.startswith(f"exceeded: {limit}") for line in ran.stdout.splitlines())


def test_at_the_limits_it_ends_with_0(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "bench/a.py": f"def f({PARAMETERS[4:]}):\n"
            + "    x = 1\n" * (measure.FUNCTION_LINES - 1)
            + "x = 1\n" * (measure.FILE_LINES - measure.FUNCTION_LINES),
            **{f"bench/r{n}/a.py": f"import bench.r{n - 1}.a" if n else "" for n in range(measure.FLOORS)},
        },
    )
    ran = subprocess.run([sys.executable, SCRIPT, tmp_path, "--arrows"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "15 rooms, 14 floors, 13 arrows, 0 circles" in ran.stdout
    assert "bench/r1 → bench/r0" in ran.stdout
