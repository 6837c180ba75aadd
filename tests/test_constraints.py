"""What is installed is what the constraints name, and on every supported system they name one version of each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
SYSTEMS = {
    "Linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "Mac": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    "Intel Mac": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "x86_64"},
}
EXTRAS = {name: {"diffusion", "formats", "hub", "report", "ray", "wandb", "web", "dev"} for name in SYSTEMS} | {
    "Intel Mac": {"formats", "hub", "report", "ray", "wandb", "web", "dev"}
}


def _lines(file: str) -> list[Requirement]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def _pins(file: str, system: dict[str, str] | None = None) -> dict[str, Version]:
    """The version of each package that a file pins here, or on another system."""
    pins: dict[str, Version] = {}
    for line in _lines(file):
        if line.marker is None or line.marker.evaluate(dict(system or {})):
            (only,) = line.specifier
            assert only.operator == "==", line
            assert canonicalize_name(line.name) not in pins, f"{line.name} is pinned twice"
            pins[canonicalize_name(line.name)] = Version(only.version)
    return pins


def _wanted(package: str, extras: frozenset[str]) -> list[Requirement]:
    """What a package with extras requires here."""
    found = []
    for line in distribution(package).requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append(requirement)
    return found


def _installed(requirement: Requirement) -> bool:
    try:
        return bool(distribution(requirement.name))
    except PackageNotFoundError:
        return False


def _closure(package: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """Everything that a package with extras requires, itself left out, as its requirers put it."""
    seen, waiting = set(), [(package, extras)]
    while waiting:
        for requirement in _wanted(*waiting.pop()):
            yield requirement
            this = (requirement.name, frozenset(requirement.extras))
            if this not in seen:
                seen.add(this)
                waiting.append(this)


def _installed_extras() -> frozenset[str]:
    """Those of our extras that are installed as a whole."""
    core = {str(requirement) for requirement in _wanted("tunebench", frozenset())}
    declared = distribution("tunebench").metadata.get_all("Provides-Extra") or []
    return frozenset(
        extra
        for extra in declared
        if all(_installed(r) for r in _wanted("tunebench", frozenset({extra})) if str(r) not in core)
    )


def test_what_is_installed_is_what_is_named() -> None:
    pins = _pins("constraints.txt")
    required = {canonicalize_name(r.name) for r in _closure("tunebench", _installed_extras())}
    assert len(required) > 40
    here = {name: Version(Version(distribution(name).version).public) for name in sorted(required)}
    assert {name: pins.get(name) for name in here} == here


@pytest.mark.parametrize("file", ["constraints-nodeps.txt", "constraints-nodeps-dev.txt"])
def test_what_is_installed_without_its_requirements_is_what_is_named(file: str) -> None:
    pins = _pins(file)
    lines = [line for line in _lines(file) if canonicalize_name(line.name) in pins]
    if file == "constraints-nodeps-dev.txt" and not any(map(_installed, lines)):
        pytest.skip("they come with 'make test'")
    assert {line.name: distribution(line.name).version for line in lines} == {
        line.name: str(pins[canonicalize_name(line.name)]) for line in lines
    }


@pytest.mark.parametrize(("name", "python"), product(SYSTEMS, ["3.11", "3.12"]))
def test_each_supported_system_has_one_version_of_what_is_required(name: str, python: str) -> None:
    system = {**SYSTEMS[name], "python_version": python, "python_full_version": f"{python}.0"}
    pins = {file: _pins(file, system) for file in ("constraints.txt", "constraints-nodeps.txt")}
    assert "tinysoundfont" in pins["constraints-nodeps.txt"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not set(EXTRAS[name]) - set(project["optional-dependencies"])
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS[name])]
    for requirement in (Requirement(line) for group in groups for line in group):
        if requirement.marker is None or requirement.marker.evaluate(system):
            pin = pins["constraints.txt"].get(canonicalize_name(requirement.name))
            assert pin is not None, f"{requirement.name} has no version"
            assert requirement.specifier.contains(pin, prereleases=True), f"{requirement}, but {pin}"


def test_the_readme_and_the_metadata_name_the_same_versions_of_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.13"
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert classified == ["3.11", "3.12"]
    assert "Python 3.11 or 3.12" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_diffusers_is_bounded_to_versions_that_have_the_pipeline_of_audioldm() -> None:
    """It is deprecated: the day that it leaves, this fails where the pin is raised, and the bound stays."""
    diffusers = pytest.importorskip("diffusers")
    assert issubclass(diffusers.AudioLDMPipeline, diffusers.DiffusionPipeline)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (bound,) = [line.specifier for name in extras["diffusion"] if (line := Requirement(name)).name == "diffusers"]
    pinned = _pins("constraints.txt")["diffusers"]
    assert pinned in bound
    assert not any(bound.contains(f"{version}.0") for version in (f"{pinned.major}.{pinned.minor + 1}", "1.0"))
