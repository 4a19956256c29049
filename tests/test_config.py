"""The configuration: its layers, its presets, and what it says of a bad one."""

import json
import math
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.config import (
    DEFAULT_TICKS,
    PATHS,
    PRESETS,
    Config,
    ConfigError,
    MarketConfig,
    RunConfig,
    load_config,
)
from livetrading.core.errors import LivetradingError
from livetrading.core.settings import VOTERS, Settings

CAPITAL = {"run.capital": 100}
PRESET_DIR = Path(__file__).parents[1] / "livetrading" / "presets"

# Of one key of each kind: text as the environment gives it, and the value it stands for.
SPELLINGS = {
    "market.seed": ("18446744073709551615", 2**64 - 1),
    "market.name": ("gbm", "gbm"),
    "market.columns": ("time=ts,amount=volume", {"time": "ts", "amount": "volume"}),
    "market.returns": ("r.npy", "r.npy"),
    "run.every": ("7", 7),
    "signals.voters": ("ofi, z_score", ("ofi", "z_score")),
    "signals.adaptive": ("false", False),
    "exits.on_signal": ("flat", "flat"),
    "exits.hold_ticks": ("12", 12),
    "broker.taker_bps": ("2.5", 2.5),
    "limits.daily_loss": ("1", 1.0),
}
# Keys that need a certain market.
ONLY_OF = {"market.columns": {"market.name": "a.csv"}, "market.returns": {"market.name": "bootstrap"}}


def value_at(config: Config, path: str) -> object:
    section, _, key = path.partition(".")
    owner = config if section in ("market", "run") else config.settings
    return getattr(getattr(owner, section), key)


def variable(path: str) -> str:
    return "LIVETRADING_" + path.upper().replace(".", "__")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", SPELLINGS)
def test_text_of_the_environment_is_read_as_its_key_needs(path: str) -> None:
    text, value = SPELLINGS[path]
    market = ONLY_OF.get(path, {})
    got = value_at(load_config({**CAPITAL, **market}, environ={variable(path): text}), path)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("path", SPELLINGS)
def test_a_flag_may_be_text_or_the_value(path: str) -> None:
    text, value = SPELLINGS[path]
    given = {**CAPITAL, **ONLY_OF.get(path, {})}
    assert load_config({**given, path: text}) == load_config({**given, path: value})


def test_every_layer_beats_the_one_below(tmp_path: Path) -> None:
    file = write(tmp_path, "[broker]\ntaker_bps = 1\nlatency_us = 1\n[vote]\nh = 1\n")
    environ = {"LIVETRADING_BROKER__TAKER_BPS": "2", "LIVETRADING_BROKER__LATENCY_US": "2"}
    config = load_config({**CAPITAL, "broker.taker_bps": 3}, preset="seed", file=file, environ=environ)
    assert (config.settings.broker.taker_bps, config.settings.broker.latency_us) == (3.0, 2.0)
    assert config.settings.vote.h == 1
    assert config.settings.vote.refresh == 1024
    assert config.market.spread_bps == 0.0


def test_the_environment_is_not_read_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETRADING_VOTE__H", "77")
    assert load_config(CAPITAL).settings.vote.h == 10


def test_other_variables_are_passed_over() -> None:
    assert load_config(CAPITAL, environ={"HOME": "/x", "LIVE": "1"}) == load_config(CAPITAL)


def test_flag_then_environment_then_file_choose_the_preset(tmp_path: Path) -> None:
    file = write(tmp_path, 'preset = "seed"')
    environ = {"LIVETRADING_PRESET": "realistic"}
    assert load_config(CAPITAL, file=file).preset == "seed"
    assert load_config(CAPITAL, file=file, environ=environ).preset == "realistic"
    assert load_config(CAPITAL, file=file, environ=environ, preset="seed").preset == "seed"
    assert load_config(CAPITAL).preset == "realistic"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_give_every_value_but_what_the_caller_chooses(preset: str) -> None:
    tree = tomllib.loads((PRESET_DIR / f"{preset}.toml").read_text())
    given = {f"{section}.{key}" for section, table in tree.items() for key in table}
    assert given == set(PATHS) - {
        "market.columns",
        "market.returns",
        "run.capital",
        "run.ticks",
        "run.seconds",
        "run.forever",
    }


