"""Signals and confidences by their rules, written again: formulas of microstructure (101 to 130)."""

from typing import Any

import numpy as np
import pytest
from signal_forms import Said, assert_rule, rule, ruled


@rule(113, hist=20, limit=0.9, bucket=2.0, n=5)
def among_its_past(s: Said) -> tuple[Any, Any]:
    """18 of 20 below it are as many as the limit."""
    assert np.any(s.v == s.of["limit"])
    return np.where(s.v >= s.of["limit"], -1.0, 1.0), np.abs(2.0 * s.v - 1.0)


@rule(118, limit_bps=0.2)
@rule(105, 120, limit_bps=0.5)
def dear(s: Said) -> tuple[Any, Any]:
    return np.where(s.v > s.of["limit_bps"], -1.0, 1.0), np.ones(len(s.v))


@pytest.mark.parametrize("id", ruled("microstructure"))
def test_signal_and_confidence_follow_their_rule(id: int) -> None:
    assert_rule(id)
