"""One validated configuration, from a preset, a TOML file, the environment and the command line."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints

from livetrading.core.errors import LivetradingError
from livetrading.core.settings import (
    BookSettings,
    BrokerSettings,
    ExitSettings,
    LimitSettings,
    Settings,
    SignalSettings,
    SizingSettings,
    VoteSettings,
    capital_micro,
)
from livetrading.data.columns import SUFFIXES, check_columns, parse_columns
from livetrading.data.errors import DataError

__all__ = [
    "DEFAULT_TICKS",
    "MARKETS",
    "PRESETS",
    "Config",
    "ConfigError",
    "MarketConfig",
    "RunConfig",
    "load_config",
]

PRESETS: Final = ("realistic", "seed")
MARKETS: Final = ("chaos", "gbm", "garch-t", "bootstrap", "hawkes")
DEFAULT_TICKS: Final = 20_000_000
SEED_MAX: Final = 2**64 - 1
CHUNK_MAX: Final = 1 << 20
DT_MAX: Final = 10.0
"""Seconds. The longest chunk then spans 17,500 blocks, which the market's knots hold."""

ENVIRONMENT: Final = "LIVETRADING_"
EXTENTS: Final = ("ticks", "seconds", "forever")


class ConfigError(LivetradingError, ValueError):
    """A configuration broke a rule, named an unknown key, or could not be read."""


