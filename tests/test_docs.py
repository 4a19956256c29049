"""The code of docs/ is run as it is written."""

import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pytest

import livetrading as lt
from livetrading.data.cleaning import RULES

DOCS: Final = Path(__file__).parents[1] / "docs"
SIGNALS: Final = (DOCS / "SIGNALS.md").read_text("utf-8")
FORMULAS: Final = (DOCS / "FORMULAS.md").read_text("utf-8")


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


def test_python_of_the_ultra_format() -> None:
    """The page asserts what it says."""
    for block in blocks("python", (DOCS / "ULTRA.md").read_text("utf-8")):
        exec(block, {})


def test_commands_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command runs in turn, and prints what the page shows; its Python runs on what they have left."""
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "DATA.md").read_text("utf-8")
    shown = re.findall(r"^```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", text, re.MULTILINE | re.DOTALL)
    assert len(shown) == 5
    for commands, expected in shown:
        script = commands.replace("livetrading ", f"{shlex.quote(sys.executable)} -m livetrading.runner ")
        done = subprocess.run(script, shell=True, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert not expected or done.stdout[-len(expected) :] == expected
    (python,) = blocks("python", text)
    exec(python, {})


def test_rules_of_cleaning_are_those_of_the_page() -> None:
    rows = dict(
        re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", (DOCS / "DATA.md").read_text("utf-8"), re.MULTILINE)
    )
    assert rows == RULES


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


@pytest.mark.parametrize("name", lt.MODELS)
def test_every_model_is_derived(name: str) -> None:
    """Each has its heading, and the text says of it what the registry says."""
    sections = re.split(r"^### ", FORMULAS.partition("## The derivations\n")[2], flags=re.MULTILINE)
    (section,) = (text for text in sections if f"`{name}`" in text.partition("\n")[0])
    assert re.search("^    .*=", section, re.MULTILINE)
    section = " ".join(section.split())
    assert all(word in section for word in ("*Assumes*", "*Source*", "*Fails*"))
    assert ("**Fitted to prices" in section) == lt.model(name).fitted
    assert ("**Made of prices" in section) == lt.model(name).prices_inside


@pytest.mark.parametrize(
    "subject",
    [
        "Supply",
        "Difficulty",
        "Hash rate",
        "The clock of the chain",
        "ASIC efficiency",
        "Sensitivity",
        "Variance breakdown of a quote",
        "Mempool: units and clearing rate",
        "Mempool: block intervals",
        "Mempool: time to confirmation",
        "Mempool: what is simulated",
        "Mempool: large transfers",
    ],
)
def test_what_is_no_model_is_derived_too(subject: str) -> None:
    assert f"\n### {subject}\n" in FORMULAS


def test_the_multipliers_of_the_text_are_those_of_the_formula() -> None:
    heights = (1, 209_999, 210_000, 420_000, 630_000, 840_000)
    said = re.findall(r"\b\d\.\d\d\b", re.search(r"their sum rises.*?constant\.", FORMULAS, re.DOTALL)[0])  # type: ignore[index]
    found = [lt.true_price(height, 1e18, lt.time_at(height)).multiplier for height in heights]
    assert said == [f"{value:.2f}" for value in found]
