"""``livetrading data bars``, as a user meets it."""

import gzip
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from livetrading.core.dtypes import BAR, TICK
from livetrading.data.bars import TickBars, TimeBars, VolumeBars, bars
from livetrading.data.ticks import read_ticks, write_ticks
from livetrading.runner import main

ROOT: Final = Path(__file__).parents[2]
DATA: Final = ROOT / "tests" / "data"
QUOTES, TRADES = (DATA / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades"))
PAIR: Final = f"{QUOTES},{TRADES}"


def rows_of(rule: Any, with_open: bool = False) -> np.ndarray:
    chunks = bars(read_ticks([QUOTES, TRADES]), rule, with_open=with_open)
    return np.frombuffer(b"".join(chunk.tobytes() for chunk in chunks), BAR)


def as_dict(bar: Any) -> dict[str, Any]:
    return dict(zip(BAR.names or (), bar.item(), strict=True))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert main(["data", "bars", *map(str, arguments), "--json"]) == 0
    tree: dict[str, Any] = json.loads(capsys.readouterr().out)
    return tree


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    tree, expected = printed(capsys, PAIR, "--rule", "volume:0.5"), rows_of(VolumeBars(0.5))
    assert (tree["rule"], tree["parameters"]) == ("volume:0.5", {"btc": 0.5})
    assert tree["files"] == [str(QUOTES), str(TRADES)]
    assert (tree["ticks"], tree["rejected_ticks"]["no_quote"], tree["bars"]) == (597, 3, len(expected))
    assert (tree["first"], tree["last"]) == (as_dict(expected[0]), as_dict(expected[-1]))
    assert tree["trades"] == expected["trades"].sum()
    assert tree["volume"] == pytest.approx(expected["volume"].sum())
    assert tree["dollar"] == pytest.approx(expected["dollar"].sum())
    assert tree["notes"] == [
        "Ticks skipped, which a run would reject: no quote 3.",
        "The bar that was open at the end is left out; --open gives it.",
    ]


def test_filled_and_open_bars_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    plain = printed(capsys, PAIR, "--rule", "time:1ms")
    full = printed(capsys, PAIR, "--rule", "time:1ms", "--fill", "--open")
    expected = rows_of(TimeBars("1ms", fill=True), with_open=True)
    assert (plain["filled_bars"], plain["open_bars"]) == (0, 0)
    assert (full["bars"], full["open_bars"]) == (len(expected), 1)
    assert full["filled_bars"] == (expected["flags"] & 1 > 0).sum() == full["bars"] - plain["bars"] - 1
    assert full["no_trade_bars"] == (expected["flags"] & 2 > 0).sum()
    assert full["last"]["flags"] & 4
    assert any("made up" in note for note in full["notes"])
    assert not any("left out" in note for note in full["notes"])


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".csv.gz", ".parquet"])
def test_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"bars{suffix}"
    tree, expected = printed(capsys, PAIR, "--rule", "tick:7", "--out", out), rows_of(TickBars(7))
    assert tree["out"] == str(out)
    if suffix == ".npy":
        assert np.load(out).tobytes() == expected.tobytes()
    elif suffix == ".parquet":
        import pyarrow.parquet as pq

        found = pq.read_table(out)
        assert found.column_names == list(BAR.names or ())
        for name in BAR.names or ():
            np.testing.assert_array_equal(found[name].to_numpy(), expected[name])
    else:
        text = gzip.decompress(out.read_bytes()) if suffix == ".csv.gz" else out.read_bytes()
        header, *lines = text.decode().splitlines()
        assert header.split(",") == list(BAR.names or ())
        assert [tuple(json.loads(f"[{line}]")) for line in lines] == expected.tolist()


def test_parameters_and_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    renamed = tmp_path / "trades.csv"
    renamed.write_text(TRADES.read_text().replace("price", "last", 1))
    given = ("--rule", "tick-run", "--param", "T0=20", "--param", "T_min=2")
    tree = printed(capsys, renamed, *given, "--columns", "last=price")
    assert tree == {**printed(capsys, TRADES, *given), "files": [str(renamed)]}
    assert (tree["parameters"]["T0"], tree["parameters"]["T_min"]) == (20.0, 2.0)
    assert tree["bars"] > 5


