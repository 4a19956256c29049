"""TICK arrays that no market sends, through the processor, beside a twin that sees the good ticks alone."""

import ctypes
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from fuzz_ledger import assert_conserved
from tapes import awkward, chaos, gbm, raw, recording

from livetrading.core.dtypes import FILL, RESULT, TICK, Rejection
from livetrading.core.errors import BadTick
from livetrading.core.processor import Processor
from livetrading.core.settings import VOTERS, BrokerSettings, Settings, horizons

Rng = np.random.Generator
Chances = dict[str, Callable[[Rng], Any]]

NAN, INF = float("nan"), float("inf")
ODD: Final = [NAN, INF, -INF, 0.0, -0.0, -1.0, 5e-324, 1e-320, 9e-13, 1e-12, 1.0, 1e15, 1.1e15, 1e308, -1e308]
"""Values for a price or a size, at and beyond the edges of what is taken."""
TIMES: Final = [0, 1, -1, 2**62, 2**62 + 1, 2**63 - 1, -(2**63)]


def among(*values: Any) -> Callable[[Rng], Any]:
    return lambda rng: values[int(rng.integers(len(values)))]


def between(low: float, high: float) -> Callable[[Rng], float]:
    return lambda rng: float(rng.uniform(low, high))


def voters(rng: Rng) -> tuple[Any, ...]:
    return tuple(VOTERS[k] for k in rng.permutation(len(VOTERS))[: rng.integers(1, min(8, len(VOTERS)) + 1)])


def fee(rng: Rng) -> float:
    return int(rng.choice([0, 0, 1, 12_345, 100_000, 500_000, 100_000_000])) / 1e5


flag = among(True, False)

CHANCES: Final[dict[str, Chances]] = {
    "signals": {
        "voters": voters,
        "window": among(2, 3, 10, 40, 100, 129, 4096),
        "adaptive": flag,
        "gate_trend": flag,
        "gate_vpin": flag,
        "estimators": flag,
    },
    "vote": {
        "kind": among("condorcet", "condorcet", "majority"),
        "refresh": among(1, 7, 64, 1000, 1024, 1 << 30),
        "h": among(1, 2, 10, 100, 1 << 20),
        "p_min": among(0.5 + 1e-12, 0.505, 0.55, 0.9, 1 - 1e-12),
        "k_min": among(1, 1, 2, 7),
    },
    "sizing": {
        "kind": among("kelly", "fixed"),
        "kelly": among(1e-12, 0.25, 1.0),
        "max_fraction": among(1e-12, 0.5, 1.0, 100.0),
        "quantity_btc": among(1e-8, 0.01, 1.0, 21e6),
        "max_drawdown": among(1e-12, 0.003, 0.2, 1.0),
        "calibrate": flag,
    },
    "exits": {
        "take_profit_bps": among(1e-9, 3.0, 50.0, 9999.0),
        "stop_bps": among(1e-9, 4.0, 50.0, 9999.0),
        "trail_activate_bps": among(0.0, 1.0, 100.0),
        "trail_vol": among(0.0, 0.7, 1e6),
        "hold_ticks": among(0, 1, 30, 1 << 50, 1 << 62),
        "on_signal": among("none", "reverse", "flat"),
    },
    "broker": {
        "taker_bps": fee,
        "maker_bps": lambda rng: fee(rng) if rng.random() < 0.7 else -min(100.0, fee(rng)),
        "borrow_bps_8h": fee,
        "impact_bps": among(0.0, 2.0, 2.0, 10_000.0),
        "feed_latency_us": among(0.0, 0.0, 0.001, 1000.0),
        "latency_us": among(0.0, 0.0, 0.001, 1000.0, 100_000.0, 250_000.0, 1e9),
        "latency": among("constant", "constant", "log-normal", "recorded"),
        "latency_sigma": among(0.0, 0.5, 5.0),
        "latency_file": among(""),
        "queue": among("conservative", "probabilistic"),
        "queue_power": among(1, 2, 3, 8),
    },
    "limits": {
        "max_position_btc": among(1e-8, 1.0, 100.0, 21e6),
        "orders_per_s": among(1, 2, 100, 4096, 4096),
        "daily_loss": among(1e-12, 0.1, 1.0, 1.0),
        "stale_s": among(1e-9, 60.0, 1e9, 1e9),
        "leverage": among(1.0, 3.0, 100.0),
    },
    "books": {"count": among(1, 2, 3, 8)},
}
"""How each setting is drawn: mostly what trades, now and then an edge of its range."""


