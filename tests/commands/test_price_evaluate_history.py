"""`price evaluate` and `price history` through the command line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from livetrading.research import price_statistics
from livetrading.runner import main

Capture = pytest.CaptureFixture[str]


def run_json(capsys: Capture, *arguments: str) -> dict[str, Any]:
    assert main(["price", *arguments, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    tree: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    return tree


class TestEvaluate:
    def test_json(self, made_history: Path, capsys: Capture) -> None:
        tree = run_json(capsys, "evaluate", str(made_history))
        assert (tree["first"], tree["last"], tree["days"]) == ("2016-03-01", "2021-05-13", 1900)
        assert {one["verdict"] for one in tree["forecasts"]} <= {
            "beats",
            "lower",
            "higher",
            "worse",
            "undefined",
        }
        assert len(tree["findings"]) > 5

    def test_lines(self, made_history: Path, capsys: Capture) -> None:
        assert main(["price", "evaluate", str(made_history), "--split", "2019-01-01"]) == 0
        out = capsys.readouterr().out
        assert re.search(r"^models\.true-price\.median_abs: \d\.\d+$", out, re.MULTILINE)
        assert re.search(r"^forecasts\.power-law-a, level, 30 days\.verdict: \w+$", out, re.MULTILINE)
        assert "\nsplit: 2019-01-01\n" in out
        assert "note: Out of sample, of " in out

    def test_window(self, made_history: Path, capsys: Capture) -> None:
        tree = run_json(capsys, "evaluate", str(made_history), "--from", "2018-01-01", "--to", "2018-12-31")
        assert (tree["first"], tree["last"], tree["days"]) == ("2018-01-01", "2018-12-31", 365)

    @pytest.mark.parametrize("width", [80, 120])
    def test_table_on_a_terminal(
        self, made_history: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, width: int
    ) -> None:
        monkeypatch.setattr("livetrading.commands.price_history.on_terminal", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["price", "evaluate", str(made_history)]) == 0
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= width
        assert "…" not in out
        assert "Diebold-Mariano p" in out

    def test_says_which_extra_is_missing_before_it_reads(
        self, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(name: str) -> None:
            raise ImportError(name=name)

        monkeypatch.setattr(price_statistics, "import_module", gone)
        assert main(["price", "evaluate", "none.csv"]) == 2
        assert "pip install 'livetrading[formulas]'" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--from", "yesterday"), "--from must be a date, YYYY-MM-DD, was 'yesterday'"),
            (("--to", "2021-02-30"), "--to must be a date, YYYY-MM-DD, was '2021-02-30'"),
            (("--split", "2010-01-01"), "split must be from 2016-03-02 to 2021-05-13, was 2010-01-01"),
            (("--from", "2024-01-01"), "was 2024-01-01 to the last"),
        ],
    )
    def test_bad_days(
        self, made_history: Path, capsys: Capture, arguments: tuple[str, str], said: str
    ) -> None:
        assert main(["price", "evaluate", str(made_history), *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line

    def test_bad_file(self, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "bad.csv"
        path.write_text("date,close\n2020-01-01,0\n")
        assert main(["price", "evaluate", str(path)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"{path}, line 2: price_usd must be from 1e-12 to 1e+15, was '0'" in captured.err


class TestHistory:
    def test_lines_without_a_file(self, capsys: Capture) -> None:
        assert main(["price", "history", "--to", "2017-12-31", "--model", "power-law-a"]) == 0
        out = capsys.readouterr().out
        assert re.search(r"^2016-12-31\.power-law-a: 1,733$", out, re.MULTILINE)
        assert "market" not in out.split("note:")[0]

    def test_json(self, made_history: Path, capsys: Capture) -> None:
        tree = run_json(capsys, "history", str(made_history), "--model", "true-price", "--model", "s2f-463d")
        assert list(tree["models"]) == ["true-price", "s2f-463d"]
        assert len(tree["market_usd"]) == 1900

    def test_from_before_there_was_a_market(self, capsys: Capture) -> None:
        tree = run_json(capsys, "history", "--from", "2009-01-03", "--to", "2009-12-31")
        assert tree["days"][0] == "2009-01-03"

    @pytest.mark.parametrize("suffix", ["png", "svg", "html"])
    def test_plot(self, made_history: Path, tmp_path: Path, suffix: str, capsys: Capture) -> None:
        path = tmp_path / f"out.{suffix}"
        assert main(["price", "history", str(made_history), "--model", "s2f-463d", "--plot", str(path)]) == 0
        starts = {"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!DOCTYPE html>"}
        assert path.read_bytes().startswith(starts[suffix])

    @pytest.mark.parametrize("width", [80, 120])
    def test_table_on_a_terminal(
        self, made_history: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, width: int
    ) -> None:
        monkeypatch.setattr("livetrading.commands.price_history.on_terminal", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["price", "history", str(made_history)]) == 0
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= width
        assert "…" not in out
        assert "realized-price" in out

    def test_does_not_replace_what_it_reads(self, made_history: Path, capsys: Capture) -> None:
        assert main(["price", "history", str(made_history), "--plot", str(made_history)]) == 2
        assert "--plot must not be" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--plot", "out.pdf"), "must go to one of .png, .svg, .html, was out.pdf"),
            (("--model", "crystal-ball"), "model must be one of true-price, "),
            (("--from", "2009-01-02"), "must be from 2009-01-03 to 2139-12-31, was 2009-01-02"),
            (("--from", "2020-01-02", "--to", "2020-01-01"), "must not be before 2020-01-02, was 2020-01-01"),
            (("none.csv",), "none.csv must be a readable CSV file"),
        ],
    )
    def test_bad_arguments(self, capsys: Capture, arguments: tuple[str, ...], said: str) -> None:
        assert main(["price", "history", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
