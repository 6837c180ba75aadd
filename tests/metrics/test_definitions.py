"""Every metric that is shipped says in a sentence what it measures, and what it cannot tell."""

from __future__ import annotations

import pytest

from bench.contracts.plugins import installed, load

BUILT_IN = sorted(name for name, plugin in installed("metric").items() if plugin.target.startswith("metrics."))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_metric_says_what_it_measures_and_what_it_cannot_tell(name: str) -> None:
    metric = load(installed("metric")[name])
    first = (metric.__doc__ or "").partition("\n\n")[0]
    assert len(first.split()) >= 5
    assert len(metric.cannot_tell.split()) >= 4
    # Pages put "Cannot tell" before it and a full stop behind.
    assert metric.cannot_tell[0].islower() and not metric.cannot_tell.endswith(".")