WIDTHS: Final = ("take_profit_bps", "stop_bps", "trail_activate_bps")
KEYS: Final = [(part, key) for part, keys in CHANCES.items() for key in keys]
TRADING: Final = (
    {"signals": {"window": 40}, "vote": {"refresh": 64, "p_min": 0.505},
     "sizing": {"kelly": 1.0, "max_fraction": 1.0},
     "exits": {"take_profit_bps": 3, "stop_bps": 4, "hold_ticks": 30, "on_signal": "none"},
     "broker": {"taker_bps": 0.0, "latency_us": 0.0}, "limits": {"daily_loss": 0.5}},
    {"signals": {"voters": ("z_score",), "adaptive": False}, "vote": {"kind": "majority", "k_min": 1},
     "sizing": {"kind": "fixed", "quantity_btc": 0.01, "max_drawdown": 1.0}, "exits": {"on_signal": "flat"},
     "broker": {"taker_bps": 1.0, "latency_us": 0.0}, "limits": {"daily_loss": 1.0, "stale_s": 1e9}},
)  # fmt: skip
"""Settings that trade every few ticks."""


def drawn_settings(rng: Rng) -> dict[str, dict[str, Any]]:
    """Return every key at random, or a few keys of what trades often."""
    if rng.random() < 0.2:
        return {part: {key: draw(rng) for key, draw in keys.items()} for part, keys in CHANCES.items()}
    drawn = deepcopy(TRADING[rng.integers(len(TRADING))])
    for k in rng.choice(len(KEYS), rng.integers(0, 6)):
        part, key = KEYS[k]
        drawn.setdefault(part, {})[key] = CHANCES[part][key](rng)
    return drawn


def random_settings(rng: Rng) -> Settings:
    """Return settings that keep the rules between keys."""
    drawn = drawn_settings(rng)
    if drawn["vote"].get("kind") == "majority":
        drawn["sizing"]["kind"] = "fixed"
    if drawn["sizing"].get("kind") == "fixed":
        drawn["sizing"].setdefault("quantity_btc", 0.01)
    else:
        drawn["exits"] = {"take_profit_bps": 3.0, "stop_bps": 4.0} | drawn["exits"]
    drawn["vote"]["k_min"] = min(
        drawn["vote"].get("k_min", 2), len(drawn["signals"].get("voters", VOTERS[:-1]))
    )
    fraction = drawn["sizing"].get("max_fraction", 0.5)
    drawn["limits"]["leverage"] = max(fraction, drawn["limits"].get("leverage", 1.0))
    if drawn.get("books", {}).get("count", 1) > 1:  # a longer book's barriers are wider
        drawn["exits"] |= {key: min(drawn["exits"].get(key, 0.0), 50.0) for key in WIDTHS}
        drawn["exits"]["hold_ticks"] = min(drawn["exits"].get("hold_ticks", 0), 1 << 51)
    makers = {part.name: part.default_factory for part in fields(Settings)}
    return Settings(**{part: makers[part](**keys) for part, keys in drawn.items()})  # type: ignore[misc,operator]


def latencies(rng: Rng, costs: BrokerSettings) -> Any:
    """Return recorded latencies, with times or without, where the settings ask for them."""
    if costs.latency != "recorded":
        return None
    late = rng.choice([0, 1, 1000, 10**8, 10**12, 10**15], 5)
    if rng.random() < 0.5:
        return late
    times = np.sort(rng.integers(0, 1 << 61, 5))
    times[0] = rng.choice([0, times[0]])
    return np.stack([times, late], axis=1)


PROTOTYPE: Final = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64, *[ctypes.c_void_p] * 2)


