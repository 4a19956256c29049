"""Decompositions of a window of log prices: wavelets, empirical modes, singular spectrum (55-57)."""

from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt, library, quietly
from livetrading.formulas.parameters import Choice, Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, faded, sign
from livetrading.formulas.timeseries.windows import (
    Refitted,
    dollars,
)

__all__ = [
    "EMDDecomposition",
    "SingularSpectrum",
    "WaveletDecomposition",
    "diagonal_means",
    "empirical_modes",
    "extrema",
    "wavelet_approximation",
]

Floats = NDArray[np.float64]
WAVELETS: Final = (
    "haar",
    *(f"db{i}" for i in range(1, 39)),
    *(f"sym{i}" for i in range(2, 21)),
    *(f"coif{i}" for i in range(1, 18)),
)


class _Decomposed(SeriesFormula):
    """Log prices decomposed every so often; what was found stands until the next time."""

    every = Whole(4, "observations between runs")
    phase = Phase()
    n = Whole(128, "log prices in the window", low=4, high=100_000)

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n

    def _run_on_window(self, x: Floats) -> None:
        raise NotImplementedError

    def _advance(self, s: Series) -> None:
        if s.count >= self.n and self._schedule.due(s.count):
            self._run_on_window(s.last("log_price", self.n))


def wavelet_approximation(x: Floats, wavelet: str, level: int) -> tuple[Floats, list[float]]:
    """Return the approximation of the last level and the details' energies, the finest first.

    References
    ----------
    Mallat (1989), IEEE Trans. PAMI 11.
    """
    pywt = library("pywt")
    parts = quietly(lambda: pywt.wavedec(x.copy(), wavelet, mode="smooth", level=level))
    alone = [parts[0], *(None for _ in parts[1:])]
    smooth: Floats = pywt.waverec(alone, wavelet, mode="smooth")[: len(x)]
    return smooth, [float(d @ d) for d in reversed(parts[1:])]


