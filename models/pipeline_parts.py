"""Pipelines of diffusers, opened with each network checked as it is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, MissingError
from bench.library_setup import set_up_libraries
from bench.network_weights import load_network
from bench.quiet import quiet_libraries
from bench.weights_file import read_object

if TYPE_CHECKING:
    import torch


def open_pipeline(
    name: str, folder: Path, dtype: torch.dtype, kinds: Mapping[str, str] | None = None, **given: Any
) -> Any:
    """Open a pipeline's folder, on the CPU and without using the network.

    Args:
        name: the pipeline's class in diffusers, such as ``StableAudioPipeline``.
        folder: a whole checkpoint.
        dtype: of the networks.
        kinds: class of transformers, by part, for parts that are loaded as another class than the folder says.
        given: parts that are not loaded, by their names in the pipeline; None for one that is not needed.

    Raises:
        MissingError: this version of diffusers has no such pipeline.
        DataError: a network lacks a tensor or holds one that it should not, as `bench.network_weights.load_network`.
    """
    set_up_libraries()  # diffusers imports librosa for some pipelines, where that is installed
    import diffusers
    import transformers

    with quiet_libraries():
        kind = getattr(diffusers, name, None)
        if kind is None:
            raise MissingError(
                f"diffusers {diffusers.__version__} has no {name}; install a version that has it: "
                "pip install 'tunebench[diffusion]'"
            )
        classes = network_classes(kind, folder) | {part: getattr(transformers, n) for part, n in (kinds or {}).items()}
        networks = {
            part: load_network(network, folder / part, torch_dtype=dtype)
            for part, network in classes.items()
            if part not in given
        }
        return kind.from_pretrained(str(folder), local_files_only=True, torch_dtype=dtype, **networks, **given)


def network_classes(pipeline: Any, folder: Path) -> dict[str, Any]:
    """Return the classes of the networks that a pipeline's folder names, by the names of the parts.

    Args:
        pipeline: the pipeline's class in diffusers.
        folder: a whole checkpoint.

    Raises:
        DataError: the folder names a class that these versions of the libraries lack.
    """
    found = {}
    for part, entry in read_object(folder / "model_index.json").items():
        if not isinstance(entry, list) or entry[1:] == [None]:
            continue
        library, name = entry
        # A pipeline's own networks name its package, a library's name the library; nothing else is imported.
        own = pipeline.__module__.split(".")[-2]
        place = {"diffusers": "diffusers", "transformers": "transformers"}.get(library, f"diffusers.pipelines.{own}")
        kind = getattr(importlib.import_module(place), name, None)
        if kind is None:
            raise DataError(f"{folder}/model_index.json: {library} has no {name}; the checkpoint is of another version")
        if hasattr(kind, "load_state_dict"):
            found[part] = kind
    return found