@PROTOTYPE
def odd_voter(ticks: int, truth: int, n: int, votes: int, state: int) -> None:
    """Vote by the low bits of the times: any of 256 values, of which the sign counts."""
    seen = np.frombuffer((ctypes.c_char * (TICK.itemsize * n)).from_address(ticks), TICK)
    (ctypes.c_int8 * n).from_address(votes)[:] = (seen["ts"] >> 3).astype(np.int8).tolist()


# Streams


def random_bytes(rng: Rng, n: int) -> np.ndarray:
    return np.frombuffer(bytearray(rng.bytes(n * TICK.itemsize)), TICK)


def base_stream(rng: Rng, n: int) -> np.ndarray:
    """Return n good ticks or nearly: of a market, of a recording, or made to be awkward."""
    seed, kind = int(rng.integers(1 << 32)), rng.integers(5)
    spread = float(rng.choice([0.0, 0.3, 1.0, 100.0]))
    if kind == 0:
        return gbm(seed, n, sd=float(rng.choice([1e-9, 1e-4, 1e-2])), spread_bps=spread)
    if kind == 1:
        return awkward(seed, max(n, 40))
    if kind == 2:
        ticks = np.tile(recording(), n // 600 + 1)
        span = int(ticks["ts"].max() - ticks["ts"].min())
        ticks["ts"] += np.repeat(np.arange(n // 600 + 1), 600) * span
        return ticks[:n]
    return chaos(seed, n, spread_bps=spread)[0]


def places(rng: Rng, n: int) -> np.ndarray:
    return rng.random(n) < rng.choice([1e-3, 1e-2, 0.1, 0.3])


def flip_bits(t: np.ndarray, rng: Rng) -> None:
    """Flip bits, those of the time seldom: one high one makes all that follows late."""
    flips = rng.random((len(t), TICK.itemsize * 8)) < rng.choice([1e-5, 1e-4, 1e-3])
    flips[:, :64] &= rng.random((len(t), 1)) < 0.05
    t.view(np.uint8).reshape(len(t), -1)[:] ^= np.packbits(flips, axis=1)


def odd_values(t: np.ndarray, rng: Rng) -> None:
    for name in ("price", "bid", "ask", "bid_size", "ask_size", "volume"):
        at = places(rng, len(t)) & (rng.random() < 0.5)
        t[name][at] = rng.choice(ODD, np.count_nonzero(at))


def odd_times(t: np.ndarray, rng: Rng) -> None:
    at = rng.integers(len(t), size=rng.integers(1, 9))
    t["ts"][at] = rng.choice(np.array(TIMES if rng.random() < 0.1 else TIMES[:3]), len(at))
    back = places(rng, len(t))
    t["ts"][back] -= rng.integers(0, 10**9, np.count_nonzero(back))


def small_types(t: np.ndarray, rng: Rng) -> None:
    at = places(rng, len(t))
    t["flags"][at] = rng.integers(0, 256, np.count_nonzero(at))
    t["side"][at] = rng.integers(-128, 128, np.count_nonzero(at))


def unknown_quotes(t: np.ndarray, rng: Rng) -> None:
    at = places(rng, len(t))
    t["bid"][at] = t["ask"][at] = NAN
    t["flags"][at] = rng.choice([0, 2, 3, 6], np.count_nonzero(at))


def jumps(t: np.ndarray, rng: Rng) -> None:
    """Multiply all prices from a tick on, by up to a million, and keep them in range."""
    for _ in range(rng.integers(1, 5)):
        at, factor = rng.integers(len(t)), 10.0 ** rng.uniform(-6, 6)
        for name in ("price", "bid", "ask"):
            t[name][at:] = np.clip(t[name][at:] * factor, 1e-12, 1e15)


def standing(t: np.ndarray, rng: Rng) -> None:
    """Let the quote stand, or creep by a unit in the last place."""
    start = rng.integers(len(t))
    stop, creep = start + rng.integers(1, len(t) + 1), rng.random() < 0.5
    for name in ("price", "bid", "ask"):
        if not creep:
            t[name][start:stop] = t[name][start]
        t[name][start:stop:2] = np.nextafter(t[name][start:stop:2], INF)


def odd_sizes(t: np.ndarray, rng: Rng) -> None:
    for name in ("bid_size", "ask_size", "volume"):
        t[name] *= 10.0 ** rng.choice([-300, -8, -3, 0, 3, 12], len(t))
        np.minimum(t[name], 1e15, out=t[name])


def blocks_of_bytes(t: np.ndarray, rng: Rng) -> None:
    at = np.flatnonzero(places(rng, len(t)))
    t[at] = random_bytes(rng, len(at))


def repeats(t: np.ndarray, rng: Rng) -> None:
    source = np.sort(rng.integers(len(t), size=len(t)))
    t[:] = t[source]


MUTATIONS: Final = (flip_bits, odd_values, odd_times, small_types, unknown_quotes, jumps, standing, odd_sizes,
                    blocks_of_bytes, repeats)  # fmt: skip


def stream(rng: Rng, n: int) -> tuple[str, np.ndarray]:
    """Return what kind of stream it is, and its ticks."""
    if rng.random() < 0.2:
        return "random", random_bytes(rng, n)
    ticks = base_stream(rng, n)
    with np.errstate(all="ignore"):
        for k in rng.choice(len(MUTATIONS), rng.integers(0, 4)):
            MUTATIONS[k](ticks, rng)
    return "mutated", ticks


# What a tick has to be, told by the columns of the array and in the order of the rules


def faults(t: np.ndarray) -> np.ndarray:
    """Return the kind of each tick's fault, -1 where it is good."""
    with np.errstate(invalid="ignore"):
        sound = {name: (t[name] >= 1e-12) & (t[name] <= 1e15) for name in ("price", "bid", "ask")}
        lone = np.isnan(t["bid"]) & np.isnan(t["ask"]) & (t["flags"] & 5 == 0)
        price = ~sound["price"] | (~lone & ~(sound["bid"] & sound["ask"]))
        crossed = t["bid"] > t["ask"]
        size = ~((t["volume"] >= 0) & (t["volume"] <= 1e15))
        for name in ("bid_size", "ask_size"):
            size |= (t[name] < 0) | (t[name] > 1e15)
    beyond = t["ts"] > 2**62
    good = ~(price | crossed | size | lone | beyond | (t["ts"] < 0))
    # a tick is late if one that is good but for its time came later in time: among those, if a good one did
    latest = np.maximum.accumulate(np.concatenate([[0], np.where(good, t["ts"], 0)]))[:-1]
    rules = [price, crossed, beyond | (t["ts"] < latest), size, lone]
    return np.select(rules, [int(kind) for kind in Rejection], -1)


# Feeding


@dataclass(frozen=True)
class Piece:
    """Ticks that go in with one call, or one by one."""

    start: int
    stop: int
    singly: bool
    with_rows: bool
    halted: bool


def cut(rng: Rng, n: int) -> list[Piece]:
    pieces, at, halted = [], 0, False
    while at < n:
        singly = bool(rng.random() < 0.15)
        length = int(rng.choice([0, 1, 2, 100, 1023, 1024, 1025, 2048, 5000, n]))
        stop = min(n, at + (min(length, 40) if singly else length))
        halted = bool(rng.random() < (0.5 if halted else 0.05))
        pieces.append(Piece(at, stop, singly, bool(rng.random() < 0.8), halted))
        at = stop
    return pieces


@dataclass(frozen=True)
class Tape:
    """Ticks, and what comes with them: true prices and the caller's own signal, where there are any."""

    ticks: np.ndarray
    truth: np.ndarray | None = None
    signal: np.ndarray | None = None

    def __getitem__(self, at: Any) -> "Tape":
        return Tape(self.ticks[at], *(None if x is None else x[at] for x in (self.truth, self.signal)))


class Feeder:
    """A processor that is fed piece by piece, and all it said."""

    def __init__(self, make: Callable[..., Processor], strict: bool, every: int, n: int) -> None:
        self.fills: list[bytes] = []
        self.processor = make(strict=strict, on_fills=lambda new: self.fills.append(new.tobytes()))
        self.every = every
        self.rows = np.zeros(n // every + 1, RESULT)
        self.written = np.zeros(n // every + 1, bool)
        self.directions = np.full(n + 1, 99, np.int8)

    @property
    def index(self) -> int:
        return int(self.processor.totals()["ticks"])

    def take(self, tape: Tape, piece: Piece) -> None:
        (self.processor.halt if piece.halted else self.processor.resume)()
        if piece.singly:
            self._take_singly(tape[piece.start : piece.stop])
            return
        at = piece.start
        while at < piece.stop or at == piece.start:
            at += self._replay(tape[at : piece.stop], piece.with_rows)
            if at >= piece.stop:
                return

    def _take_singly(self, tape: Tape) -> None:
        for at, tick in enumerate(tape.ticks.tolist()):
            own = {} if tape.signal is None else {"signal": int(tape.signal[at])}
            before = self.index
            direction = 0
            with suppress(BadTick):
                direction = self.processor.on_tick(*tick, **own)
            if self.index > before:
                self.directions[before] = direction
            else:
                assert direction == 0

    def _replay(self, tape: Tape, with_rows: bool) -> int:
        """Replay up to the end or the first bad tick; how many were taken or refused."""
        before = self.index
        first = -(-before // self.every)
        room = self.processor.rows_for(len(tape.ticks), self.every)
        rows = self.rows[first : first + room] if with_rows else None
        fed, said = len(tape.ticks), None
        try:
            said = self.processor.replay(tape.ticks, rows, self.every, tape.truth, tape.signal)
        except BadTick as error:
            fed = int(str(error).rpartition("(tick ")[2].partition(",")[0]) + 1
        last = -(-self.index // self.every)
        assert said is None or said == (last - first if with_rows else 0)
        if with_rows:
            self.written[first:last] = True
        return fed


def merged(pieces: list[Piece]) -> Iterator[tuple[bool, int, int]]:
    """Yield the stretches between two turns of the kill switch."""
    for halted, group in groupby(pieces, key=lambda piece: piece.halted):
        parts = list(group)
        yield halted, parts[0].start, parts[-1].stop


def twin_of(make: Callable[..., Processor], tape: Tape, pieces: list[Piece]) -> Feeder:
    """Feed the good ticks alone, in as few calls as can be, with every row."""
    kinds = faults(tape.ticks) < 0
    twin = Feeder(make, False, 1, int(np.count_nonzero(kinds)))
    for halted, start, stop in merged(pieces):
        own = tape[np.flatnonzero(kinds[start:stop]) + start]
        twin.take(own, Piece(0, len(own.ticks), False, True, halted))
    return twin


# What has to hold

LOG_SPAN = 62.2  # ln(1e15 / 1e-12)
RANGES: Final[dict[str, tuple[float, float]]] = {
    "true_price": (1e-12, 1e15),
    "market_price": (1e-12, 1e15),
    "deviation": (-LOG_SPAN, LOG_SPAN),
    "ofi": (-4096 * 4e15, 4096 * 4e15),
    "z_score": (-64.0, 64.0),
    "kalman_level": (0.999e-12, 1.001e15),
    "kalman_velocity": (-LOG_SPAN, LOG_SPAN),
    "ewma_vol": (0.0, LOG_SPAN),
    "cusum": (-1, 1),
    "regime": (-1, 1),
    "kyle_lambda": (-1.8e308, 1.8e308),
    "flow_momentum": (-11.0, 11.0),
    "vpin": (0.0, 1.0),
    "microprice": (0.999e-12, 1.001e15),
    "vote_logodds": (-1.8e308, 1.8e308),
    "vote_probability": (0.0, 1.0),
    "direction": (-1, 1),
    "kelly_fraction": (0.0, 100.0),
    "equity": (-1.8e308, 1.8e308),
    "drawdown": (0.0, 1.8e308),
}
NEVER_NAN: Final = ("market_price", "equity", "drawdown")
STAYS_READY: Final = (
    "ofi",
    "kalman_level",
    "kalman_velocity",
    "ewma_vol",
    "flow_momentum",
    "vpin",
    "microprice",
)


def assert_in_range(rows: np.ndarray, settings: Settings) -> None:
    for name, (low, high) in RANGES.items():
        x = rows[name]
        unknown = np.isnan(x)
        good = (x >= low) & (x <= high) | unknown
        assert good.all(), f"{name} must be from {low} to {high}, was {x[~good][:3]}"
        assert name not in NEVER_NAN or not unknown.any(), name
        if name in STAYS_READY:
            assert (np.diff(unknown.astype(np.int8)) <= 0).all(), f"{name} was ready and is not"
    window = horizons(settings)[0]
    assert not (np.abs(rows["z_score"]) > np.sqrt(window) + 1e-6).any()
    for name in ("ts", "trades", "wins"):
        assert (np.diff(rows[name]) >= 0).all(), name
    assert (rows["wins"] <= rows["trades"]).all()


def assert_twins(fed: Feeder, twin: Feeder, kinds: np.ndarray, ticks: np.ndarray) -> None:
    """Assert that the rejected ticks left no trace but their count."""
    rejected = {kind.name.lower(): int(np.count_nonzero(kinds == kind)) for kind in Rejection}
    totals, twins = fed.processor.totals(), twin.processor.totals()
    assert totals["rejected"] == rejected
    assert totals["ticks"] + sum(rejected.values()) == len(ticks)
    assert totals == twins | {"rejected": rejected}
    assert b"".join(fed.fills) == b"".join(twin.fills)
    rows = twin.rows[: twins["ticks"]]
    assert rows["ts"].tolist() == ticks["ts"][kinds < 0].tolist()
    written = np.flatnonzero(fed.written)
    assert (raw(fed.rows)[written] == raw(rows)[written * fed.every]).all(), "a row differs from the twin's"
    said = fed.directions[: len(rows)]
    assert (said[said != 99] == rows["direction"][said != 99]).all()


def tape_of(rng: Rng, ticks: np.ndarray, pieces: list[Piece], with_signal: bool) -> Tape:
    """Return the ticks with true prices now and then; ticks that go in singly have none."""
    truth, signal = None, None
    if rng.random() < 0.5:
        with np.errstate(all="ignore"):
            truth = np.where(rng.random(len(ticks)) < 0.9, np.clip(ticks["bid"] * 1.01, 1e-12, 1e15), NAN)
        for piece in pieces:
            truth[piece.start : piece.stop] = NAN if piece.singly else truth[piece.start : piece.stop]
    if with_signal:
        signal = rng.integers(-128, 128, len(ticks)).astype(np.int8)
    return Tape(ticks, truth, signal)


def case(rng: Rng, folder: Path) -> Counter[str]:
    """Run one stream, of up to 40,000 ticks; counts by what became of them."""
    n = int(10 ** rng.uniform(0, 4.6))
    settings = random_settings(rng)
    capital = float(rng.choice([0.01, 100.0, 10_000.0, 1e12]))
    kind, ticks = stream(rng, n)
    pieces = cut(rng, len(ticks))
    heard, asked = "user" in settings.signals.voters, bool(rng.random() < 0.5)
    voter = ctypes.cast(odd_voter, ctypes.c_void_p).value if heard and asked else None
    tape = tape_of(rng, ticks, pieces, heard and not asked)
    late = latencies(rng, settings.broker)
    make = partial(Processor, settings, capital, seed=5, latencies=late, signal=voter)
    fed = Feeder(make, bool(rng.random() < 0.1), int(rng.choice([1, 1, 2, 7, 1000])), len(ticks))
    for piece in pieces:
        fed.take(tape, piece)
    twin = twin_of(make, tape, pieces)
    for one in (fed, twin):
        one.processor.close()
    kinds = faults(ticks)
    assert_twins(fed, twin, kinds, ticks)
    assert_in_range(twin.rows[: twin.index], settings)
    fills = np.frombuffer(b"".join(fed.fills), FILL)
    assert_conserved(fills, capital, settings.broker, fed.processor.totals())
    counts = Counter({f"{kind} fed": len(ticks), f"{kind} accepted": fed.index, "fills": len(fills)})
    counts.update(
        {f"{kind} rejected, {r.name.lower()}": int(np.count_nonzero(kinds == r)) for r in Rejection}
    )
    counts["streams with fills"] += len(fills) > 0
    counts["streams of several books"] += settings.books.count > 1
    counts["streams with a signal"] += heard
    return counts