def test_realistic_has_the_specified_values() -> None:
    config = load_config(CAPITAL)
    assert config.market == MarketConfig(name="chaos", seed=1, dt_s=0.1, spread_bps=1.0)
    assert config.run.ticks == DEFAULT_TICKS == 20_000_000
    tree = config.to_dict()
    assert tree["signals"] == {
        "voters": [name for name in VOTERS if name != "user"],
        "window": 100,
        "adaptive": True,
        "gate_trend": True,
        "gate_vpin": True,
        "estimators": True,
    }
    assert tree["vote"] == {"kind": "condorcet", "refresh": 1024, "h": 10, "p_min": 0.55, "k_min": 2}
    assert tree["broker"] == {
        "taker_bps": 5.0,
        "maker_bps": 2.0,
        "borrow_bps_8h": 1.0,
        "impact_bps": 2.0,
        "feed_latency_us": 0.0,
        "latency_us": 1000.0,
        "latency": "constant",
        "latency_sigma": 0.5,
        "latency_file": "",
        "queue": "conservative",
        "queue_power": 3,
    }
    sizing = tree["sizing"]
    assert (sizing["kind"], sizing["kelly"], sizing["max_fraction"], sizing["max_drawdown"]) == (
        "kelly",
        0.25,
        0.5,
        0.2,
    )
    limits = tree["limits"]
    assert (limits["orders_per_s"], limits["daily_loss"], limits["stale_s"]) == (100, 0.1, 60.0)
    assert (limits["leverage"], tree["books"]) == (1.0, {"count": 1})


def test_seed_is_cost_free_and_differs_in_costs_and_exits_alone() -> None:
    realistic, seed = load_config(CAPITAL).to_dict(), load_config(CAPITAL, preset="seed").to_dict()
    assert seed["market"]["spread_bps"] == 0.0
    costs = ("taker_bps", "maker_bps", "borrow_bps_8h", "impact_bps", "feed_latency_us", "latency_us")
    assert seed["broker"] == {**realistic["broker"], **dict.fromkeys(costs, 0.0)}
    differing = {section for section in realistic if realistic[section] != seed[section]}
    assert differing == {"preset", "market", "exits", "broker"}


def test_recorded_latencies_go_with_their_file(tmp_path: Path) -> None:
    rule = "broker.latency_file must be given where broker.latency is 'recorded', and nowhere else"
    with pytest.raises(ConfigError, match=f"{rule}, was '' .*preset realistic"):
        load_config({**CAPITAL, "broker.latency": "recorded"})
    with pytest.raises(ConfigError, match=f"{rule}, was 'a.csv' .*flag broker.latency_file"):
        load_config({**CAPITAL, "broker.latency_file": "a.csv"})
    config = load_config({**CAPITAL, "broker.latency": "recorded", "broker.latency_file": "a.csv"})
    assert config.settings.broker.latency_file == "a.csv"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_dictionary_is_json_and_loads_back(tmp_path: Path, preset: str) -> None:
    config = load_config({**CAPITAL, "market.columns": "a=ts", "market.name": "a.csv"}, preset=preset)
    tree = json.loads(json.dumps(config.to_dict(), allow_nan=False))
    flags = {
        f"{section}.{key}": value
        for section, table in tree.items()
        if isinstance(table, dict)
        for key, value in table.items()
        if value is not None
    }
    assert load_config(flags, preset=tree["preset"]) == config


@given(st.integers(0, 2**64 - 1), st.floats(0.01, 1e12), st.floats(0, 1000))
def test_numbers_survive_the_environment(seed: int, capital: float, spread: float) -> None:
    texts = {"market.seed": str(seed), "run.capital": repr(capital), "market.spread_bps": repr(spread)}
    config = load_config(environ={variable(path): text for path, text in texts.items()})
    assert (config.market.seed, config.run.capital, config.market.spread_bps) == (seed, capital, spread)


def test_whole_numbers_stand_for_numbers_and_truth_never() -> None:
    assert load_config({**CAPITAL, "broker.taker_bps": 2}).settings.broker.taker_bps == 2.0
    with pytest.raises(ConfigError, match=r"broker\.taker_bps must be a number, was True"):
        load_config({**CAPITAL, "broker.taker_bps": True})
    with pytest.raises(ConfigError, match=r"vote\.h must be a whole number, was True"):
        load_config({**CAPITAL, "vote.h": True})


