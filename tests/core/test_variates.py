import json
import math
from decimal import Context, Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import solve_ivp

from livetrading.core.variates import (
    exp,
    log,
    log_return,
    lorenz,
    normal_quantile,
    normals,
    philox,
    sincos_turn,
    uniforms,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "hot_formulas.json").read_text(encoding="utf-8"))
EXACT = Context(prec=50)
word = st.integers(0, 2**64 - 1)


def ulps(value: float, exact: Decimal) -> float:
    return float(abs(Decimal(value) - exact) / Decimal(math.ulp(float(exact))))


@pytest.mark.parametrize("case", GOLDEN["philox"])
def test_philox_golden(case: dict) -> None:
    assert [f"{w:016x}" for w in philox(*case["key"], case["index"])] == case["words"]


@given(word, word, st.integers(1, 2**64 - 1))
def test_philox_is_numpys(seed: int, stream: int, index: int) -> None:
    # numpy increments its counter before it draws
    key, counter = np.array([seed, stream], np.uint64), np.array([index - 1, 0, 0, 0], np.uint64)
    source = np.random.Philox(key=key, counter=counter)
    assert list(philox(seed, stream, index)) == source.random_raw(4).tolist()


@pytest.mark.parametrize("arguments", [(-1, 0, 0), (0, 2**64, 0)])
def test_philox_out_of_range(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(OverflowError):
        philox(*arguments)


@given(word, word, st.integers(0, 2**64 - 41), st.integers(0, 40))
def test_uniforms_are_cell_midpoints(seed: int, stream: int, index: int, n: int) -> None:
    drawn = uniforms(seed, stream, index, n)
    assert drawn.shape == (n, 4)
    expected = [[((w >> 12) + 0.5) * 2.0**-52 for w in philox(seed, stream, index + i)] for i in range(n)]
    assert drawn.tolist() == expected
    assert np.all((drawn > 0) & (drawn < 1))


@given(word, word, st.integers(0, 2**64 - 41), st.integers(0, 40), st.integers(0, 40))
def test_blocks_do_not_change_a_draw(seed: int, stream: int, index: int, n: int, cut: int) -> None:
    cut = min(cut, n)
    for draw in (uniforms, normals):
        whole = draw(seed, stream, index, n)
        parts = np.concatenate([draw(seed, stream, index, cut), draw(seed, stream, index + cut, n - cut)])
        assert whole.tobytes() == parts.tobytes()


@given(word, word, st.integers(0, 2**64 - 2))
def test_normals_are_box_muller(seed: int, stream: int, index: int) -> None:
    u = uniforms(seed, stream, index, 1)[0]
    radius, turn = math.sqrt(-2 * math.log(u[0])), 2 * math.pi * u[1]
    expected = [radius * math.cos(turn), radius * math.sin(turn)]
    assert normals(seed, stream, index, 1)[0] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_normals_are_normal() -> None:
    z = normals(7, 2, 0, 500_000)
    flat = z.ravel()
    # five standard errors of each moment
    bound = 5 / math.sqrt(flat.size)
    assert abs(flat.mean()) < bound
    assert abs(flat.var() - 1) < bound * math.sqrt(2)
    assert abs((flat**3).mean()) < bound * math.sqrt(15)
    assert abs((flat**4).mean() - 3) < bound * math.sqrt(96)
    assert abs(np.mean(z[:, 0] * z[:, 1])) < 5 / math.sqrt(len(z))
    assert abs(np.mean(flat[1:] * flat[:-1])) < bound
    assert stats.kstest(flat[:100_000], "norm").pvalue > 1e-4


def test_uniforms_are_uniform() -> None:
    u = uniforms(7, 3, 0, 25_000).ravel()
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    # the middle of the unit interval is where a lost low bit would show in the binary digits
    assert stats.kstest((u * 2.0**20) % 1.0, "uniform").pvalue > 1e-4


positive = st.one_of(
    st.floats(min_value=2.2250738585072014e-308, max_value=1.7976931348623157e308),
    st.floats(min_value=0.5, max_value=2.0),
    st.integers(-1022, 1023).map(lambda e: math.ldexp(1.0, e)),
)


@given(st.lists(positive, min_size=1, max_size=5))
def test_log_is_within_one_ulp(xs: list[float]) -> None:
    for x, y in zip(xs, log(np.array(xs)), strict=True):
        assert ulps(y, Decimal(x).ln(EXACT)) <= 1.0


@given(st.floats(5e-324, 2.2250738585072014e-308))
def test_log_of_a_subnormal_is_within_two_ulp(x: float) -> None:
    assert ulps(log(np.array([x]))[0], Decimal(x).ln(EXACT)) <= 2.0


@given(st.one_of(st.floats(-700.0, 700.0), st.floats(-1.0, 1.0)))
def test_exp_is_within_one_ulp(x: float) -> None:
    assert ulps(exp(np.array([x]))[0], Decimal(x).exp(EXACT)) <= 1.0


def test_edges_of_exp_and_log() -> None:
    inf, nan = math.inf, math.nan
    assert exp(np.array([0.0, 700.5, -700.5, inf, -inf])).tolist() == [1.0, inf, 0.0, inf, 0.0]
    assert log(np.array([1.0, 0.0, -0.0, inf])).tolist() == [0.0, -inf, -inf, inf]
    assert np.isnan(log(np.array([-1.0, -inf, nan]))).all()
    assert math.isnan(exp(np.array([nan]))[0])


@given(st.lists(st.one_of(positive, st.floats()), max_size=40), st.integers(1, 3))
def test_log_of_an_array_has_the_bits_of_single_values(xs: list[float], step: int) -> None:
    whole = np.array(xs, dtype=np.float64)
    for some in (whole, whole[::step], whole[::-step]):
        single = np.array([log(x) for x in some.tolist()], dtype=np.float64)
        assert np.array_equal(log(some), single, equal_nan=True)


# Correctly rounded values, compared bit for bit: every machine must give these.
@pytest.mark.parametrize(("x", "bits"), [(6177.2, "0x1.1750dbac57718p+3"), (0.7, "-0x1.6d3c324e13f50p-2")])
def test_log_bits(x: float, bits: str) -> None:
    assert log(np.array([x]))[0].hex() == bits


@given(st.one_of(st.floats(0.0, 1.0), st.integers(0, 64).map(lambda k: k / 64)))
def test_sine_and_cosine(u: float) -> None:
    sine, cosine = (float(v[0]) for v in sincos_turn(np.array([u])))
    # math's functions of the nearest double to 2 pi u err by half an ulp of that angle: 4.4e-16 absolute
    assert sine == pytest.approx(math.sin(2 * math.pi * u), abs=1e-15)
    assert cosine == pytest.approx(math.cos(2 * math.pi * u), abs=1e-15)
    assert abs(sine * sine + cosine * cosine - 1) <= 4.5e-16


def test_quarter_turns_are_exact() -> None:
    sine, cosine = sincos_turn(np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert sine.tolist() == [0, 1, 0, -1, 0]
    assert cosine.tolist() == [1, 0, -1, 0, 1]
    for u in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="u must be from 0 to 1, was"):
            sincos_turn(np.array([u]))


price = st.one_of(st.floats(1e-12, 1e15), st.floats(50_000, 50_001), st.floats(1e-150, 1e150))


@given(st.lists(price, max_size=40))
def test_log_returns_are_exact_logs(prices: list[float]) -> None:
    r = log_return(np.array(prices))
    assert len(r) == max(len(prices) - 1, 0)
    for i, value in enumerate(r):
        exact = (EXACT.divide(Decimal(prices[i + 1]), Decimal(prices[i]))).ln(EXACT)
        assert abs(Decimal(float(value)) - exact) <= abs(exact) * Decimal("2e-15")


@given(st.lists(price, min_size=2, max_size=40), st.integers(1, 39))
def test_a_log_return_depends_on_its_two_prices_alone(prices: list[float], cut: int) -> None:
    cut = min(cut, len(prices) - 1)
    p = np.array(prices)
    parts = np.concatenate([log_return(p[: cut + 1]), log_return(p[cut:])])
    assert parts.tobytes() == log_return(p).tobytes()


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, 1e151])
def test_log_return_of_no_price(bad: float) -> None:
    with pytest.raises(ValueError, match=r"a price must be from .* was"):
        log_return(np.array([1.0, bad, 2.0]))


