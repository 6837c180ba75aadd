"""Networks filled from a checkpoint: exactly, or an error that names the tensor, as NaN and infinities are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import DataError
from bench.network_weights import check_finite, fill_network

WHERE = Path("some/checkpoint.pt")


class Network(torch.nn.Module):
    """Of each kind of tensor that networks hold: weights, normalized ones, running means, constants and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(2, 3, 2))
        self.normalization = torch.nn.BatchNorm1d(3)
        self.linear = torch.nn.Linear(3, 4)
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.register_buffer("position_ids", torch.arange(4))
        self.register_buffer("mean", torch.zeros(3))


State = dict[str, Any]
OTHERS = [name for name in Network().state_dict() if not name.endswith(("position_ids", "num_batches_tracked"))]
CHANGES: dict[str, Callable[[State, str], object]] = {
    "removed": lambda state, name: state.pop(name),
    "renamed": lambda state, name: state.update({f"{name}s": state.pop(name)}),
    "one dimension more": lambda state, name: state.update({name: state[name][None]}),
    "whole numbers": lambda state, name: state.update({name: state[name].to(torch.int16)}),
    "truth values": lambda state, name: state.update({name: state[name] > 0}),
    "complex": lambda state, name: state.update({name: state[name].to(torch.complex64)}),
    "one more": lambda state, name: state.update({f"{name}.extra": torch.zeros(2)}),
    "a text": lambda state, name: state.update({name: "text"}),
    "nothing": lambda state, name: state.update({name: None}),
    "NaN": lambda state, name: state.update({name: torch.full_like(state[name], float("nan"))}),
    "infinity": lambda state, name: state.update({name: torch.full_like(state[name], float("inf"))}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_of_each_tensor_is_refused_by_name(change: str) -> None:
    for name in OTHERS:
        state = Network().state_dict()
        CHANGES[change](state, name)
        with pytest.raises(DataError) as caught:
            fill_network(Network(), state, WHERE)
        assert f"'{name}" in str(caught.value) and str(WHERE) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_whole_state_is_what_the_network_holds_and_its_constants_may_be_missing() -> None:
    torch.manual_seed(1)
    state = {n: torch.randn(t.shape) if t.is_floating_point() else t for n, t in Network().state_dict().items()}
    for given_state in (state, {name: state[name] for name in OTHERS}):
        network = Network()
        fill_network(network, {name: tensor.double() for name, tensor in given_state.items()}, WHERE)
        assert all(torch.equal(network.state_dict()[name], state[name]) for name in OTHERS)
        assert network.state_dict()["position_ids"].tolist() == [0, 1, 2, 3]


@given(
    size=st.integers(1, 300),
    place=st.floats(0, 1, exclude_max=True),
    value=st.sampled_from([float("nan"), float("inf"), float("-inf"), 65504.0, -1e-30, 0.0]),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16]),
)
def test_one_number_that_is_not_finite_is_found_wherever_it_is(
    size: int, place: float, value: float, dtype: torch.dtype
) -> None:
    network = torch.nn.ParameterDict({"empty": torch.zeros(0), "weight": torch.ones(size).to(dtype)})
    network["weight"].data[int(place * size)] = value
    if value in (65504.0, -1e-30, 0.0):
        check_finite(network, WHERE)
    else:
        with pytest.raises(DataError, match="'weight'"):
            check_finite(network, WHERE)
