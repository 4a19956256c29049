"""Values Bitcoin from its own chain and trades it on paper, tick by tick, in a compiled core.

The public names are imported on first use, so that ``import livetrading`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livetrading.blockchain.asic_efficiency import efficiency_at
    from livetrading.blockchain.block_intervals import arrival_probability, interval_tests
    from livetrading.blockchain.breakdown_fit import fit_breakdown, fit_ticks
    from livetrading.blockchain.chain_clock import ChainClock
    from livetrading.blockchain.chain_state import ChainState, chain_columns, chain_state
    from livetrading.blockchain.confirmation_time import (
        Queue,
        confirmation_probabilities,
        fee_for,
        simulate_confirmation,
    )
    from livetrading.blockchain.epochs import EPOCHS, EpochTable
    from livetrading.blockchain.large_transfers import LargeTransfers, Transfer
    from livetrading.blockchain.market_data import MarketSignals, market_signals
    from livetrading.blockchain.mathematical_price import (
        TruePrice,
        TruePrices,
        implied_energy_cost,
        true_price,
    )
    from livetrading.blockchain.mempool_math import FeeHistogram, MempoolState, fee_histogram
    from livetrading.blockchain.models.energy_units import energy_value
    from livetrading.blockchain.models.power_law import PowerLaw
    from livetrading.blockchain.price_sensitivity import elasticities, joint_range, tornado
    from livetrading.blockchain.price_variance_analysis import price_breakdown, variance_shares
    from livetrading.blockchain.protocol import (
        DomainError,
        difficulty,
        hashrate_from_difficulty,
        hashrate_observed,
        height_at,
        issued,
        subsidy,
        time_at,
    )
    from livetrading.blockchain.simulated_mempool import HourlyFlow, SimulatedMempool
    from livetrading.blockchain.valuation import MODELS, Model, Valuation, model, state_columns
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
    from livetrading.data.chain_history import ChainHistory, embedded_history, read_chain_history
    from livetrading.data.errors import DataError, UltraDamaged
    from livetrading.data.pipeline import pipeline
    from livetrading.data.recorder import Recorder
    from livetrading.data.ticks import Recording, open_ticks, read_ticks, write_ticks
    from livetrading.data.ultra import UltraFile, UltraWriter
    from livetrading.engine.hft import run_hft
    from livetrading.engine.report import Report
    from livetrading.engine.strategy import Bar, Strategy, StrategyError, StrategyResult, run_strategy
    from livetrading.research.price_evaluation import Evaluation, evaluate
    from livetrading.research.price_history import PriceHistory, price_history

    __version__: str

__all__ = [
    "BAR",
    "EPOCHS",
    "FILL",
    "KNOT",
    "MODELS",
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
    "ChainHistory",
    "ChainKnotsExhausted",
    "ChainState",
    "ChaosMarket",
    "Config",
    "ConfigError",
    "DataError",
    "DollarBars",
    "DollarImbalanceBars",
    "DomainError",
    "EpochTable",
    "Evaluation",
    "ExitSettings",
    "FeeHistogram",
    "GarchMarket",
    "GbmMarket",
    "HawkesMarket",
    "HourlyFlow",
    "LargeTransfers",
    "LimitSettings",
    "LivetradingError",
    "MarketSignals",
    "MempoolState",
    "Model",
    "OrderError",
    "PaperBroker",
    "PowerLaw",
    "PriceHistory",
    "Processor",
    "Queue",
    "Reason",
    "Recorder",
    "Recording",
    "Refusal",
    "Rejection",
    "Report",
    "RunBars",
    "Settings",
    "SignalSettings",
    "SimulatedMempool",
    "SizingSettings",
    "Strategy",
    "StrategyError",
    "StrategyResult",
    "TickBars",
    "TickFlag",
    "TickImbalanceBars",
    "TimeBars",
    "Transfer",
    "TruePrice",
    "TruePrices",
    "UltraDamaged",
    "UltraFile",
    "UltraWriter",
    "Valuation",
    "VolumeBars",
    "VolumeImbalanceBars",
    "VoteSettings",
    "__version__",
    "arrival_probability",
    "bars",
    "chain_columns",
    "chain_state",
    "confirmation_probabilities",
    "difficulty",
    "efficiency_at",
    "elasticities",
    "embedded_history",
    "energy_value",
    "evaluate",
    "fee_for",
    "fee_histogram",
    "fit_breakdown",
    "fit_ticks",
    "get_include",
    "hashrate_from_difficulty",
    "hashrate_observed",
    "height_at",
    "implied_energy_cost",
    "interval_tests",
    "issued",
    "joint_range",
    "load_config",
    "market_signals",
    "model",
    "open_ticks",
    "parse_rule",
    "pipeline",
    "price_breakdown",
    "price_history",
    "read_chain_history",
    "read_ticks",
    "realised_sd",
    "run_hft",
    "run_strategy",
    "simulate_confirmation",
    "state_columns",
    "subsidy",
    "time_at",
    "tornado",
    "true_price",
    "variance_shares",
    "write_ticks",
]

_MODULES = {
    "blockchain.block_intervals": ("arrival_probability", "interval_tests"),
    "blockchain.breakdown_fit": ("fit_breakdown", "fit_ticks"),
    "blockchain.confirmation_time": (
        "Queue",
        "confirmation_probabilities",
        "fee_for",
        "simulate_confirmation",
    ),
    "blockchain.large_transfers": ("LargeTransfers", "Transfer"),
    "blockchain.mempool_math": ("FeeHistogram", "MempoolState", "fee_histogram"),
    "blockchain.price_sensitivity": ("elasticities", "joint_range", "tornado"),
    "blockchain.price_variance_analysis": ("price_breakdown", "variance_shares"),
    "blockchain.simulated_mempool": ("HourlyFlow", "SimulatedMempool"),
    "blockchain.asic_efficiency": ("efficiency_at",),
    "blockchain.chain_clock": ("ChainClock",),
    "blockchain.chain_state": ("ChainState", "chain_columns", "chain_state"),
    "blockchain.epochs": ("EPOCHS", "EpochTable"),
    "blockchain.market_data": ("MarketSignals", "market_signals"),
    "blockchain.mathematical_price": ("TruePrice", "TruePrices", "implied_energy_cost", "true_price"),
    "blockchain.protocol": (
        "DomainError",
        "difficulty",
        "hashrate_from_difficulty",
        "hashrate_observed",
        "height_at",
        "issued",
        "subsidy",
        "time_at",
    ),
    "blockchain.models.energy_units": ("energy_value",),
    "blockchain.models.power_law": ("PowerLaw",),
    "blockchain.valuation": ("MODELS", "Model", "Valuation", "model", "state_columns"),
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
    "data.chain_history": ("ChainHistory", "embedded_history", "read_chain_history"),
    "data.errors": ("DataError", "UltraDamaged"),
    "data.pipeline": ("pipeline",),
    "data.recorder": ("Recorder",),
    "data.ticks": ("Recording", "open_ticks", "read_ticks", "write_ticks"),
    "data.ultra": ("UltraFile", "UltraWriter"),
    "engine.hft": ("run_hft",),
    "engine.report": ("Report",),
    "engine.strategy": ("Bar", "Strategy", "StrategyError", "StrategyResult", "run_strategy"),
    "research.price_evaluation": ("Evaluation", "evaluate"),
    "research.price_history": ("PriceHistory", "price_history"),
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