@pytest.mark.parametrize("case", GOLDEN["lorenz"])
def test_lorenz_golden(case: dict) -> None:
    path = lorenz(case["step"])
    np.testing.assert_allclose(path[-1], case["state"], rtol=0, atol=case["tolerance"] * 20)


def test_lorenz_follows_the_flow() -> None:
    def slope(_: float, s: np.ndarray) -> list[float]:
        x, y, z = s
        return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]

    exact = solve_ivp(slope, (0, 1), (1, 1, 1), method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    errors = [np.linalg.norm(lorenz(round(1 / dt), dt)[-1] - exact) for dt in (0.01, 0.005, 0.0025)]
    # fourth order: each halving of the step divides the error by about 16
    assert all(math.log2(a / b) > 3.5 for a, b in pairwise(errors))
    assert errors[0] < 1e-3


def test_lorenz_attractor() -> None:
    # measured on 4000 trajectories of 12,000 steps; the standard error of the sd here is about 0.6 %
    path = lorenz(1_002_000)[2000:]
    assert path[:, 0].std() == pytest.approx(7.9246, rel=0.02)
    assert path[:, 2].mean() == pytest.approx(23.55, rel=0.02)
    assert np.abs(path[:, 0]).max() < 20.0


@pytest.mark.parametrize("dt", [0.0, -0.01, 0.0200001, math.nan, math.inf])
def test_lorenz_step_out_of_range(dt: float) -> None:
    with pytest.raises(ValueError, match=r"dt must be above 0 and at most 0.02, was"):
        lorenz(1, dt)


@given(st.floats(1e-300, 1 - 1e-16))
def test_normal_quantile(p: float) -> None:
    assert normal_quantile(np.array([p]))[0] == pytest.approx(stats.norm.ppf(p), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_normal_quantile_out_of_range(p: float) -> None:
    with pytest.raises(ValueError, match="a probability must be between 0 and 1, was"):
        normal_quantile(np.array([p]))


@pytest.mark.parametrize("n", [-1, 2**32 + 1])
def test_draws_out_of_range(n: int) -> None:
    with pytest.raises(ValueError, match="n must be from 0 to"):
        normals(1, 1, 0, n)