class TestExtent:
    def test_a_higher_layer_replaces_whichever_extent_a_lower_one_chose(self, tmp_path: Path) -> None:
        file = write(tmp_path, "[run]\nticks = 5\n")
        run = load_config({**CAPITAL, "run.seconds": 2}, file=file).run
        assert (run.ticks, run.seconds, run.forever) == (None, 2.0, False)
        run = load_config(CAPITAL, file=file, environ={"LIVETRADING_RUN__FOREVER": "true"}).run
        assert (run.ticks, run.seconds, run.forever) == (None, None, True)
        assert load_config(CAPITAL, file=file).run.ticks == 5

    def test_forever_false_chooses_nothing(self) -> None:
        assert load_config({**CAPITAL, "run.forever": False, "run.ticks": 9}).run.ticks == 9
        assert load_config({**CAPITAL, "run.forever": False}).run.ticks == DEFAULT_TICKS

    def test_two_in_one_layer_are_refused_by_name(self) -> None:
        with pytest.raises(ConfigError, match=r"one at a time, was run\.ticks \(--ticks\) and run\.seconds"):
            load_config({**CAPITAL, "run.ticks": 1, "run.seconds": 1}, names={"run.ticks": "--ticks"})
        with pytest.raises(ValueError, match="one at a time"):
            RunConfig(capital=1.0, ticks=1, forever=True)

    def test_a_recording_runs_to_its_end(self) -> None:
        assert load_config({**CAPITAL, "market.name": "q.csv.gz"}).run.ticks is None


class TestMarket:
    def test_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert MarketConfig(name="gbm").paths == ()
        assert MarketConfig(name="a.npy").paths == (Path("a.npy"),)
        assert MarketConfig(name="q.csv,t.csv.gz").paths == (Path("q.csv"), Path("t.csv.gz"))

    def test_a_file_that_is_there_may_have_a_comma(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv,b.csv"
        path.touch()
        assert MarketConfig(name=str(path)).paths == (path,)

    @pytest.mark.parametrize("returns", [None, "", "a\0b", 7])
    def test_bootstrap_needs_returns(self, returns: object) -> None:
        with pytest.raises(ValueError, match=r"market\.returns must be a file .*\(--returns FILE\), was "):
            MarketConfig(name="bootstrap", returns=returns)  # type: ignore[arg-type]
        assert MarketConfig(name="bootstrap", returns="r.csv").paths == ()

    @pytest.mark.parametrize("name", ["chaos", "gbm", "garch-t", "hawkes", "a.csv"])
    def test_returns_are_for_bootstrap(self, name: str) -> None:
        with pytest.raises(ConfigError, match=r"for the market bootstrap only, was 'r\.csv' \(--returns\)"):
            load_config(
                {**CAPITAL, "market.name": name, "market.returns": "r.csv"},
                names={"market.returns": "--returns"},
            )


BAD = {
    "run.capital": ["nan", "inf", "-inf", "-5", "0", "abc", "", "1e13", True, None, math.nan],
    "run.ticks": ["0", "-1", "1.5", "x", 1.0],
    "run.seconds": ["0", "-1", "nan", "inf"],
    "run.chunk": ["0", str(2**20 + 1)],
    "run.every": ["0"],
    "run.forever": ["maybe", 1],
    "market.name": ["caos", "", "data.feather", "a.csv,b", "a\0.csv", 3],
    "market.seed": ["-1", str(2**64), "1.0"],
    "market.dt_s": ["0", "11", "nan"],
    "market.spread_bps": ["-1", "1001"],
    "market.columns": ["a", "a=nowhere", {"a": "nowhere"}, {"a": 1}, "a=bid"],
    "signals.voters": ["", "ofi,ofi", "astrology", ["ofi", 1], "ofi"],
    "vote.kind": ["monarchy"],
    "broker.taker_bps": ["-1", "nan", "x", 10**400],
    "limits.orders_per_s": ["4097"],
}
DISTANT = {"signals.voters": "vote.k_min"}


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in BAD.items() for value in values]
)
def test_a_bad_value_is_named_with_its_path_and_origin(path: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({**CAPITAL, path: value}, names={path: "flag --here"})
    named = (path, DISTANT.get(path, path))
    assert str(caught.value).startswith(named)
    assert " must " in str(caught.value)
    assert "was " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "flag --here" in str(caught.value) or str(caught.value).startswith("vote.k_min")
    assert isinstance(caught.value, LivetradingError)


@pytest.mark.parametrize(
    "path", [path for path, values in BAD.items() if any(isinstance(v, str) for v in values)]
)
def test_a_bad_variable_is_named(path: str) -> None:
    text = next(value for value in BAD[path] if isinstance(value, str) and value)
    with pytest.raises(ConfigError, match=rf"\(environment variable {variable(path)}\)"):
        load_config(CAPITAL if path != "run.capital" else None, environ={variable(path): text})


def test_the_longest_book_holds_no_longer_than_a_clock_counts() -> None:
    longest = {"books.count": 8, "signals.window": 2, "exits.take_profit_bps": 9, "exits.stop_bps": 9}
    assert load_config({**CAPITAL, **longest, "exits.hold_ticks": 1 << 52}).settings.exits.hold_ticks
    with pytest.raises(ConfigError, match=r"exits.hold_ticks must be at most 2\*\*62 times 0.000977"):
        load_config({**CAPITAL, **longest, "exits.hold_ticks": (1 << 52) + 1})


UNKNOWN_IN_FILE = {
    "[brokr]\ntaker_bps = 1": ("brokr", "broker"),
    "[broker]\ntaker_bp = 1": ("broker.taker_bp", "broker.taker_bps"),
    "[broker]\nstop_bps = 1": ("broker.stop_bps", "exits.stop_bps"),
    "taker_bps = 1": ("taker_bps", ""),
    "[book]\ncount = 1": ("book", "books"),
}


@pytest.mark.parametrize("text", UNKNOWN_IN_FILE)
def test_an_unknown_key_is_named_with_its_file_and_the_nearest_one(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    name, nearest = UNKNOWN_IN_FILE[text]
    with pytest.raises(ConfigError) as caught:
        load_config(CAPITAL, file=file)
    assert str(caught.value).startswith(f"{name} is no key")
    assert str(file) in str(caught.value)
    assert f"nearest is {nearest}" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["LIVETRADING_BROKER_TAKER_BPS", "LIVETRADING_BROKER__TAKER_BP", "LIVETRADING_"]
)
def test_an_unknown_variable_is_named_with_the_nearest_one(name: str) -> None:
    with pytest.raises(ConfigError, match=f"environment variable {name} .*nearest is LIVETRADING_[A-Z]+__"):
        load_config(CAPITAL, environ={name: "1"})


def test_an_unknown_preset_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="preset must be one of realistic, seed, was 'sede'; nearest is seed"
    ):
        load_config(CAPITAL, preset="sede")
    with pytest.raises(ConfigError, match="was 3"):
        load_config(CAPITAL, file=write(tmp_path, "preset = 3"))


