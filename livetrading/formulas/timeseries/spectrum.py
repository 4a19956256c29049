"""The strongest line of a spectrum by Thomson's multitaper F test (50)."""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, forecast_signal

__all__ = ["Line", "SpectralDensity", "strongest_line"]

Floats = NDArray[np.float64]


@lru_cache(maxsize=16)
def tapers_of(n: int, NW: float, tapers: int) -> Floats:
    """Discrete prolate spheroidal sequences of unit energy, shape (tapers, n)."""
    found: Floats = library("scipy.signal.windows").dpss(n, NW, tapers)
    found.flags.writeable = False
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """The frequency of the largest F, that F, its p-value over all frequencies, the largest density."""

    frequency: float
    f_stat: float
    p: float
    psd_peak: float


def strongest_line(x: Floats, NW: float, tapers: int) -> Line:
    """Test every Fourier frequency between 0 and 1/2 for a line.

    References
    ----------
    Thomson (1982), Proc. IEEE 70.
    """
    n = len(x)
    x = x - np.mean(x)
    window = tapers_of(n, NW, tapers)
    last = (n - 1) // 2
    y = np.fft.rfft(window * x, axis=1)[:, 1 : last + 1]
    total = window.sum(axis=1)
    energy = float(total @ total)
    mean = total @ y / energy
    rest = np.sum(np.abs(y - total[:, None] * mean) ** 2, axis=0)
    line = (tapers - 1) * np.abs(mean) ** 2 * energy
    f = np.divide(line, rest, out=np.zeros_like(line), where=rest > 0.0)
    best = int(np.argmax(f))
    f_stat = float(f[best])
    # survival of F with 2 and 2K - 2 degrees of freedom
    p = (1.0 + f_stat / (tapers - 1)) ** -(tapers - 1)
    peak = float(np.max(np.sum(np.abs(y) ** 2, axis=0))) / tapers
    return Line((best + 1) / n, f_stat, min(1.0, p * (n / 2 - 1)), peak)


@register(
    id=50,
    name="SpectralDensity",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="observations",
    low=0.0,
    reference="Thomson (1982), Proc. IEEE 70; Percival and Walden (1993), Spectral Analysis for Physical "
    "Applications",
    library="scipy",
    extra="formulas",
)
class SpectralDensity(SeriesFormula):
    """Period of the strongest line in the returns by Thomson's multitaper harmonic F test.

    At each f_j = j/n the tapered transforms Y_k are regressed on the tapers' sums U_k; F compares what that
    explains with what it leaves, 2 and 2K - 2 degrees of freedom; the value is 1 / f of the largest. Its
    sinusoid, fitted to the window at the run and carried on, forecasts the next return: the sign where it is
    z0 sd of the current window and p < alpha; confidence (2 Phi - 1)(1 - p), p over all frequencies.
    Outputs: f_stat, p, psd_peak, the largest multitaper density.

    References
    ----------
    Thomson (1982), Proc. IEEE 70; Percival and Walden (1993), Spectral Analysis for Physical Applications.
    """

    n = Whole(256, "returns in the window", low=8, high=100_000)
    NW = Real(4.0, "time-bandwidth product", low=1.0, high=100.0)
    tapers = Whole(7, "tapers", low=2, high=200)
    every = Whole(16, "observations between runs")
    alpha = Real(0.05, "level of the test", low=0.0, high=1.0)
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        if self.tapers > self.n or self.n / 2 <= self.NW:
            raise FormulaError(
                f"NW must be below n / 2, tapers at most n, were {self.NW}, {self.tapers}, n {self.n}"
            )
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    def _begin(self) -> None:
        self._line: Line | None = None
        self._wave = (0.0, 0.0)
        self._since = 0

    @property
    def gives(self) -> tuple[str, ...]:
        return ("f_stat", "p", "psd_peak")

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _test(self, r: Floats, sd: float) -> None:
        self._since = 0
        self._line = None
        if sd <= FLAT:
            return
        x = r - np.mean(r)
        self._line = strongest_line(x, self.NW, self.tapers)
        angle = 2.0 * pi * self._line.frequency * np.arange(1 - self.n, 1)
        design = np.column_stack([np.cos(angle), np.sin(angle)])
        a, b = np.linalg.lstsq(design, x, rcond=None)[0].tolist()
        self._wave = a, b

    def _advance(self, s: Series) -> None:
        if s.m < self.n:
            return
        r = s.last("r", self.n)
        sd = float(np.std(r))
        if self._schedule.due(s.m):
            self._test(r, sd)
        else:
            self._since += 1
        if self._line is None:
            self._report(0.0, 0, 0.0, f_stat=0.0, p=1.0, psd_peak=0.0)
            return
        line, (a, b) = self._line, self._wave
        angle = 2.0 * pi * line.frequency * (1 + self._since)
        signal, confidence = forecast_signal(a * cos(angle) + b * sin(angle), sd, self.z0)
        if not line.p < self.alpha:
            signal, confidence = 0, 0.0
        said = {"f_stat": line.f_stat, "p": line.p, "psd_peak": line.psd_peak}
        self._report(1.0 / line.frequency, signal, confidence * (1.0 - line.p), **said)
