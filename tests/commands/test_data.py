"""``livetrading data info`` and ``data gaps``, as a user meets them."""

import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from livetrading.core.dtypes import BarFlag
from livetrading.data.history import load
from livetrading.runner import main

DATA: Final = Path(__file__).parents[1] / "data"
TRADES: Final = DATA / "btcusdt_spot_20240808_trades.csv"
QUOTES: Final = DATA / "btcusdt_spot_20240808_quotes.csv"
COMMAND: Final = [sys.executable, "-m", "livetrading.runner", "data"]
DAYS: Final = [f"2024-01-{d:02d}" for d in range(1, 31) if d not in (10, 11, 20)]


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Days of which three are missing; one has its low above its close."""
    path = tmp_path / "bars.csv"
    lines = [f"{day},{i + 90},{i + 103},{i + 80},{i + 91}" for i, day in enumerate(DAYS)]
    lines[4] = f"{DAYS[4]},94,107,99,95"
    path.write_text("Date,Open,High,Low,Close\n" + "\n".join(lines) + "\n")
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main(["data", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["data", *map(str, arguments)]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


def on_a_terminal(*arguments: object) -> str:
    main_end, other = pty.openpty()
    environ = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
    done = subprocess.run([*COMMAND, *map(str, arguments)], stdout=other, stderr=other, env=environ)
    os.close(other)
    text = b""
    while True:
        try:
            block = os.read(main_end, 1 << 16)
        except OSError:
            break
        if not block:
            break
        text += block
    os.close(main_end)
    assert done.returncode == 0, text
    return text.decode()


class TestInfo:
    def test_json(self, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
        tree = told(capsys, "info", bars)
        assert (tree["kind"], tree["rows"], tree["spacing"]) == (
            "bars",
            27,
            "1d (the most frequent difference)",
        )
        assert (tree["first"], tree["last"]) == ("2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z")
        assert tree["zone"] == "none is given: read as UTC"

    def test_lines(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["data", "info", str(TRADES)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "holds: 300 rows of trades" in lines
        assert "time unit: ns: the column's name says it" in lines
        assert "left out: trade_id" in lines

    def test_terminal(self, bars: Path) -> None:
        text = on_a_terminal("info", bars)
        assert "27 rows of bars" in text
        assert "a bar's time is taken for its start" in text

    def test_options(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "a.csv"
        path.write_text("7;1\n8;2\n")
        tree = told(
            capsys, "info", path, "--columns", "1=time_s,2=close", "--every", "1s", "--delimiter", "semicolon"
        )
        assert tree["columns"][0] == {"name": "1", "field": "time", "unit": "s"}
        assert tree["first"] == "1970-01-01T00:00:07Z"

    def test_errors_are_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "a.csv"
        assert "No such file" in refused(capsys, "info", path)
        path.write_text("time,close\n1700000000,1\n1700000060000,1\n")
        assert f"{path}, line 3: time must be in s" in refused(capsys, "info", path)
        (tmp_path / "b.csv").mkdir()
        assert "a directory, a pipe or a device" in refused(capsys, "info", tmp_path / "b.csv")


class TestGaps:
    def test_json(self, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
        tree = told(capsys, "gaps", bars)
        assert tree["counts"] == {"gap": 2, "inconsistent": 1}
        assert tree["missing"] == 3
        gap = tree["findings"][0]
        assert (gap["from"], gap["to"], gap["count"]) == ("2024-01-10T00:00:00Z", "2024-01-12T00:00:00Z", 2)
        assert tree["filled"] is None

    def test_lines(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["data", "gaps", f"{QUOTES},{TRADES}", "--show", "1"]) == 0
        out = capsys.readouterr().out
        assert "no quote yet: 3 trades before the first quote" in out
        assert "no quote yet: row 0 to 2, 2024-08-08T23:57:51.914172373Z" in out
        assert "trades.csv alone: shared time: " in out
        assert "note: judged by gap: more than 10 times" in out

    def test_terminal(self, bars: Path) -> None:
        text = on_a_terminal("gaps", bars)
        assert "2 bars are missing" in text
        assert "Judged by gap: more than the most frequent difference, 1d" in text

    def test_fill_marks_what_it_makes_up(
        self, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = bars.read_bytes()
        for suffix in (".csv", ".parquet", ".ultra", ".npy"):
            out = tmp_path / f"out{suffix}"
            tree = told(capsys, "gaps", bars, "--fill", "previous", "--out", out)
            assert tree["filled"]["rows"] == 30
            flags = load(out).columns["flags"]
            assert [i + 1 for i in range(30) if flags[i] & BarFlag.FILLED] == [10, 11, 20]
        assert bars.read_bytes() == before
        told(capsys, "gaps", bars, "--fill", "drop", "--out", tmp_path / "dropped.csv")
        assert len(load(tmp_path / "dropped.csv")) == 26

    def test_against(self, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        other = tmp_path / "other.csv"
        other.write_text(
            "date,ref\n" + "".join(f"{day},{i + (91 if i else 45)}\n" for i, day in enumerate(DAYS))
        )
        tree = told(capsys, "gaps", bars, "--against", other, "ref")
        assert tree["counts"]["deviation"] == 1
        assert (
            told(capsys, "gaps", bars, "--against", other, "ref", "--within", "2")["counts"].get("deviation")
            is None
        )

    def test_picture(self, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for source, name in (
            (bars, "a.png"),
            (bars, "a.svg"),
            (f"{QUOTES},{TRADES}", "b.svg"),
            (QUOTES, "c.svg"),
        ):
            told(capsys, "gaps", source, "--plot", tmp_path / name)
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        drawn = (tmp_path / "a.svg").read_bytes()
        told(capsys, "gaps", bars, "--plot", tmp_path / "a.svg")
        assert (tmp_path / "a.svg").read_bytes() == drawn

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--fill", "drop"], "--fill and --out must be given together"),
            (["--out", "x.csv"], "--fill and --out must be given together"),
            (["--fill", "guess", "--out", "x.csv"], "--fill must be one of previous, drop, sort"),
            (["--within", "x"], "--within must be a number"),
            (["--stale", "1"], "stale must be at least 2"),
            (["--show", "-1"], "--show must be a whole number"),
            (["--plot", "a.txt"], "a figure must go to one of .png, .svg"),
            (["--kind", "candles"], "kind must be one of"),
        ],
    )
    def test_refuses(
        self, bars: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert words in refused(capsys, "gaps", bars, *options)

    def test_never_writes_over_what_it_reads(self, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "must not be" in refused(capsys, "gaps", bars, "--fill", "sort", "--out", bars)

    def test_no_space_leaves_nothing(self, tmp_path: Path) -> None:
        """A limit on the size of files stands for a disk that is full."""
        lines = "".join(f"{1_700_000_000 + 60 * i},{i + 1}\n" for i in range(30_000))
        (tmp_path / "a.csv").write_text("time,close\n" + lines)
        out = tmp_path / "out.csv"
        done = subprocess.run(
            [*COMMAND, "gaps", str(tmp_path / "a.csv"), "--fill", "sort", "--out", str(out)],
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
        )
        assert done.returncode != 0
        assert f"{out} must be writable" in done.stderr
        assert sorted(os.listdir(tmp_path)) == ["a.csv"]
