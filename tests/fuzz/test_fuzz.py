"""A little of each fuzzer on every run; ``scripts/test --full`` runs them at full size."""

from collections import Counter
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import fuzz_config
import fuzz_csv
import fuzz_orders
import fuzz_ticks
import fuzz_ultra
import numpy as np
import pytest

from livetrading.core.orders import ORDER_KINDS
from livetrading.core.settings import Settings


def test_settings_are_all_drawn() -> None:
    """A setting that is added has to be fuzzed."""
    assert {part.name for part in fields(Settings)} == set(fuzz_ticks.CHANCES)
    for part in fields(Settings):
        keys = {key.name for key in fields(part.default_factory)}  # type: ignore[arg-type]
        assert keys == set(fuzz_ticks.CHANCES[part.name]), part.name


def run(fuzzer: ModuleType, seed: int, cases: int, folder: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number in range(cases):
        counts += fuzzer.case(np.random.default_rng([seed, number]), folder)
    return counts


def test_ticks(tmp_path: Path) -> None:
    counts = run(fuzz_ticks, 2, 40, tmp_path)
    assert counts["mutated accepted"] > 0.3 * counts["mutated fed"]
    assert counts["random fed"] > 1000
    assert counts["fills"] > 500
    assert len([name for name in counts if name.startswith("mutated rejected")]) == 5


def test_configurations(tmp_path: Path) -> None:
    counts = run(fuzz_config, 2, 300, tmp_path)
    assert 0.1 < counts["documents accepted"] / counts["documents fed"] < 0.9
    assert counts["command lines fed"] > 10


def test_recordings(tmp_path: Path) -> None:
    counts = run(fuzz_csv, 2, 300, tmp_path)
    assert 0.1 < counts["files accepted"] / counts["files fed"] < 0.9
    assert counts["good rows"] > 100


def test_ultra_files(tmp_path: Path) -> None:
    counts = run(fuzz_ultra, 2, 400, tmp_path)
    assert 0.2 < counts["files accepted"] / counts["files fed"] < 0.8
    assert counts["torn"] > 30
    assert counts["rows"] > 1000


def test_orders(tmp_path: Path) -> None:
    counts = run(fuzz_orders, 2, 60, tmp_path)
    assert all(counts[f"fills of {kind}"] > 20 for kind in ORDER_KINDS)
    assert all(counts[f"refused, {name}"] > 20 for name in ("lapsed", "ledger", "post_only", "64 working"))


@pytest.mark.parametrize("fuzzer", [fuzz_ticks, fuzz_config, fuzz_csv, fuzz_orders, fuzz_ultra])
def test_a_case_repeats(fuzzer: ModuleType, tmp_path: Path) -> None:
    assert run(fuzzer, 3, 3, tmp_path) == run(fuzzer, 3, 3, tmp_path)