def _require(ok: bool, path: str, rule: str, value: object) -> None:
    if not ok:
        raise ValueError(f"{path} must be {rule}, was {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _nearest(name: str, allowed: Sequence[str]) -> str:
    return get_close_matches(name, allowed, n=1, cutoff=0.0)[0]


@dataclass(frozen=True, kw_only=True)
class MarketConfig:
    """Where ticks come from.

    Parameters
    ----------
    name : str
        ``chaos``, ``gbm``, ``garch-t``, ``bootstrap``, ``hawkes``, or a recording: the path of one file
        (.npy, .ultra, .csv, .csv.gz, .csv.zst, .parquet), or of two, quotes and trades, joined by a comma.
    seed : int
        Of everything random, 0 to 2**64 - 1.
    dt_s : float
        Market time between two simulated ticks in seconds, 1e-6 to 10.
    spread_bps : float
        Typical spread of a simulated market in bps of the mid, 0 to 1000.
    columns : mapping of str to str
        Field by column of the recording's files, where names are not recognised.
    returns : str or None
        File of the log returns, prices of bars or ticks that ``bootstrap`` draws from.
    """

    name: str = "chaos"
    seed: int = 1
    dt_s: float = 0.1
    spread_bps: float = 1.0
    columns: Mapping[str, str] = field(default_factory=dict)
    returns: str | None = None

    def __post_init__(self) -> None:
        _require(isinstance(self.name, str), "market.name", "text", self.name)
        _require("\0" not in self.name, "market.name", "without the character NUL", self.name)
        if not self.simulated and not all(part.strip().endswith(SUFFIXES) for part in self.name.split(",")):
            rule = f"{', '.join(MARKETS)} or a recording ({', '.join(SUFFIXES)}; two joined by a comma)"
            raise ValueError(
                f"market.name must be {rule}, was {self.name!r}; nearest is {_nearest(self.name, MARKETS)}"
            )
        _require(
            _is_whole(self.seed, 0, SEED_MAX),
            "market.seed",
            f"a whole number from 0 to {SEED_MAX}",
            self.seed,
        )
        in_range = _is_number(self.dt_s) and 1e-6 <= self.dt_s <= DT_MAX
        _require(in_range, "market.dt_s", f"from 0.000001 to {DT_MAX:g} seconds", self.dt_s)
        in_range = _is_number(self.spread_bps) and 0 <= self.spread_bps <= 1000
        _require(in_range, "market.spread_bps", "from 0 to 1000", self.spread_bps)
        try:
            check_columns(self.columns)
        except DataError as error:
            raise ValueError(f"market.{error}") from error
        ok = not (self.simulated and self.columns)
        _require(ok, "market.columns", "given for a recording only", dict(self.columns))
        if self.name == "bootstrap":
            ok = isinstance(self.returns, str) and self.returns != "" and "\0" not in self.returns
            _require(ok, "market.returns", "a file for the market bootstrap (--returns FILE)", self.returns)
        else:
            _require(self.returns is None, "market.returns", "for the market bootstrap only", self.returns)

    @property
    def simulated(self) -> bool:
        """Whether the market is made here, not read."""
        return self.name in MARKETS

    @property
    def paths(self) -> tuple[Path, ...]:
        """The recording's files; none where the market is simulated."""
        if self.simulated:
            return ()
        whole = Path(self.name)
        return (
            (whole,) if os.path.exists(whole) else tuple(Path(part.strip()) for part in self.name.split(","))
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How much money, for how long. At most one of `ticks`, `seconds` and `forever` is given.

    Parameters
    ----------
    capital : float
        In USD, 0.01 to 1e12.
    ticks : int or None
        Ticks to run; of a recording the first rows. With none of the three a recording runs to its end.
    seconds : float or None
        Wall clock to run for, in seconds, at most 1e9.
    forever : bool
        Run until interrupted.
    chunk : int
        Ticks between two looks at the clock and the knots, at most 2**20. It changes no result.
    every : int
        Every how many ticks a row of results is written, where rows are asked for.
    """

    capital: float
    ticks: int | None = None
    seconds: float | None = None
    forever: bool = False
    chunk: int = 65_536
    every: int = 1

    def __post_init__(self) -> None:
        try:
            capital_micro(self.capital)
        except ValueError as error:
            raise ValueError(f"run.{error}") from error
        ok = self.ticks is None or _is_whole(self.ticks, 1, 1 << 62)
        _require(ok, "run.ticks", "a whole number above 0", self.ticks)
        ok = self.seconds is None or (_is_number(self.seconds) and 0 < self.seconds <= 1e9)
        _require(ok, "run.seconds", "a number above 0 and at most 1000000000", self.seconds)
        _require(isinstance(self.forever, bool), "run.forever", "true or false", self.forever)
        _require(
            _is_whole(self.chunk, 1, CHUNK_MAX),
            "run.chunk",
            f"a whole number from 1 to {CHUNK_MAX}",
            self.chunk,
        )
        _require(_is_whole(self.every, 1, 1 << 62), "run.every", "a whole number above 0", self.every)
        given = _extents(asdict(self))
        _require(len(given) <= 1, "run.ticks, run.seconds and run.forever", "given one at a time", given)


def _extents(run: Mapping[str, Any]) -> list[str]:
    """Names of the extents that are set. `forever = false` sets none."""
    return [name for name in EXTENTS if run.get(name) not in (None, False)]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration of a run.

    Parameters
    ----------
    preset : str
        Name of the preset that lies below.
    market : MarketConfig
    run : RunConfig
    settings : Settings
        What the processor is told: signals, vote, sizing, exits, broker, limits and books.
    """

    preset: str
    market: MarketConfig
    run: RunConfig
    settings: Settings

    def __post_init__(self) -> None:
        broker = self.settings.broker
        _require(
            (broker.latency == "recorded") == bool(broker.latency_file),
            "broker.latency_file",
            "given where broker.latency is 'recorded', and nowhere else",
            broker.latency_file,
        )
        _require("\0" not in broker.latency_file, "broker.latency_file", "without NUL", broker.latency_file)

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as TOML spells it, ready for JSON; what is not given is None."""
        tree = {"market": asdict(self.market), "run": asdict(self.run), **asdict(self.settings)}
        tree["signals"]["voters"] = list(self.settings.signals.voters)
        return {"preset": self.preset, **tree}


SECTIONS: Final[Mapping[str, type[Any]]] = {
    "market": MarketConfig,
    "run": RunConfig,
    "signals": SignalSettings,
    "vote": VoteSettings,
    "sizing": SizingSettings,
    "exits": ExitSettings,
    "broker": BrokerSettings,
    "limits": LimitSettings,
    "books": BookSettings,
}
PATHS: Final = tuple(f"{section}.{part.name}" for section, kind in SECTIONS.items() for part in fields(kind))

EXPECTED: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of names",
    Mapping: "a table of column = field",
}


class _Entry(NamedTuple):
    """One value as a layer gave it."""

    path: str
    value: object
    origin: str
    is_text: bool


def load_config(
    flags: Mapping[str, object] | None = None,
    *,
    preset: str | None = None,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Config:
    """Merge the layers into one configuration: flags over environment over file over preset.

    Parameters
    ----------
    flags : mapping of str to object, optional
        Value by key path, such as ``{"run.capital": 100, "broker.taker_bps": 2}``; text is read as its key
        needs.
    preset : {"realistic", "seed"}, optional
        Overrides what the environment (``LIVETRADING_PRESET``) or the file (``preset = "seed"``) names.
    file : Path, optional
        A TOML file.
    environ : mapping of str to str, optional
        The environment; variables such as ``LIVETRADING_BROKER__TAKER_BPS`` are read, others passed over.
    names : mapping of str to str, optional
        What to call a flag in an error, by key path; its path unless given.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If a layer cannot be read, or a key is unknown, of the wrong type or against its rule; the message
        names the key path, the value and where it came from.

    Examples
    --------
    >>> load_config({"run.capital": 100, "run.ticks": 1000}, preset="seed").settings.broker.taker_bps
    0.0
    """
    from_file = {} if file is None else _read_toml(file)
    variables = {name: text for name, text in (environ or {}).items() if name.startswith(ENVIRONMENT)}
    in_environ = variables.pop(f"{ENVIRONMENT}PRESET", None)
    in_file = from_file.pop("preset", None)
    name = next(given for given in (preset, in_environ, in_file, PRESETS[0]) if given is not None)
    layers = [
        list(_preset_entries(name)),
        list(_tree_entries(from_file, str(file))),
        list(_environ_entries(variables)),
        [
            _Entry(path, value, (names or {}).get(path, f"flag {path}"), True)
            for path, value in (flags or {}).items()
        ],
    ]
    return _build(str(name), layers, (names or {}).get("run.capital", "flag run.capital"))


def _read_toml(path: Path) -> dict[str, Any]:
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to would be read for ever
        raise ConfigError(f"{path} must be a readable file, was: a directory, a pipe or a device")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} must be a readable file, was: {error.strerror}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: must be UTF-8, was {data[error.start : error.end]!r}"
        ) from error
    try:
        return tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # ValueError: a whole number of thousands of digits is one too
        at = re.search(r"line (\d+)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        raise ConfigError(f"{path}, line {line}: must be TOML, was: {error}") from error


def _preset_entries(name: object) -> Iterator[_Entry]:
    if name not in PRESETS:
        nearest = _nearest(str(name), PRESETS)
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, was {name!r}; nearest is {nearest}")
    text = (resources.files("livetrading") / "presets" / f"{name}.toml").read_text("utf-8")
    yield from _tree_entries(tomllib.loads(text), f"preset {name}")


def _tree_entries(tree: Mapping[str, object], origin: str) -> Iterator[_Entry]:
    for section, table in tree.items():
        if section not in SECTIONS:
            _unknown(section, tuple(SECTIONS), origin)
        if not isinstance(table, dict):
            raise ConfigError(f"{section} must be a table [{section}], was {table!r} ({origin})")
        for key, value in table.items():
            yield _Entry(f"{section}.{key}", value, origin, False)


def _environ_entries(variables: Mapping[str, str]) -> Iterator[_Entry]:
    for name, text in sorted(variables.items()):
        path = name.removeprefix(ENVIRONMENT).lower().replace("__", ".", 1)
        if path not in PATHS:
            nearest = ENVIRONMENT + _nearest(path, PATHS).upper().replace(".", "__")
            raise ConfigError(f"environment variable {name} names no key; nearest is {nearest}")
        yield _Entry(path, text, f"environment variable {name}", True)


def _unknown(path: str, allowed: Sequence[str], origin: str) -> None:
    raise ConfigError(
        f"{path} is no key of the configuration ({origin}); nearest is {_nearest(path, allowed)}"
    )


def _build(preset: str, layers: Sequence[Sequence[_Entry]], capital: str) -> Config:
    merged: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    origins: dict[str, str] = {}
    for layer in layers:
        read: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
        for entry in layer:
            section, _, key = entry.path.partition(".")
            _check_key(entry)
            read[section][key] = _read_value(entry)
            origins[entry.path] = entry.origin
        given = _extents(read["run"])
        if len(given) > 1:
            named = " and ".join(f"run.{name} ({origins[f'run.{name}']})" for name in given)
            raise ConfigError(
                f"run.ticks, run.seconds and run.forever must be given one at a time, was {named}"
            )
        if given:  # a higher layer's extent replaces whichever a lower one chose
            for extent in EXTENTS:
                merged["run"].pop(extent, None)
        for section, values in read.items():
            merged[section].update(values)
    if "capital" not in merged["run"]:
        raise ConfigError(f"run.capital must be given, in USD ({capital})")
    parts = {section: _make(kind, merged[section], origins) for section, kind in SECTIONS.items()}
    market, run = parts.pop("market"), parts.pop("run")
    if market.simulated and not _extents(asdict(run)):
        run = replace(run, ticks=DEFAULT_TICKS)
    whole = {"preset": preset, "market": market, "run": run, "settings": _make(Settings, parts, origins)}
    made: Config = _make(Config, whole, origins)
    return made


def _check_key(entry: _Entry) -> None:
    if entry.path in PATHS:
        return
    section, _, key = entry.path.partition(".")
    # The right key in the wrong section is a likelier slip than two wrong letters.
    elsewhere = [path for path in PATHS if path.endswith(f".{key}")]
    near = [path for path in PATHS if path.startswith(f"{section}.")]
    _unknown(entry.path, elsewhere or near or PATHS, entry.origin)


def _read_value(entry: _Entry) -> object:
    section, _, key = entry.path.partition(".")
    kind = _kind(get_type_hints(SECTIONS[section])[key])
    value = entry.value
    if entry.is_text and isinstance(value, str):
        value = _parse(kind, entry)
    if not _fits(kind, value):
        raise ConfigError(f"{entry.path} must be {EXPECTED[kind]}, was {entry.value!r} ({entry.origin})")
    if kind is float:
        return _to_float(entry, value)
    return tuple(value) if isinstance(value, list) else value


def _to_float(entry: _Entry, value: Any) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigError(
            f"{entry.path} must be a number, was one beyond 1.8e308 ({entry.origin})"
        ) from error


def _kind(hint: Any) -> Any:
    """Return what a type hint wants: one of the keys of EXPECTED."""
    if get_origin(hint) is UnionType:
        hint = next(part for part in get_args(hint) if part is not type(None))
    origin = get_origin(hint)
    if origin in (tuple, Mapping):
        return origin
    return hint if hint in EXPECTED else str


def _parse(kind: Any, entry: _Entry) -> object:
    """Read text; what cannot be read comes back as it was, for `_fits` to refuse."""
    text = str(entry.value).strip()
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind is tuple:
        return tuple(part.strip() for part in text.split(","))
    try:
        if kind is Mapping:
            return parse_columns(text)
        return kind(text)
    except DataError as error:
        raise ConfigError(f"market.{error} ({entry.origin})") from error
    except ValueError:
        return text


def _fits(kind: Any, value: object) -> bool:
    if kind is tuple:
        return isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)
    if kind is Mapping:
        return isinstance(value, Mapping) and all(isinstance(part, str) for part in value.values())
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def _make(kind: Any, values: Mapping[str, Any], origins: Mapping[str, str]) -> Any:
    """Construct a part; what its own rules refuse gets the origin of the key they name."""
    try:
        return kind(**values)
    except ValueError as error:
        named = re.findall(r"[a-z_]+\.[a-z_]+", str(error).partition(" must ")[0])
        found = dict.fromkeys(origins[path] for path in named if path in origins)
        raise ConfigError(f"{error} ({', '.join(found)})" if found else str(error)) from error
