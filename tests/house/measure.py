"""Measure how the packages are built, and compare it with the limits; exit with 1 where one is exceeded.

    python tests/house/measure.py [FOLDER] [--arrows]

A room is a folder of modules. An arrow is an ordered pair of rooms of which the first imports from the second, whether
at the top of a module, inside a function or for types only. A name that a module only passes on is imported from the
module that defines it: ``from bench import Audio`` is an arrow to the room of ``Audio``. The door of a package (its
``__main__``, and an ``__init__`` that only passes names on) is a room of its own; nothing leans on it, and to lead to
many rooms is what it is for, so that its arrows and its floor are printed and not counted. A room stands one floor
above the highest room that it imports from; rooms that import each other in a circle share a floor.

Tests that pin the sentence of an error keep its wording from being improved: each ``match=`` with three plain words in
a row is counted, whether it is written in the call or is a parameter of the test. Values, names and paths are no words.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("bench", "models", "metrics", "prompts", "results")
FLOORS, ARROWS = 14, 184
FILE_LINES, FUNCTION_LINES, PARAMETERS = 330, 60, 8
PINNED_SENTENCES = 7
PLUGIN_CONTRACTS = frozenset({"MusicModel", "ClipMetric", "SetMetric", "Embedder"})
COMMANDS = "bench/cli/"  # a command has a parameter for each of its options
Function = ast.FunctionDef | ast.AsyncFunctionDef
_SENTENCE = re.compile(r"(?<![\w'./-])[A-Za-z]+(?: [A-Za-z]+){2,}(?![\w'/-]|\.\w)")


@dataclass(frozen=True)
class Module:
    """One file.

    Attributes:
        name: dotted.
        path: below the measured folder, with slashes.
        lines: how many.
        tree: what it holds.
        imports: each import as (module, name in it or "", line), also those inside functions.
        passed_on: names that it imports at its top and does not define, with the module and name they come from.
    """

    name: str
    path: str
    lines: int
    tree: ast.Module
    imports: list[tuple[str, str, int]]
    passed_on: dict[str, tuple[str, str]]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def room(self) -> str:
        file = self.path.rpartition("/")[2]
        defines = any(n.name not in ("__getattr__", "__dir__") for n in self.tree.body if isinstance(n, Definition))
        return self.path if file == "__main__.py" or (file == "__init__.py" and not defines) else self.folder


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def read_module(root: Path, file: Path) -> Module:
    """Parse one file of the packages below ``root``."""
    path, text = file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    tree = ast.parse(text, path)
    defined = {node.name for node in tree.body if isinstance(node, Definition)}
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, Function) for n in ast.walk(f)}
    imports: list[tuple[str, str, int]] = []
    passed_on: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(alias.name, "", node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = path.split("/")[: -node.level] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            imports += [(source, alias.name, node.lineno) for alias in node.names]
            if id(node) not in inside:
                names = {alias.asname or alias.name: alias.name for alias in node.names}
                passed_on |= {here: (source, there) for here, there in names.items() if here not in defined}
    return Module(name, path, len(text.splitlines()), tree, imports, passed_on)


def read_modules(root: Path, packages: Iterable[str] = PACKAGES) -> list[Module]:
    """Parse every module of the packages."""
    return [read_module(root, file) for package in packages for file in sorted((root / package).rglob("*.py"))]


def origin(modules: Mapping[str, Module], source: str, name: str) -> Module | None:
    """Return the module that defines ``name`` of the module ``source``, or is it; None if it is none of ``modules``."""
    seen: set[tuple[str, str]] = set()
    while (source, name) not in seen:
        seen.add((source, name))
        if f"{source}.{name}" in modules:
            return modules[f"{source}.{name}"]
        if source not in modules or name not in modules[source].passed_on:
            break
        source, name = modules[source].passed_on[name]
    return modules.get(source)


def find_imports(modules: Iterable[Module]) -> Iterator[tuple[Module, Module, int]]:
    """Yield each import of one of ``modules`` by another, as (who imports, where the name is defined, line)."""
    by_name = {module.name: module for module in modules}
    for module in by_name.values():
        for source, name, line in module.imports:
            target = origin(by_name, source, name)
            if target and target != module:
                yield module, target, line


def find_arrows(modules: Iterable[Module]) -> dict[tuple[str, str], list[str]]:
    """Return the arrows between rooms, each with the imports it stands for, as ``file:line module``.

    Imports between a door and the modules of its own folder are none.
    """
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for module, target, line in find_imports(modules):
        if target.room != module.room and target.folder != module.folder:
            arrows[module.room, target.room].append(f"{module.path}:{line} {target.name}")
    return dict(arrows)


def is_door(room: str) -> bool:
    """Whether a room is the one file through which a package is entered."""
    return room.endswith(".py")


def find_circles(arrows: Iterable[tuple[str, str]]) -> list[set[str]]:
    """Return the groups of rooms (or of modules) that import from each other, over however many between."""
    below = reachable(arrows)
    groups = {frozenset(other for other in below[room] if room in below.get(other, ())) for room in below}
    return sorted((set(group) for group in groups if group), key=sorted)


def reachable(arrows: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return all rooms that each room imports from, over however many between; itself too if it is in a circle."""
    direct: dict[str, set[str]] = defaultdict(set)
    for source, target in arrows:
        direct[source].add(target)
    found = {}
    for room in list(direct):
        waiting, seen = set(direct[room]), set[str]()
        while waiting:
            seen.add(one := waiting.pop())
            waiting |= direct.get(one, set()) - seen
        found[room] = seen
    return found