@register(
    id=55,
    name="WaveletDecomposition",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log price",
    reference="Mallat (1989), IEEE Trans. PAMI 11; Daubechies (1992), Ten Lectures on Wavelets",
    library="pywt",
    extra="formulas",
)
class WaveletDecomposition(_Decomposed):
    """Log price less the last point of its wavelet approximation A over the last n log prices.

    Discrete transform with boundary mode "smooth", all details left out; the boundary's error is in it. The
    sign of slope = A_n - A_{n-1} where |slope| is at least z0 sd of the differences of A; confidence
    |slope| / (|slope| + sd of the window's returns). Run every so often, and held.
    Outputs: slope; e_1 ... e_level, the details' shares of their energy, the finest first.

    References
    ----------
    Mallat (1989), IEEE Trans. PAMI 11; Daubechies (1992), Ten Lectures on Wavelets.
    """

    wavelet = Choice("db4", "wavelet", among=WAVELETS)
    level = Whole(3, "level of the approximation", high=20)
    z0 = Real(0.5, "slope over its sd at which it counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("slope", *(f"e_{j}" for j in range(1, self.level + 1)))

    def _run_on_window(self, x: Floats) -> None:
        if np.all(x == x[0]):
            self._report(0.0, 0, 0.0, **dict.fromkeys(self.gives, 0.0))
            return
        smooth, energy = wavelet_approximation(x, self.wavelet, self.level)
        slope = float(smooth[-1] - smooth[-2])
        sd, s0 = float(np.std(np.diff(smooth))), float(np.std(np.diff(x)))
        total = sum(energy)
        shares = {f"e_{j + 1}": e / total if total > 0.0 else 0.0 for j, e in enumerate(energy)}
        signal = sign(slope) if abs(slope) >= self.z0 * sd else 0
        confidence = abs(slope) / (abs(slope) + s0) if slope else 0.0
        self._report(float(x[-1] - smooth[-1]), signal, confidence, slope=slope, **shares)


def extrema(h: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of maxima and of minima: the first sample after a rise that a fall follows.

    Flat steps are passed over, so that a plateau counts once, at its first sample.
    """
    step = np.diff(h)
    moves = np.flatnonzero(step)
    up = step[moves] > 0.0
    turns = np.flatnonzero(up[1:] != up[:-1])
    at = moves[turns] + 1
    return at[up[turns]], at[~up[turns]]


def envelope(at: NDArray[np.int64], h: Floats) -> Floats:
    """Return the cubic spline through extrema, the two nearest each end mirrored about it."""
    interpolate = library("scipy.interpolate")
    end = len(h) - 1
    where = np.concatenate([-at[:2], at, 2 * end - at[-2:]])
    where, first = np.unique(where, return_index=True)
    high = np.concatenate([h[at[:2]], h[at], h[at[-2:]]])[first]
    found: Floats = interpolate.CubicSpline(where, high)(np.arange(len(h)))
    return found


def empirical_modes(x: Floats, max_imf: int, sift: int) -> tuple[list[Floats], Floats]:
    """Decompose a series into intrinsic mode functions by a fixed number of siftings.

    Returns
    -------
    modes : list of ndarray of float64, shape (n,)
        The fastest first; together with the residue they are the series.
    residue : ndarray of float64, shape (n,)

    References
    ----------
    Huang et al. (1998), Proc. R. Soc. A 454; Wu and Huang (2009), Advances in Adaptive Data Analysis 1.
    """
    residue = x.copy()
    modes: list[Floats] = []
    while len(modes) < max_imf:
        h = residue
        tops, bottoms = extrema(h)
        if min(len(tops), len(bottoms)) < 2:
            break
        for _ in range(sift):
            h = h - 0.5 * (envelope(tops, h) + envelope(bottoms, h))
            tops, bottoms = extrema(h)
            if min(len(tops), len(bottoms)) < 2:
                break
        modes.append(h)
        residue = residue - h
    return modes, residue


@register(
    id=56,
    name="EMDDecomposition",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log price",
    reference="Huang et al. (1998), Proc. R. Soc. A 454; "
    "fixed sifting: Wu and Huang (2009), Advances in Adaptive "
    "Data Analysis 1",
    library="scipy",
    extra="formulas",
)
class EMDDecomposition(_Decomposed):
    """Last point of the sum of the first `noise` empirical modes of the last n log prices.

    Each mode is sifted `sift` times by the mean of cubic-spline envelopes through its maxima and minima; the
    end effect is in the value. Against the sign of z, the value over the sd of that sum in the window, where
    |z| >= entry; confidence |z| / 3, at most 1. Run every so often, and held.
    Outputs: n_imf; residue, its last point; e_1 ... e_max_imf, the modes' shares of their energy.

    References
    ----------
    Huang et al. (1998), Proc. R. Soc. A 454; fixed sifting: Wu and Huang (2009), Advances in Adaptive Data
    Analysis 1.
    """

    n = Whole(256, "log prices in the window", low=8, high=100_000)
    max_imf = Whole(6, "modes at most", high=50)
    sift = Whole(10, "siftings of a mode", high=1000)
    every = Whole(8, "observations between runs")
    noise = Whole(2, "modes that count as noise", high=50)
    entry = Real(1.5, "score at which the noise is faded", low=0.0)
    check_parameters: ClassVar[dict[str, Any]] = {"n": 80, "every": 16, "max_imf": 3, "sift": 4}
    check_rows = 240

    @property
    def gives(self) -> tuple[str, ...]:
        return ("n_imf", "residue", *(f"e_{j}" for j in range(1, self.max_imf + 1)))

    def _run_on_window(self, x: Floats) -> None:
        modes, residue = empirical_modes(x, self.max_imf, self.sift)
        energy = [float(mode @ mode) for mode in modes] + [0.0] * (self.max_imf - len(modes))
        total = sum(energy)
        shares = {f"e_{j + 1}": e / total if total > 0.0 else 0.0 for j, e in enumerate(energy)}
        fast = np.sum(modes[: self.noise], axis=0) if modes else np.zeros(len(x))
        sd, value = float(np.std(fast)), float(fast[-1])
        z = value / sd if sd > FLAT else 0.0
        said = {"n_imf": float(len(modes)), "residue": float(residue[-1]), **shares}
        self._report(value, faded(z, self.entry), min(1.0, abs(z) / 3.0), **said)


def diagonal_means(matrix: Floats) -> Floats:
    """Return the series of the means along a matrix's anti-diagonals.

    References
    ----------
    Golyandina, Nekrutkin, Zhigljavsky (2001), Analysis of Time Series Structure: SSA.
    """
    L, K = matrix.shape
    total, count = np.zeros(L + K - 1), np.zeros(L + K - 1)
    for i in range(L):
        total[i : i + K] += matrix[i]
        count[i : i + K] += 1.0
    return total / count


@register(
    id=57,
    name="SingularSpectrum",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    reference="Golyandina, Nekrutkin, Zhigljavsky (2001), Analysis of Time Series Structure: SSA; "
    "Broomhead and King "
    "(1986), Physica D 20",
)
class SingularSpectrum(Refitted):
    """Log price less its singular-spectrum trend, over the sd of what the trend leaves.

    The last n log prices, less their mean, fill a trajectory matrix of L rows; its first r left singular
    vectors U_r, held between fits, project the last L log prices onto the trend g. Against the sign of the
    value where it is at least entry; confidence |value| / (2 entry), at most 1.
    Outputs: trend e^g, USD; share of the r singular values in the sum of squares.

    References
    ----------
    Golyandina, Nekrutkin, Zhigljavsky (2001), Analysis of Time Series Structure: SSA; Broomhead and King
    (1986), Physica D 20.
    """

    n = Whole(200, "log prices in the window", low=4, high=10_000)
    L = Whole(40, "rows of the trajectory matrix", low=2, high=2000)
    r = Whole(2, "singular vectors of the trend", high=2000)
    refit = Whole(10, "observations between fits")
    entry = Real(2.0, "score at which the deviation is faded", low=0.0, open_low=True)
    phase = Phase()
    check_parameters: ClassVar[dict[str, Any]] = {"n": 100, "L": 20}

    def _prepare(self) -> None:
        if not self.n > self.L or not self.r <= min(self.L, self.n - self.L + 1):
            raise FormulaError(
                f"L must be below n and r at most L and n - L + 1, were {self.L} and {self.r} with n {self.n}"
            )
        self._schedule = Schedule(self.n, self.refit, self.phase)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("trend", "share")

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n

    def _counted(self, s: Series) -> int:
        return s.count

    def _fit(self, s: Series) -> bool:
        x = s.last("log_price", self.n)
        if np.all(x == x[0]):
            return False
        found = attempt(lambda: singular_trend(x, self.L, self.r))
        self._model = found or self._model
        return found is not None

    def _say(self, s: Series) -> None:
        weights, mean, sd, share = self._model
        x = s.last("log_price", self.L)
        g = mean + float(weights @ (x - mean))
        value = (float(x[-1]) - g) / sd if sd > FLAT else 0.0
        signal = faded(value, self.entry)
        self._report(value, signal, min(1.0, abs(value) / (2.0 * self.entry)), trend=dollars(g), share=share)


def singular_trend(x: Floats, L: int, r: int) -> tuple[Floats, float, float, float]:
    """Return the projection's weights for the last point, the mean, the residual sd and the share of r.

    References
    ----------
    Broomhead and King (1986), Physica D 20.
    """
    mean = float(np.mean(x))
    trajectory = np.lib.stride_tricks.sliding_window_view(x - mean, len(x) - L + 1)
    u, size, v = np.linalg.svd(trajectory, full_matrices=False)
    smooth = diagonal_means((u[:, :r] * size[:r]) @ v[:r])
    sd = float(np.std(x - mean - smooth))
    share = float(size[:r] @ size[:r]) / float(size @ size)
    return u[:, :r] @ u[-1, :r], mean, sd, share
