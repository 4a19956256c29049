"""Values Bitcoin from its own chain and trades it on paper, tick by tick, in a compiled core.

The public names are imported on first use, so that ``import livetrading`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livetrading.blockchain.chain_clock import ChainClock
    from livetrading.config import Config, ConfigError, load_config
    from livetrading.core.bar_rules import (
        DollarBars,
        DollarImbalanceBars,
        RunBars,
        TickBars,
        TickImbalanceBars,
        TimeBars,
        VolumeBars,
        VolumeImbalanceBars,
    )
    from livetrading.core.bars import BarBuilder
    from livetrading.core.broker import PaperBroker
    from livetrading.core.dtypes import (
        BAR,
        FILL,
        KNOT,
        RESULT,
        TICK,
        BarFlag,
        Reason,
        Refusal,
        Rejection,
        TickFlag,
    )
    from livetrading.core.errors import BadTick, BarError, ChainKnotsExhausted, LivetradingError, OrderError
    from livetrading.core.include import get_include
    from livetrading.core.market import (
        BootstrapMarket,
        ChaosMarket,
        GarchMarket,
        GbmMarket,
        HawkesMarket,
        realised_sd,
    )
    from livetrading.core.processor import Processor
    from livetrading.core.settings import (
        BookSettings,
        BrokerSettings,
        ExitSettings,
        LimitSettings,
        Settings,
        SignalSettings,
        SizingSettings,
        VoteSettings,
    )
    from livetrading.data.bars import bars, parse_rule
    from livetrading.data.errors import DataError
    from livetrading.data.ticks import Recording, open_ticks, read_ticks, write_ticks
    from livetrading.engine.hft import run_hft
    from livetrading.engine.report import Report
    from livetrading.engine.strategy import Bar, Strategy, StrategyError, StrategyResult, run_strategy

    __version__: str

__all__ = [
    "BAR",
    "FILL",
    "KNOT",
    "RESULT",
    "TICK",
    "BadTick",
    "Bar",
    "BarBuilder",
    "BarError",
    "BarFlag",
    "BookSettings",
    "BootstrapMarket",
    "BrokerSettings",
    "ChainClock",
    "ChainKnotsExhausted",
    "ChaosMarket",
    "Config",
    "ConfigError",
    "DataError",
    "DollarBars",
    "DollarImbalanceBars",
    "ExitSettings",
    "GarchMarket",
    "GbmMarket",
    "HawkesMarket",
    "LimitSettings",
    "LivetradingError",
    "OrderError",
    "PaperBroker",
    "Processor",
    "Reason",
    "Recording",
    "Refusal",
    "Rejection",
    "Report",
    "RunBars",
    "Settings",
    "SignalSettings",
    "SizingSettings",
    "Strategy",
    "StrategyError",
    "StrategyResult",
    "TickBars",
    "TickFlag",
    "TickImbalanceBars",
    "TimeBars",
    "VolumeBars",
    "VolumeImbalanceBars",
    "VoteSettings",
    "__version__",
    "bars",
    "get_include",
    "load_config",
    "open_ticks",
    "parse_rule",
    "read_ticks",
    "realised_sd",
    "run_hft",
    "run_strategy",
    "write_ticks",
]

_MODULES = {
    "blockchain.chain_clock": ("ChainClock",),
    "config": ("Config", "ConfigError", "load_config"),
    "core.bar_rules": (
        "DollarBars",
        "DollarImbalanceBars",
        "RunBars",
        "TickBars",
        "TickImbalanceBars",
        "TimeBars",
        "VolumeBars",
        "VolumeImbalanceBars",
    ),
    "core.bars": ("BarBuilder",),
    "core.broker": ("PaperBroker",),
    "core.dtypes": (
        "BAR",
        "FILL",
        "KNOT",
        "RESULT",
        "TICK",
        "BarFlag",
        "Reason",
        "Refusal",
        "Rejection",
        "TickFlag",
    ),
    "core.errors": ("BadTick", "BarError", "ChainKnotsExhausted", "LivetradingError", "OrderError"),
    "core.include": ("get_include",),
    "core.market": (
        "BootstrapMarket",
        "ChaosMarket",
        "GarchMarket",
        "GbmMarket",
        "HawkesMarket",
        "realised_sd",
    ),
    "core.processor": ("Processor",),
    "core.settings": (
        "BookSettings",
        "BrokerSettings",
        "ExitSettings",
        "LimitSettings",
        "Settings",
        "SignalSettings",
        "SizingSettings",
        "VoteSettings",
    ),
    "data.bars": ("bars", "parse_rule"),
    "data.errors": ("DataError",),
    "data.ticks": ("Recording", "open_ticks", "read_ticks", "write_ticks"),
    "engine.hft": ("run_hft",),
    "engine.report": ("Report",),
    "engine.strategy": ("Bar", "Strategy", "StrategyError", "StrategyResult", "run_strategy"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("livetrading")
    if name not in _HOME:
        raise AttributeError(f"module 'livetrading' has no attribute {name!r}")
    return getattr(import_module(f"livetrading.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