def find_floors(rooms: Iterable[str], arrows: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the floor of each room, counted from 1."""
    below = reachable(arrows)
    floors: dict[str, int] = {}
    for room in sorted(rooms, key=lambda room: len(below.get(room, set()) | {room})):
        beneath = {other for other in below.get(room, set()) if room not in below.get(other, set())}
        floors[room] = 1 + max((floors[other] for other in beneath), default=0)
    return floors


def measure_functions(modules: list[Module]) -> Iterator[tuple[str, int, int]]:
    """Yield each function as (where and which, its lines, its parameters or 0 where any number is allowed)."""
    plugins = _plugin_classes(modules)
    for module in modules:
        for owner in ast.walk(module.tree):
            of_class = owner.name if isinstance(owner, ast.ClassDef) else ""
            for node in ast.iter_child_nodes(owner):
                if isinstance(node, Function):
                    free = _is_command(module, node) or (of_class in plugins and node.name == "__init__")
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    name = f"{of_class}.{node.name}".lstrip(".")
                    yield f"{module.path}:{node.lineno} {name}", lines, 0 if free else _count_parameters(node)


def _plugin_classes(modules: list[Module]) -> set[str]:
    """Return the names of the classes that have a plugin's contract among their bases, however far up."""
    classes = [node for module in modules for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    found, before = set(PLUGIN_CONTRACTS), 0
    while before < len(found):
        before = len(found)
        found |= {c.name for c in classes if any(ast.unparse(base).rpartition(".")[2] in found for base in c.bases)}
    return found


def _is_command(module: Module, node: Function) -> bool:
    called = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    decorated = any(isinstance(d, ast.Attribute) and d.attr in ("command", "callback") for d in called)
    return module.path.startswith(COMMANDS) and (decorated or node.name == "command")


def _count_parameters(node: Function) -> int:
    """Count all but the object that a method belongs to."""
    a = node.args
    names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg)))]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def find_pinned_sentences(tests: Iterable[Module]) -> Iterator[str]:
    """Yield each ``match=`` with three plain words in a row, as ``file:line pattern``."""
    for module in tests:
        for node in ast.walk(module.tree):
            for pattern in [*_matched(node), *_matched_parameters(node)]:
                for text in _texts(pattern):
                    # A class such as \b parts words, an escaped character stands for itself.
                    if _SENTENCE.search(re.sub(r"\\[A-Za-z]", "|", text).replace("\\", "")):
                        yield f"{module.path}:{pattern.lineno} {text}"


