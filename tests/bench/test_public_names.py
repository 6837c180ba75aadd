"""What `bench` offers to scripts: every name leads somewhere, and every type that a signature names is offered, too."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import bench
import models.training

DOORS = pytest.mark.parametrize("door", [bench, models.training])
OURS = ("bench", "models", "metrics", "prompts", "results")


def _typing_names(module: ModuleType) -> dict[str, object]:
    """What a module imports for type checkers only."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    found: dict[str, object] = {}
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            imports: list[ast.stmt] = [node for node in block.body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(ast.unparse(ast.Module(imports, [])), found)
    return found


def hints(owner: object) -> dict[str, object]:
    """The annotations of a function or class, resolved."""
    module = sys.modules[owner.__module__]
    return typing.get_type_hints(owner, vars(module), {**_typing_names(module), **vars(module)})


def types_in(hint: object) -> Iterator[type]:
    for part in typing.get_args(hint):
        yield from [kind for one in (part if isinstance(part, list) else [part]) for kind in types_in(one)]
    kind = typing.get_origin(hint) or hint
    if isinstance(kind, type):
        yield kind


def _signatures(door: ModuleType, name: str) -> Iterator[tuple[str, object]]:
    """A public function; or the fields of a public class, and its public methods and properties."""
    found = getattr(door, name)
    if isinstance(found, FunctionType):
        yield name, found
    elif inspect.isclass(found):
        if dataclasses.is_dataclass(found) or hasattr(found, "model_fields"):
            yield name, found
        for own in (base for base in found.__mro__ if base.__module__.startswith(OURS)):
            for attribute, member in vars(own).items():
                if attribute.startswith("_") and attribute != "__init__":
                    continue
                function = getattr(member, "fget", None) or getattr(member, "func", None) or member
                function = getattr(function, "__func__", function)
                if isinstance(function, FunctionType) and function.__module__.startswith(OURS):
                    yield f"{name}.{attribute}", function


@DOORS
def test_every_name_leads_somewhere(door: ModuleType) -> None:
    for name in door.__all__:
        assert getattr(door, name) is not None
    assert set(door.__all__) <= set(dir(door))
    with pytest.raises(AttributeError):
        _ = door.nowhere


@DOORS
def test_type_checkers_know_the_same_names(door: ModuleType) -> None:
    tree = ast.parse(Path(str(door.__file__)).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{door.__name__}.")
        for alias in node.names
    }
    assert sorted(seen) == [name for name in door.__all__ if name != "__version__"]
    for name, (module, own) in seen.items():
        assert getattr(door, name) is getattr(import_module(str(module)), own)


@DOORS
def test_no_public_name_is_hidden_by_a_module(door: ModuleType) -> None:
    """`bench.x` would be whichever of them is imported last."""
    modules = {path.stem for path in Path(str(door.__file__)).parent.iterdir()}
    assert not modules & set(door.__all__)


@DOORS
def test_every_type_in_a_signature_is_public(door: ModuleType) -> None:
    public = {id(getattr(one, name)) for one in {bench, door} for name in one.__all__}
    hidden: dict[str, set[str]] = {}
    for name in door.__all__:
        for where, owner in _signatures(door, name):
            for hint in hints(owner).values():
                for kind in types_in(hint):
                    if kind.__module__.startswith(OURS) and id(kind) not in public:
                        hidden.setdefault(f"{kind.__module__}.{kind.__qualname__}", set()).add(where)
    assert hidden == {}


def test_the_version_is_that_of_the_package() -> None:
    assert bench.__version__ == version("tunebench")


def test_importing_bench_imports_nothing_heavy() -> None:
    """Names are looked up when they are used."""
    heavy = ("numpy", "pandas", "pydantic", "rich", "scipy", "torch", "typer", "yaml")
    program = f"import sys, bench, models.training; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
