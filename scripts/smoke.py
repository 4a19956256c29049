"""Run an installed wheel from where the sources are not: ``python scripts/smoke.py [--no-compiler]``.

The fills and result rows must be those of tests/golden/path.json, on whatever machine this is.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() not in (ROOT, ROOT / "scripts")]

from livetrading import RESULT, ChainClock, ChaosMarket, Processor, chain_state, load_config  # noqa: E402
from livetrading.core import processor as core  # noqa: E402

COMPILERS: Final = ("cc", "gcc", "clang", "cl")
TICKS: Final = 400_000
START_NS: Final = 1_764_478_080 * 10**9
STEP_NS: Final = 10**8
SPREAD_BPS: Final = {"realistic": 1.0, "seed": 0.0}


def golden_run(preset: str) -> dict[str, object]:
    """Run a preset as tests/core/test_determinism.py does."""
    config = load_config({"run.capital": 100}, preset=preset, environ={})
    market = ChaosMarket(1, START_NS, STEP_NS, spread_bps=SPREAD_BPS[preset])
    market.feed(ChainClock(1).knots(START_NS + TICKS * STEP_NS))
    processor, rows = Processor(config.settings, 100.0, market), np.zeros(TICKS // 1000, RESULT)
    processor.run(TICKS, rows, 1000)
    processor.close()
    seen = hashlib.sha256()
    for column in RESULT.names or ():
        values = rows[column]
        if values.dtype.kind == "f":  # what sign a NaN has is the compiler's choice
            values = np.where(np.isnan(values), np.nan, values)
        seen.update(values.tobytes())
    totals = processor.totals()
    digests = {"fills_sha256": totals["fills_sha256"], "rows_sha256": seen.hexdigest()}
    return {"ticks": TICKS, "fills": totals["fills"], **digests}


def check_command_line() -> None:
    command = [sys.executable, "-m", "livetrading.runner", "hft", "100", "--ticks", "200000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done
    report = json.loads(done.stdout)
    assert report["ticks"] == report["null_control"]["ticks"] == 200_000, report["ticks"]
    assert abs(report["equity"] - report["capital"] - report["net_pnl"]) < 1e-9, report


def main() -> None:
    if "--no-compiler" in sys.argv:
        assert not any(map(shutil.which, COMPILERS)), "a compiler was on PATH"
    assert not Path(core.__file__).is_relative_to(ROOT / "livetrading"), core.__file__
    golden = json.loads((ROOT / "tests" / "golden" / "path.json").read_text("utf-8"))
    for preset in SPREAD_BPS:
        found = golden_run(preset)
        assert found == golden[preset], f"{preset} must give {golden[preset]}, was {found}"
    assert chain_state(925_810).bits == 0x1701E2A0, chain_state(925_810)
    check_command_line()
    print(f"{Path(core.__file__).name} on CPython {sys.version.split()[0]}: the golden fills and rows")


if __name__ == "__main__":
    main()
