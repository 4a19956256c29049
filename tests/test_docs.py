"""The code of docs/ is run as it is written."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pytest

import livetrading as lt

DOCS: Final = Path(__file__).parents[1] / "docs"
SIGNALS: Final = (DOCS / "SIGNALS.md").read_text("utf-8")


def blocks(language: str, text: str = SIGNALS) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the Python of the page leaves behind."""
    left: dict[str, Any] = {}
    exec("\n".join(blocks("python")), left)
    return left


def compiled(directory: Path, source: str) -> ModuleType:
    """Compile a Cython module as the page says, and import it."""
    (directory / "fade.pyx").write_text(source)
    subprocess.run([sys.executable, "-m", "cython", "-3", "fade.pyx"], cwd=directory, check=True)
    headers = [f"-I{lt.get_include()}", f"-I{sysconfig.get_path('include')}"]
    command = ["cc", "-shared", "-fPIC", "-O2", *headers, "fade.c", "-o", "fade.so"]
    subprocess.run(command, cwd=directory, check=True)
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("fade", directory / "fade.so")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_python(page: dict[str, Any]) -> None:
    """The page compares its two signals itself; here, that all of it traded."""
    assert page["processor"].totals()["trades"] > 1000
    assert page["result"].trades > 10
    assert page["by_bars"].trades > 3
    assert page["breakout"].bought > 3_000_000


def test_header_says_what_the_page_says() -> None:
    (signature,) = blocks("c")
    assert signature.strip() in (Path(lt.get_include()) / "lt_tick.h").read_text("utf-8")


def test_cython(page: dict[str, Any], tmp_path: Path) -> None:
    (source,) = blocks("cython")
    fade = compiled(tmp_path, source)
    processor = lt.Processor(page["settings"], 10_000, signal=fade.address, signal_state=np.zeros(1))
    processor.replay(page["ticks"])
    processor.close()
    assert processor.totals()["fills_sha256"] == page["processor"].totals()["fills_sha256"]
