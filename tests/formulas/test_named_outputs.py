"""Outputs that follow from others, or from the market, by their names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from signal_forms import Floats, Said, named, normal


def rolling(x: Floats, n: int, what: Callable[[Floats], Any], least: int) -> Floats:
    """A number of the last n of those that are there, NaN where fewer than `least` are."""
    found = np.full(len(x), np.nan)
    for i in range(len(x)):
        last = x[max(0, i - n + 1) : i + 1]
        last = last[~np.isnan(last)]
        if len(last) >= least:
            found[i] = what(last)
    return found


def over_its_sd(x: Floats, n: int, least: int) -> Floats:
    return np.nan_to_num(x / rolling(x, n, np.std, least))


def signs_of(s: Said) -> dict[str, Floats]:
    """Of the last n returns that are not 0."""
    found = np.full((3, len(s.r)), np.nan)
    for i in range(s.of["n"], len(s.r)):
        up = s.r[1 : i + 1][s.r[1 : i + 1] != 0.0][-s.of["n"] :] > 0.0
        found[:, i] = np.sum(up), np.sum(~up), 1 + np.sum(up[1:] != up[:-1])
    return dict(zip(("n_up", "n_down", "runs"), found, strict=True))


def formation(s: Said) -> dict[str, Floats]:
    x, formation, skip = np.log(s.p), s.of["formation"], s.of["skip"]
    moves = np.full(len(x), np.nan)
    moves[formation + skip :] = (x[formation:] - x[:-formation])[: len(x) - formation - skip]
    return {"formation_return": moves}


def log_score(s: Said) -> dict[str, Floats]:
    x, n = np.log(s.p), s.of["n"] + 1
    return {"z": (x - rolling(x, n, np.mean, n)) / rolling(x, n, np.std, n)}


OUTPUTS: dict[int, Callable[[Said], dict[str, Floats]]] = {
    1: lambda s: {"mean": s.o["a"] / (s.o["a"] + s.o["b"])},
    3: lambda s: {"branching": s.o["alpha"] / s.o["beta"]},
    10: lambda s: {"p": 1.0 - normal(s.o["z_star"])},
    11: signs_of,
    15: formation,
    26: lambda s: {"median": s.of_window(np.median, s.of["n"])},
    44: lambda s: {"z": (s.p - s.v) / s.o["sd"]},
    47: log_score,
    48: log_score,
    52: lambda s: {"z": over_its_sd(s.o["cycle"], s.of["n"], 50), "cycle": np.log(s.p) - np.log(s.v)},
    144: lambda s: {
        "upper": s.o["ema"] + s.of["k"] * s.o["atr"],
        "lower": s.o["ema"] - s.of["k"] * s.o["atr"],
    },
    150: lambda s: {"z": s.o["nu"] / np.sqrt(s.o["S"])},
}


@pytest.mark.parametrize("id", [named(id) for id in OUTPUTS])
def test_outputs_are_what_their_names_say(id: int) -> None:
    said = Said(id)
    ready = said.batch.ready
    for name, expected in OUTPUTS[id](said).items():
        assert np.allclose(said.o[name][ready], expected[ready], rtol=1e-6, atol=1e-11), name