def test_units_are_those_that_data_info_tells(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    rows = "".join(f"{1_700_000_040 + 30 * i},100,1,1\n" for i in range(5))
    path.write_text("ts,price,qty,side\n" + rows)
    tree = printed(capsys, path, "--rule", "time:1m", "--open")
    assert (tree["bars"], tree["first"]["start"]) == (3, 1_700_000_040 * 10**9)
    path.write_text(path.read_text() + "1700000190000,100,1,1\n")
    assert main(["data", "bars", str(path), "--rule", "time:1m"]) == 2
    captured = capsys.readouterr()
    assert "line 7: ts (time) must be in s as the times before it" in captured.err
    assert captured.out == ""


def test_a_file_of_bars_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("Date,Close\n2024-01-01,1\n2024-01-02,1\n")
    assert main(["data", "bars", str(path), "--rule", "time:1m"]) == 2
    assert "bars.csv: bars must be made of ticks, was of bars" in capsys.readouterr().err


def test_a_recording_that_was_not_closed_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.ultra"
    write_ticks(path, [read_ticks([QUOTES, TRADES])])
    os.truncate(path, path.stat().st_size - 64)
    notes = printed(capsys, path, "--rule", "tick:7")["notes"]
    assert notes[0].startswith("a.ultra was not closed when it was written")


def test_recordings_without_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, QUOTES, "--rule", "tick:1")["notes"] == [
        "There is no trade among the ticks, and nothing else makes these bars."
    ]
    tree = printed(capsys, TRADES, "--rule", "time:1h")
    assert (tree["bars"], tree["first"], tree["last"], tree["volume"]) == (0, None, None, 0.0)
    assert tree["notes"][-1].endswith("--open gives it.")


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "bars", PAIR, "--rule", "tick:100"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"files: {QUOTES}, {TRADES}"
    assert "bars: 2" in lines
    assert "rejected_ticks.no_quote: 3" in lines
    assert lines[-2] == "note: Ticks skipped, which a run would reject: no quote 3."


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ([PAIR], "Missing option '--rule'"),
        ([PAIR, "--rule", "renko:5"], "rule must be one of time:1m, .*, was 'renko:5'"),
        ([PAIR, "--rule", "tick:0"], "trades of a bar must be a whole number from 1 to 1000000000, was 0"),
        ([PAIR, "--rule", "volume:nan"], "volume of a bar must be a number, was 'nan'"),
        ([PAIR, "--rule", "tick-run", "--param", "T0=-1"], "T0 must be a number from 10 to 200, was -1.0"),
        ([PAIR, "--rule", "tick:5", "--fill"], "fill must be asked of bars by time, was asked of tick:5"),
        (["none.csv", "--rule", "tick:5"], "none.csv must be a readable CSV file, was: "),
        ([str(TRADES), "--rule", "tick:5", "--columns", "price"], "columns must be column=field pairs"),
        (
            [str(TRADES), "--rule", "tick:5", "--out", "bars.xls"],
            "results must go to one of .*, was bars.xls",
        ),
    ],
)
def test_refusals(capsys: pytest.CaptureFixture[str], arguments: list[str], rule: str) -> None:
    assert main(["data", "bars", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert re.search(rule, shown.err), shown.err


def test_the_recording_is_not_replaced(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nor by another name of it."""
    recording, alias = tmp_path / "trades.csv", tmp_path / "alias.csv"
    recording.write_bytes(TRADES.read_bytes())
    alias.symlink_to(recording)
    for out in (recording, alias):
        assert main(["data", "bars", f"{QUOTES},{recording}", "--rule", "tick:5", "--out", str(out)]) == 2
        assert "--out must not be the recording" in capsys.readouterr().err
    assert recording.read_bytes() == TRADES.read_bytes()


def test_what_ends_a_build_leaves_no_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A malformed row behind good bars, and a gap too long to fill."""
    source, out = tmp_path / "trades.csv", tmp_path / "bars.csv"
    row = TRADES.read_text().splitlines()[-1]
    source.write_text(TRADES.read_text() + f"{row}\n" * 20_000 + "once upon a time\n")
    assert main(["data", "bars", str(source), "--rule", "tick:5", "--out", str(out)]) == 2
    assert "trades.csv" in capsys.readouterr().err
    ticks = np.zeros(3, TICK)
    ticks["ts"], ticks["flags"] = [0, 2000, 2**50], 1
    ticks["price"] = ticks["bid"] = ticks["ask"] = 5.0
    write_ticks(tmp_path / "ticks.npy", [ticks])
    given = ["--rule", "time:1us", "--fill", "--out", str(out)]
    assert main(["data", "bars", str(tmp_path / "ticks.npy"), *given]) == 2
    assert "a gap must be at most 1048576 bars long to be filled" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ticks.npy", "trades.csv"]


def on_terminal(*arguments: str) -> str:
    """What a terminal of 80 columns shows."""
    outer, inner = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "livetrading.runner", "data", "bars", *arguments]
    process = subprocess.Popen(command, stdout=inner, stderr=inner, cwd=ROOT, env={**kept, "TERM": "dumb"})
    os.close(inner)
    shown = b""
    try:
        while piece := os.read(outer, 65_536):
            shown += piece
    except OSError:  # the terminal's end, on Linux
        pass
    os.close(outer)
    assert process.wait(60) == 0, shown
    return shown.decode()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a pseudo-terminal")
def test_table(tmp_path: Path) -> None:
    """The first and the last six bars, nothing cut off; times as short as they can be."""
    shown = on_terminal(PAIR, "--rule", "time:1ms", "--fill", "--open", "--out", str(tmp_path / "bars.csv"))
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in shown
    assert "2024-08-08" in " ".join(lines[:2])
    times = [line[:12] for line in lines if line.startswith("23:57")]
    assert times[:2] == ["23:57:51.934", "23:57:51.935"]
    gap = [line.rstrip() for line in lines].index("...")
    assert (len(times), lines[gap - 1][:12], lines[gap + 1][:12]) == (12, times[5], times[6])
    assert times[-1] == "23:57:52.786"
    assert sum("filled" in line for line in lines) == 7
    assert any(line.rstrip().endswith("open") for line in lines if line.startswith(times[-1]))
    assert "853 bars of 597 ticks: 297 trades" in shown
    assert f"Written to {tmp_path}" in shown.replace("\r\n", "")
    nine = on_terminal(PAIR, "--rule", "tick:30")
    assert (len(re.findall(r"\n23:57:\d\d\.\d{3} ", nine)), "..." in nine) == (9, False)
    by_hour = on_terminal(PAIR, "--rule", "time:1h", "--open")
    assert "\r\n23:00 " in by_hour
    assert "1 bar of 597 ticks" in by_hour
    by_day = on_terminal(PAIR, "--rule", "time:1d", "--open")
    assert "\r\n2024-08-08 " in by_day
    nothing = on_terminal(str(QUOTES), "--rule", "tick:1")
    assert nothing.startswith("0 bars of 300 ticks")