def _matched(node: ast.AST) -> list[ast.expr]:
    return [k.value for k in node.keywords if k.arg == "match"] if isinstance(node, ast.Call) else []


def _matched_parameters(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a test's ``parametrize`` gives to the parameters that it passes as ``match=``."""
    for decorator in node.decorator_list if isinstance(node, Function) else []:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("parametrize"):
            passed = {value.id for inner in ast.walk(node) for value in _matched(inner) if isinstance(value, ast.Name)}
            names, rows = (*decorator.args, None)[:2]
            one = isinstance(names, ast.Constant) and "," not in str(names.value)
            named = [name.strip() for text in _texts(names) for name in text.split(",")]
            for row in rows.elts if isinstance(rows, ast.List | ast.Tuple) else []:
                cells = [row] if one or not isinstance(row, ast.List | ast.Tuple) else row.elts
                yield from (cell for name, cell in zip(named, cells, strict=False) if name in passed)


def _texts(node: ast.AST | None) -> list[str]:
    """Return the texts in an expression; a value that is formatted into one parts its words."""
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else "|" for part in node.values)]
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for child in ast.iter_child_nodes(node) for text in _texts(child)] if node else []


def report(
    modules: list[Module], show_arrows: bool = False, tests: Iterable[Module] = ()
) -> tuple[list[str], list[str]]:
    """Return what was measured and which limits are exceeded, in lines."""
    arrows, lines, exceeded = find_arrows(modules), list[str](), list[str]()
    rooms: dict[str, list[Module]] = defaultdict(list)
    for module in modules:
        if module.room == module.folder or any(module.room in arrow for arrow in arrows):
            rooms[module.room].append(module)
    floors, circles = find_floors(rooms, arrows), find_circles(arrows)
    for floor, room in sorted(((floor, room) for room, floor in floors.items()), reverse=True):
        size, to = sum(m.lines for m in rooms[room]), sum(source == room for source, _ in arrows)
        lines.append(f"floor {floor:2}  {room:24} {len(rooms[room]):3} files {size:6} lines  imports from {to:2} rooms")
    for (source, target), imports in sorted(arrows.items()):
        if show_arrows or any({source, target} <= circle for circle in circles):
            lines += [f"{source} → {target}", *(f"    {one}" for one in sorted(set(imports)))]
    height = max((floor for room, floor in floors.items() if not is_door(room)), default=0)
    counted = sum(not is_door(source) for source, _ in arrows)
    lines.append(f"{len(rooms)} rooms, {height} floors, {counted} arrows, {len(circles)} circles")
    exceeded += [f"a circle: {', '.join(sorted(circle))}" for circle in circles]
    modules_in_circles = find_circles((module.path, target.path) for module, target, _ in find_imports(modules))
    exceeded += [f"a circle of modules: {', '.join(sorted(circle))}" for circle in modules_in_circles]
    found, pinned = list(measure_functions(modules)), list(find_pinned_sentences(tests))
    for what, limit, sizes in (
        ("floors", FLOORS, [(height, "")]),
        ("arrows", ARROWS, [(counted, "")]),
        ("lines of a file", FILE_LINES, [(module.lines, module.path) for module in modules]),
        ("lines of a function", FUNCTION_LINES, [(length, where) for where, length, _ in found]),
        ("parameters of a function", PARAMETERS, [(width, where) for where, _, width in found]),
        ("sentences in match=", PINNED_SENTENCES, [(len(pinned), ", ".join(place.split(" ")[0] for place in pinned))]),
    ):
        said = [f"{what}: {size}, the limit is {limit}  {where}".strip() for size, where in sorted(sizes)[::-1]]
        lines += said[:1]
        exceeded += [line for line, (size, _) in zip(said, sorted(sizes)[::-1], strict=True) if size > limit]
    return lines, exceeded


def main(arguments: list[str]) -> int:
    folder = next((Path(argument) for argument in arguments if not argument.startswith("-")), Path())
    lines, exceeded = report(read_modules(folder), "--arrows" in arguments, read_modules(folder, ("tests",)))
    print("\n".join([*lines, *(f"exceeded: {line}" for line in exceeded)]))
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
