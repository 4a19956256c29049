"""docs/FORMULAS.md, part two, says what the registry says."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "FORMULAS.md"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("formulas_table", ROOT / "scripts" / "formulas_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_up_to_date(script: Any) -> None:
    text = PAGE.read_text("utf-8")
    assert script.replaced(text) == text, "run scripts/formulas_table.py"


def test_a_page_without_markers_is_refused(script: Any) -> None:
    with pytest.raises(SystemExit, match="must have"):
        script.replaced("nothing\n")


def test_the_example_runs_as_printed(tmp_path: Path) -> None:
    part = PAGE.read_text("utf-8").partition("# Part two")[2]
    blocks = re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    said = []
    for block in blocks:
        command = [sys.executable, "-W", "error", "-c", block]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.splitlines())
    assert said[0][0] == "1.8973665961 0"
    assert said[1][0] == "[nan nan  3.  5.]"
    assert said[1][1].startswith("<1000 Momentum(n=3): not ready, ")
