"""A listener can tell models apart by nothing but sound: a classifier that sees all the rest stays at chance."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.listening_test.access import listener_token
from bench.listening_test.sessions import ListeningTrial
from tests.bench.listening_test.conftest import Client, Served

sklearn = pytest.importorskip("sklearn")  # librosa brings it

HEADER = 4  # bytes of an MP3 file that hold no sound: the first frame's header


def seen_of(client: Client, name: str) -> list[float]:
    """What a browser can measure of a sound without playing it."""
    started = time.perf_counter()
    status, content, headers = client.ask("GET", f"/sounds/{name}.mp3")
    seconds = time.perf_counter() - started
    assert status == 200
    text = "".join(f"{key}:{value}" for key, value in sorted(headers.items()) if key not in ("date", "etag"))
    return [
        *(int(name[place : place + 4], 16) for place in range(0, 32, 4)),
        *content[:HEADER],
        len(content),
        seconds,
        float(sum(text.encode())),
        len(text),
    ]


def accuracy(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """Of a random forest on items that it has not seen."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GroupKFold, cross_val_predict

    # Each split sees all features: one that tells is found beside the many of the names, which are noise.
    forest = RandomForestClassifier(200, max_features=None, random_state=0)
    found = cross_val_predict(forest, features, labels, groups=groups, cv=GroupKFold(6))
    return float((found == labels).mean())


@pytest.mark.slow(10)
@pytest.mark.parametrize("kind", ["ratings", "preference", "stimuli"])
def test_a_classifier_stays_at_chance(
    kind: str, make_test: Callable[..., Path], serve: Callable[[Path], Served]
) -> None:
    served = serve(make_test(kind=kind, listeners=6, checks={"spoiled": 0, "beeps": 0, "headphones": False}))
    design = served.design
    features, labels, groups = [], [], []
    for listener, session in enumerate(design.sessions):
        client = served.client()
        client.get(f"/join/{listener_token(design, listener)}")
        told = client.get("/api/session")[1]["pages"]
        for page, trial in enumerate(session):
            if trial.role != "test":
                continue
            for place, model in enumerate(trial.models):
                sound = told[page]["sounds"][place]
                numbers = [page, place, page % 2, page % 3, sound["seconds"], told[page]["expected"]]
                features.append([*numbers, *seen_of(client, sound["name"])])
                labels.append(design.models.index(model))
                groups.append(trial.item)
    found = accuracy(np.array(features), np.array(labels), np.array(groups))
    # One sound of an item is the same for all listeners: the independent ones are models × items.
    independent = len(design.models) * len(design.items)
    assert found < 1 / 3 + 3 * np.sqrt(2 / 9 / independent)
    # The same classifier finds what does tell: sizes that differ by model.
    leaky = np.array(features)
    leaky[:, 6 + 8 + HEADER] += 100 * np.array(labels)
    assert accuracy(leaky, np.array(labels), np.array(groups)) > 0.75


def test_no_two_pages_of_a_session_give_an_order_away(make_test: Callable[..., Path]) -> None:
    from bench.listening_test.design import read_design

    design = read_design(make_test(listeners=12, checks={"spoiled": 0, "beeps": 0, "practice": 0, "headphones": False}))
    following = np.zeros((3, 3))
    for session in design.sessions:
        models = [design.models.index(_only(trial)) for trial in session]
        for first, second in pairwise(models):
            following[first, second] += 1
    shares = following / following.sum(axis=1, keepdims=True)
    assert np.abs(shares - 1 / 3).max() < 0.15


def _only(trial: ListeningTrial) -> str:
    (model,) = trial.models
    return model
