"""What all formulas take of the memory together."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from livetrading.formulas.checks.markets import market
from livetrading.formulas.panel import Panel
from livetrading.formulas.registry import FORMULA_REGISTRY

rows, seen = 100_000, 600
panel = Panel(FORMULA_REGISTRY, capacity=rows)
columns = market(rows)
names = list(columns)
for i, row in enumerate(zip(*columns.values(), strict=True)):
    observation = dict(zip(names, row, strict=True))
    if i < rows - seen:
        panel.history.append(observation)
    else:
        panel.append(observation)
status = open("/proc/self/status").read()
print(len(panel), panel.history.rows, int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.full
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak is read from /proc, which Linux has"
)
def test_all_formulas_on_one_history() -> None:
    """100,000 rows held once, windows shared, libraries loaded by the fits of the last 600: under 1 GiB."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    formulas, rows, mib = map(int, done.stdout.split())
    assert formulas > 100
    assert rows == 100_000
    assert mib < 1024
