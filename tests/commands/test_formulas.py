"""``livetrading formulas``, as a user meets it."""

import gzip
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetrading.commands import output
from livetrading.formulas import base
from livetrading.formulas.checks import harness
from livetrading.formulas.checks.harness import Comparison
from livetrading.formulas.checks.markets import market
from livetrading.formulas.registry import FORMULA_REGISTRY, run
from livetrading.runner import main


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str, code: int = 0) -> str:
        assert main(["formulas", *arguments]) == code
        captured = capsys.readouterr()
        return captured.err if code == 2 else captured.out

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bars.csv"
    columns = {name: column[:80] for name, column in market(80).items()}
    columns["note"] = np.full(80, "x")
    lines = [",".join(columns)]
    lines += [",".join(str(column[i]) for column in columns.values()) for i in range(80)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_list(said: Any) -> None:
    lines = said("list").splitlines()
    assert [int(line.split("\t")[0]) for line in lines] == list(FORMULA_REGISTRY)
    some = json.loads(said("list", "--category", "mean_reversion", "--channel", "cross", "--json"))[
        "formulas"
    ]
    assert [one["id"] for one in some] == [147, 148, 149, 150]
    assert "--channel must be one of" in said("list", "--channel", "moon", code=2)
    assert "--category must be one of" in said("list", "--category", "moon", code=2)


def test_show(said: Any) -> None:
    text = said("show", "zscoresignal")
    assert text.startswith("141 ZScoreSignal (mean_reversion, signal)")
    for part in (
        "z = (p_t - mean) / sd",
        "Gatev",
        "n = 100: prices in the window; a whole number",
        "create(141)",
    ):
        assert part in text
    tree = json.loads(said("show", "147", "--json"))
    assert tree["example"]["ready"]
    assert tree["parameters"]["refit"]["default"] == 50
    assert "a formula must be one of" in said("show", "999", code=2)


def test_show_names_columns_warm_up_and_library(said: Any) -> None:
    text = said("show", "33")
    assert "Reads trade (price); value in log return." in text
    assert "Cost F: refits a model now and then. Ready from observation 401 on." in text
    assert "Needs statsmodels: pip install 'livetrading[formulas]'" in text
    assert "(price, ts)" in said("show", "44")


def test_show_names_the_rows_of_its_example(said: Any) -> None:
    text = said("show", "21")
    given, rows = FORMULA_REGISTRY[21].check_parameters, FORMULA_REGISTRY[21].check_rows  # type: ignore[attr-defined]
    assert f"the last of {rows} observations" in text
    columns = {name: column[-rows:] for name, column in market(1200).items()}
    assert f"value: {run(21, columns, **given).value[-1]}" in text


def test_run(said: Any, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.csv"
    text = said("run", "143", "145-146", str(file), "--out", str(out))
    columns = {name: column[:80] for name, column in market(80).items()}
    for id in (143, 145, 146):
        expected = run(id, columns)
        assert f"{id} {expected.name}.value: {expected.value[-1]}" in text
        names = out.read_text().split("\n", 1)[0].split(",")
        table = np.genfromtxt(out, delimiter=",", skip_header=1)
        assert np.array_equal(table[:, names.index(f"{id}.value")], expected.value, equal_nan=True)
        assert np.array_equal(table[:, names.index(f"{id}.ready")], expected.ready)
    assert names[0] == "ts"
    assert out.read_text().split("\n")[1].split(",")[0] == str(columns["ts"][0])
    tree = json.loads(said("run", "139", "132", str(file), "--json"))
    assert tree["rows"] == 80
    assert tree["last"]["132 OUHalfLife"]["value"] is None


def test_run_reads_gzip_and_parquet(said: Any, file: Path, tmp_path: Path) -> None:
    plain = said("run", "143", str(file))
    packed = tmp_path / "bars.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert said("run", "143", str(packed)) == plain
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table(market(80)), tmp_path / "bars.parquet")
    assert said("run", "143", str(tmp_path / "bars.parquet")) == plain


def test_run_says_why_a_formula_says_nothing(said: Any, tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text("ts,price\n1,5\n\n2,\n3,7.5\n")
    text = said("run", "150", "141", str(path))
    assert "rows: 3" in text
    assert "150 KalmanHedgeRatio.unavailable: channel cross is missing" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ts,price\n1,x\n", "line 2: price must be a number or empty, was 'x'"),
        ("ts,price\n1.5,2\n", "line 2: ts must be a whole number, was '1.5'"),
        ("ts,price\n99999999999999999999,2\n", "ts must be from -2^62 to 2^62"),
        ("ts,price\n1\n", "line 2: must have 2 cells, had 1"),
        ("ts,moon\n1,2\n", "must have columns that the catalogue names"),
        ("price\n", "FILE must hold at least one row"),
        ("", "must have columns that the catalogue names"),
    ],
)
def test_a_file_that_is_none(said: Any, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    assert words in said("run", "141", str(path), code=2)


def test_usage(said: Any, file: Path, tmp_path: Path) -> None:
    assert "run must be given one ID or more and then a FILE" in said("run", "141", code=2)
    assert "a range must hold formulas that stand" in said("run", "500-600", str(file), code=2)
    assert "observations must come from one of" in said("run", "141", "x.txt", code=2)
    assert "must be readable" in said("run", "141", str(tmp_path / "none.csv"), code=2)
    assert "--out must not be" in said("run", "141", str(file), "--out", str(file), code=2)


def test_check(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = said("check", "145", "146")
    assert "2 of 2 pass" in text
    assert text.splitlines()[0].split() == [*harness.CHECKS, "worst", "error"]
    broken = {**harness.CHECKS, "golden": lambda id: iter([Comparison("x", 1.0, 2.0)])}
    monkeypatch.setattr(harness, "CHECKS", broken)
    text = said("check", "145", code=1)
    assert "0 of 1 pass" in text
    assert "falls short: 145 RSIMeanReversion, golden: x: was 1.0, expected 2.0 (1 of 1)" in text
    tree = json.loads(said("check", "145", "--json", code=1))
    assert not tree["passed"]
    assert tree["formulas"]["145 RSIMeanReversion"]["reference"]["passed"]


def test_a_reference_that_cannot_be_run_does_not_pass(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def needs(id: int) -> Any:
        raise ImportError("no module", name="moonlib")

    monkeypatch.setattr(harness, "CHECKS", {**harness.CHECKS, "reference": needs})
    text = said("check", "145", code=1)
    assert "not run, needs moonlib, which is not installed" in text


def test_a_check_that_breaks_falls_short(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(id: int) -> Any:
        raise TypeError("another version of it")

    monkeypatch.setattr(harness, "CHECKS", {**harness.CHECKS, "reference": breaks})
    text = said("check", "145", "146", code=1)
    assert "0 of 2 pass" in text
    assert "falls short: 145 RSIMeanReversion, reference: raised TypeError: another version of it" in text


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_check(
    said: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, code: int
) -> None:
    def stopped(id: int) -> Any:
        signal.raise_signal(getattr(signal, name))
        return [Comparison("x", 1.0, 1.0)]

    monkeypatch.setattr(harness, "CHECKS", {"golden": stopped})
    assert main(["formulas", "check", "145", "146"]) == code
    assert "pass" not in capsys.readouterr().out


def test_a_signal_leaves_no_table(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: Any, **named: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("livetrading.formulas.tables.table_of", stopped)
    assert main(["formulas", "run", "141", str(file), "--out", str(tmp_path / "out.csv")]) == 130
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_where_results_cannot_go_is_said_before_the_work(
    said: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetrading.formulas.registry.run", None)
    assert "results must go to one of" in said("run", "141", str(file), "--out", "x.foo", code=2)


@pytest.mark.parametrize("id", ["\u00b2", "9" * 5000, "1-" + "9" * 5000])
def test_an_id_that_is_none_on_one_line(said: Any, file: Path, id: str) -> None:
    text = said("run", id, str(file), code=2)
    assert "a formula must be one of" in text
    assert text.count("\n") == 1


def test_a_formula_without_its_library_is_not_run(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "installed", lambda name: False)
    text = said("check", "59", "145", code=1)
    assert text.splitlines()[1].split() == ["59", "StateSpaceModel", *["not", "run"] * 5, "nan"]
    assert "1 of 2 pass" in text
    assert "falls short: 59 StateSpaceModel, golden: library statsmodels is missing" in text


def test_text_keeps_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Words and more words of a line.\nAnd more.\n\nHead\n----\nBody\n\n  n = 1: what it is, at length"
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "24")
    output.print_text(text)
    shown = "Words and more words of\na line. And more.\n\nHead\n----\nBody\n\n"
    assert capsys.readouterr().out == shown + "  n = 1: what it is, at\n    length\n"
    monkeypatch.setattr(output, "on_terminal", lambda: False)
    output.print_text(text)
    assert capsys.readouterr().out == text + "\n"