def test_a_wrong_type_in_a_file_is_named_with_what_was_expected(tmp_path: Path) -> None:
    file = write(tmp_path, '[vote]\nh = "ten"\n')
    with pytest.raises(ConfigError, match=r"^vote\.h must be a whole number, was 'ten' \(.*mine\.toml\)$"):
        load_config(CAPITAL, file=file)
    with pytest.raises(ConfigError, match=r"^market must be a table \[market\], was 3"):
        load_config(CAPITAL, file=write(tmp_path, "market = 3"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[vote]\nh = \n", 2),
        (b"[vote\n", 1),
        (b"[vote]\nh = 1\nh = 2\n", 3),
        (b"[vote]\n\n# \xff\n", 3),
        (b'a = "', 1),
        (b"[vote]\nh = " + b"9" * 5000, 2),
    ],
)
def test_an_unreadable_file_is_named_with_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(CAPITAL, file=file)
    assert str(caught.value).startswith(f"{file}, line {line}: ")


def test_a_missing_file_or_a_directory_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ConfigError, match=f"^{path} must be a readable file, was: "):
            load_config(CAPITAL, file=path)


def test_capital_must_be_given() -> None:
    with pytest.raises(ConfigError, match=r"^run\.capital must be given"):
        load_config()


def test_a_rule_across_keys_names_where_both_came_from() -> None:
    with pytest.raises(ConfigError, match=r"\(preset realistic, --stop\)$"):
        load_config({**CAPITAL, "exits.stop_bps": 0}, names={"exits.stop_bps": "--stop"})


def test_every_part_of_the_core_settings_is_a_section() -> None:
    assert {part.name for part in fields(Settings)} < {path.partition(".")[0] for path in PATHS}
