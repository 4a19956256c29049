"""The command line, as a user meets it."""

import gzip
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetrading.core.dtypes import RESULT, TICK
from livetrading.runner import main

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
QUOTES = DATA / "btcusdt_spot_20240808_quotes.csv"
TRADES = DATA / "btcusdt_spot_20240808_trades.csv"
SHARED = ROOT.parent / "shared" / "data" / "ticks"
COMMAND = [sys.executable, "-m", "livetrading.runner"]
# One seed, few ticks, no control: enough to see the command line at work.
SHORT = ["hft", "100", "--ticks", "20000", "--no-null-control"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LIVETRADING_")]:
        monkeypatch.delenv(name)


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120, **options
    )


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1
    tree: dict[str, Any] = json.loads(captured.out, parse_constant=pytest.fail)
    return tree


class TestOutput:
    def test_json_is_one_line_and_the_process_ends_well(self) -> None:
        done = command(*SHORT, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        tree = json.loads(done.stdout)
        assert done.stdout.count("\n") == 1
        assert (tree["ticks"], tree["capital"], tree["null_control"]) == (20_000, 100.0, None)

    def test_lines_where_there_is_no_terminal(self) -> None:
        done = command("hft", "100", "--ticks", "20000")
        assert (done.returncode, done.stderr) == (0, "")
        pairs = [line.partition(": ") for line in done.stdout.splitlines()]
        assert all(colon for _, colon, _ in pairs)
        values = {key: value for key, _, value in pairs}
        assert (values["ticks"], values["null_control.ticks"]) == ("20000", "20000")
        assert values["refused_orders.halted"] == "0"
        assert values["note"].endswith("one seed of one null market is no test.")

    def test_a_table_on_a_terminal(self) -> None:
        outer, inner = pty.openpty()
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        arguments = [*COMMAND, "hft", "100", "--ticks", "20000"]
        done = subprocess.Popen(arguments, stdout=inner, stderr=inner, cwd=ROOT, env=environ)
        os.close(inner)
        shown = b"".join(iter(lambda: _read(outer), b"")).decode()
        assert done.wait() == 0
        os.close(outer)
        for text in (
            "null control",
            "win rate",
            "95% interval",
            "20,000",
            "refused orders",
            "proves nothing",
        ):
            assert text in shown

    def test_quiet_prints_nothing(self) -> None:
        done = command(*SHORT, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_quiet_leaves_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert report(capsys, *SHORT, "--quiet")["ticks"] == 20_000

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        import livetrading

        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"livetrading {livetrading.__version__}\n"

    @pytest.mark.parametrize("arguments", [["--help"], ["hft", "--help"]])
    def test_help(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(arguments) == 0
        assert "hft" in capsys.readouterr().out

    def test_a_closed_pipe_is_one_line_and_a_failure(self) -> None:
        done = subprocess.run(
            f"{' '.join(COMMAND)} {' '.join(SHORT)} --json > /dev/full",
            shell=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "No space left" in done.stderr

    @pytest.mark.parametrize("how", ["--quiet", "--json", "--no-null-control"])
    def test_a_closed_stdout_is_no_failure(self, how: str) -> None:
        line = f"exec {shlex.join([*COMMAND, *SHORT, how])} >&-"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def test_an_error_does_not_go_to_stdout_where_stderr_is_closed(self) -> None:
        line = f"exec {shlex.join([*COMMAND, 'hft', '-5'])} 2>&-"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stdout) == (2, "")

    @pytest.mark.parametrize(("name", "encoding"), [(b"q\xc3\xa9", "ascii"), (b"q\xff", "utf-8:strict")])
    def test_a_name_that_the_output_cannot_spell_is_escaped(
        self, tmp_path: Path, name: bytes, encoding: str
    ) -> None:
        path = tmp_path / os.fsdecode(name + b".csv")
        path.write_text("ts,bid,ask\n1,99,101\n")
        environ = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
        done = command("hft", "100", "--market", str(path), env=environ)
        assert (done.returncode, done.stderr) == (0, "")
        assert "market: " in done.stdout
        assert "\\" in done.stdout.split("market: ")[1].splitlines()[0]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end of a pseudo-terminal is closed
        return b""


class TestFlags:
    def test_each_sets_its_key(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        file = tmp_path / "mine.toml"
        file.write_text("[vote]\nh = 20\n[broker]\ntaker_bps = 1\n")
        flags = (
            "--preset seed --seed 9 --fee-bps 2.5 --latency-us 7 --every 3 --ticks 100 --market gbm --books 3"
        )
        tree = report(capsys, "hft", "250.5", *flags.split(), "--config", str(file))["config"]
        assert tree["preset"] == "seed"
        assert (tree["market"]["name"], tree["market"]["seed"], tree["market"]["spread_bps"]) == ("gbm", 9, 0)
        assert (tree["broker"]["taker_bps"], tree["broker"]["latency_us"]) == (2.5, 7.0)
        assert tree["books"] == {"count": 3}
        assert (tree["run"]["capital"], tree["run"]["ticks"], tree["run"]["every"]) == (250.5, 100, 3)
        assert tree["vote"]["h"] == 20

    def test_the_environment_stands_between_file_and_flag(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "mine.toml"
        file.write_text("[broker]\ntaker_bps = 1\nlatency_us = 1\n[market]\nseed = 3\n")
        monkeypatch.setenv("LIVETRADING_BROKER__TAKER_BPS", "2")
        monkeypatch.setenv("LIVETRADING_BROKER__LATENCY_US", "2")
        tree = report(capsys, *SHORT, "--config", str(file), "--latency-us", "3")["config"]
        assert (tree["broker"]["taker_bps"], tree["broker"]["latency_us"]) == (2.0, 3.0)
        assert tree["market"]["seed"] == 3

    def test_the_handler_of_ctrl_c_is_put_back(self, capsys: pytest.CaptureFixture[str]) -> None:
        before = signal.getsignal(signal.SIGINT)
        report(capsys, *SHORT)
        assert signal.getsignal(signal.SIGINT) is before

    def test_seconds(self, capsys: pytest.CaptureFixture[str]) -> None:
        tree = report(capsys, "hft", "100", "--seconds", "0.05", "--no-null-control")
        assert tree["seconds"] >= 0.05
        assert tree["ticks"] > 0

    @pytest.mark.parametrize("suffix", ["npy", "csv"])
    def test_out(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"rows.{suffix}"
        report(capsys, *SHORT, "--out", str(path), "--every", "100")
        rows = np.load(path) if suffix == "npy" else np.genfromtxt(path, delimiter=",", names=True)
        assert (len(rows), rows.dtype.names) == (200, RESULT.names)

    def test_out_parquet(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: the extra [data]")
        report(capsys, *SHORT, "--out", str(tmp_path / "rows.parquet"), "--every", "100")
        table = parquet.read_table(tmp_path / "rows.parquet")
        assert (table.num_rows, tuple(table.column_names)) == (200, RESULT.names)

    def test_the_same_command_gives_the_same_fills(self, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["hft", "100", "--ticks", "200000", "--preset", "seed", "--no-null-control"]
        one, two = (report(capsys, *arguments) for _ in range(2))
        assert one["trades"] > 0
        assert one["fills_sha256"] == two["fills_sha256"]


class TestFailure:
    def test_a_full_disk_is_a_failure_and_leaves_nothing(self, tmp_path: Path) -> None:
        line = shlex.join([*COMMAND, *SHORT, "--out", str(tmp_path / "rows.npy")])
        done = subprocess.run(
            ["sh", "-c", f"ulimit -f 200; exec {line}"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert "rows.npy" in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_memory_does_not_grow_with_the_ticks(self) -> None:
        peaks = [_peak_mib("hft", "100", "--ticks", str(n), "--quiet") for n in (10**6, 5 * 10**6)]
        assert peaks[1] < 100
        assert peaks[1] - peaks[0] < 5


def _peak_mib(*arguments: str) -> float:
    """Peak of the process's own resident memory; what wait4 reports begins with that of the tests."""
    code = (
        f"from livetrading.runner import main; assert main({arguments!r}) == 0; "
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return int(done.stdout.partition("VmHWM:")[2].split()[0]) / 1024


class TestRecording:
    def test_a_pair(self, capsys: pytest.CaptureFixture[str]) -> None:
        tree = report(capsys, "hft", "100", "--market", f"{QUOTES},{TRADES}")
        assert (tree["ticks"], tree["rejected_ticks"]["no_quote"]) == (597, 3)

    def test_an_array(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        ticks = np.zeros(10, TICK)
        ticks["ts"] = np.arange(10)
        ticks["price"], ticks["bid"], ticks["ask"], ticks["flags"] = 100.0, 99.0, 101.0, 1
        np.save(tmp_path / "ticks.npy", ticks)
        assert report(capsys, "hft", "100", "--market", str(tmp_path / "ticks.npy"))["ticks"] == 10

    def test_columns(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        path = tmp_path / "own.csv"
        path.write_text("when,buy,sell\n1,99,101\n2,99,101\n")
        columns = "when=ts,buy=bid,sell=ask"
        tree = report(capsys, "hft", "100", "--market", str(path), "--columns", columns)
        assert tree["ticks"] == 2

    def test_a_day_of_the_shared_recordings(self, capsys: pytest.CaptureFixture[str]) -> None:
        quotes = SHARED / "btcusdt_spot_20240808T2354_quotes.csv.gz"
        if not quotes.exists():
            pytest.skip("the shared recordings are not beside the project")
        trades = SHARED / "btcusdt_spot_20240808T2354_trades.csv.gz"
        tree = report(capsys, "hft", "100", "--market", f"{quotes},{trades}")
        assert tree["ticks"] + sum(tree["rejected_ticks"].values()) == 37_797


class TestStop:
    def test_a_platform_without_hangup_runs_as_well(self) -> None:
        code = (
            "import signal, sys; del signal.SIGHUP\n"
            f"from livetrading.runner import main; sys.exit(main({[*SHORT, '--quiet']}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("signum", "code", "control"),
        [
            (signal.SIGINT, 130, "--null-control"),
            (signal.SIGINT, 130, "--no-null-control"),
            (signal.SIGTERM, 143, "--null-control"),
            (signal.SIGHUP, 129, "--no-null-control"),
        ],
    )
    def test_the_summary_comes_and_the_exit_code_names_the_signal(
        self, tmp_path: Path, signum: int, code: int, control: str
    ) -> None:
        out = tmp_path / "rows.npy"
        arguments = [
            *COMMAND,
            "hft",
            "100",
            "--forever",
            "--json",
            control,
            "--out",
            str(out),
            "--every",
            "1000",
        ]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
            _wait_for(lambda: any(path.stat().st_size > 10_000 for path in tmp_path.iterdir()), process)
            process.send_signal(signum)
            process.send_signal(signum)
            shown, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (code, b"")
        assert list(tmp_path.iterdir()) == [out]
        tree = json.loads(shown)
        assert len(np.load(out)) == -(-tree["ticks"] // 1000)
        if control == "--null-control":
            assert tree["null_control"]["ticks"] == tree["ticks"]

    def test_while_a_recording_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "long.csv.gz"
        path.write_bytes(gzip.compress(b"ts,bid,ask\n" + b"1,99,101\n" * 4_000_000, 1))
        arguments = [*COMMAND, "hft", "100", "--market", str(path), "--json"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
            _wait_for(lambda: _has_open(process.pid, path), process)
            process.send_signal(signal.SIGINT)
            shown, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, b"")
        assert json.loads(shown)["ticks"] == 0

    @pytest.mark.parametrize("as_script", [False, True])
    def test_before_anything_has_begun_it_ends_without_a_traceback(
        self, tmp_path: Path, as_script: bool
    ) -> None:
        (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
        script = tmp_path / "livetrading"
        script.write_text("from livetrading.runner import main\n")
        done = subprocess.run(
            [sys.executable, str(script)] if as_script else COMMAND,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert (done.returncode, done.stderr) == (-signal.SIGINT, "")

    def test_on_the_way_out_it_changes_nothing(self, tmp_path: Path) -> None:
        script = tmp_path / "livetrading"
        script.write_text(
            "import atexit, os, signal, sys\nfrom livetrading.runner import main\n"
            "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\nsys.exit(main())\n"
        )
        done = subprocess.run(
            [sys.executable, str(script), *SHORT, "--quiet"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(link.resolve() == path.resolve() for link in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:  # closed while it was looked at
        return False


def _wait_for(condition: Any, process: subprocess.Popen[bytes]) -> None:
    while not condition():
        os.sched_yield()
        assert process.poll() is None, process.communicate()


# What is wrong, the arguments after `hft`, and what the message has to say.
BAD_INPUT = {
    "unknown market": ("100 --market caos", "nearest is chaos"),
    "missing file": ("100 --market {tmp}/none.csv", "none.csv"),
    "missing file of a pair": (f"100 --market {QUOTES},{{tmp}}/none.csv", "none.csv"),
    "malformed row": ("100 --market {tmp}/malformed.csv", "malformed.csv, line 3"),
    "malformed row in a gzip": ("100 --market {tmp}/malformed.csv.gz", "malformed.csv.gz, line 3"),
    "column without a place": ("100 --market {tmp}/unplaced.csv", "mood"),
    "wrong dtype": ("100 --market {tmp}/floats.npy", "float64"),
    "bad columns": (f"100 --market {QUOTES} --columns x", "market.columns must be"),
    "negative capital": ("-5", "run.capital must be from 0.01 to 1e12 USD, was -5.0 (argument CAPITAL)"),
    "negative capital after options": ("--ticks 5 -.5", "was -0.5 (argument CAPITAL)"),
    "negative capital after --": ("-- -5", "was -5.0 (argument CAPITAL)"),
    "capital 0": ("0", "was 0.0"),
    "capital nan": ("nan", "was nan"),
    "capital inf": ("inf", "was inf"),
    "capital -inf": ("-inf", "was -inf"),
    "capital too large": ("1e13", "was 10000000000000.0"),
    "capital no number": ("abc", "run.capital must be a number, was 'abc' (argument CAPITAL)"),
    "no capital": ("", "run.capital must be given, in USD (argument CAPITAL)"),
    "ticks 0": ("100 --ticks 0", "run.ticks must be a whole number above 0, was 0 (--ticks)"),
    "ticks negative": ("100 --ticks -1", "was -1 (--ticks)"),
    "ticks no whole number": ("100 --ticks 1.5", "run.ticks must be a whole number, was '1.5'"),
    "seconds 0": ("100 --seconds 0", "run.seconds must be"),
    "ticks and seconds": ("100 --ticks 1 --seconds 1", "one at a time"),
    "seed": ("100 --seed -1", "market.seed must be"),
    "fee": ("100 --fee-bps nan", "broker.taker_bps must be"),
    "latency": ("100 --latency-us -1", "broker.latency_us must be"),
    "every": ("100 --every 0", "run.every must be"),
    "preset": ("100 --preset sede", "nearest is seed"),
    "unreadable TOML": ("100 --config {tmp}/bad.toml", "bad.toml, line 2"),
    "missing TOML": ("100 --config {tmp}/none.toml", "none.toml"),
    "unknown key": ("100 --config {tmp}/unknown.toml", "nearest is broker.taker_bps"),
    "unknown flag": ("100 --tick 5", "--tick"),
    "two capitals": ("100 200", "200"),
    "flag without a value": ("100 --seed", "--seed"),
    "suffix of out": ("100 --out {tmp}/rows.txt", ".parquet"),
    "directory of out": ("100 --out {tmp}/none/rows.npy", "rows.npy"),
    "out is the recording": ("100 --market {tmp}/ticks.npy --out {tmp}/ticks.npy", "--out must not be"),
    "out is the configuration": ("100 --config {tmp}/own.csv --out {tmp}/own.csv", "--out must not be"),
    "out is a loop": ("100 --out {tmp}/loop.npy", "loop.npy"),
    "out is below a loop": ("100 --out {tmp}/loop.npy/x.npy", "loop.npy"),
    "out has a long name": (f"100 --out {{tmp}}/{'x' * 300}.npy", "xxx"),
    "out is a pipe": ("100 --out {tmp}/fifo.csv", "results must go to a file"),
    "market is a loop": ("100 --market {tmp}/loop.npy", "loop.npy"),
    "market has a long name": (f"100 --market {{tmp}}/{'x' * 300}.csv", "xxx"),
    "market is a pipe": ("100 --market {tmp}/fifo.csv", "fifo.csv must be a readable file"),
    "configuration is a pipe": ("100 --config {tmp}/fifo.csv", "fifo.csv must be a readable file"),
    "market with NUL": ("100 --config {tmp}/nul.toml", "without the character NUL"),
    "columns of no recording": ("100 --columns a=bid", "market.columns must be given for a recording only"),
    "control codes in a key": ("100 --config {tmp}/codes.toml", r"\x1b[2J\u202e is no key"),
    "long cell": ("100 --market {tmp}/long.csv", "line 2: bid must be a number"),
}


@pytest.fixture
def bad_files(tmp_path: Path) -> Path:
    (tmp_path / "malformed.csv").write_text("ts,bid,ask\n1,99,101\n2,99\n")
    with gzip.open(tmp_path / "malformed.csv.gz", "wt") as file:
        file.write("ts,bid,ask\n1,99,101\n2,99,x\n")
    (tmp_path / "unplaced.csv").write_text("ts,bid,ask,mood\n1,99,101,good\n")
    np.save(tmp_path / "floats.npy", np.zeros((4, 5)))
    np.save(tmp_path / "ticks.npy", np.zeros(1, TICK))
    (tmp_path / "bad.toml").write_text("[broker]\ntaker_bps = \n")
    (tmp_path / "unknown.toml").write_text("[broker]\ntaker_bp = 1\n")
    (tmp_path / "own.csv").write_text("[vote]\nh = 10\n")
    (tmp_path / "nul.toml").write_text('[market]\nname = "a\\u0000.csv"\n')
    (tmp_path / "codes.toml").write_text('"\\u001b[2J\\u202e" = 1\n')
    (tmp_path / "long.csv").write_text("ts,bid,ask\n1," + "x" * 100_000 + ",1\n")
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    os.mkfifo(tmp_path / "fifo.csv")
    return tmp_path


class TestBadInput:
    @pytest.mark.parametrize("what", BAD_INPUT)
    def test_one_line_says_it_and_nothing_is_written(
        self, what: str, bad_files: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        line, said = BAD_INPUT[what]
        arguments = line.format(tmp=bad_files).split()
        before = sorted(bad_files.rglob("*"))
        if "--out" not in arguments:
            arguments = ["--out", str(bad_files / "rows.npy"), *arguments]
        assert main(["hft", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert captured.err[:-1].isprintable()
        assert said in captured.err
        assert len(captured.err) < 700
        assert sorted(bad_files.rglob("*")) == before

    @pytest.mark.parametrize("what", ["unknown market", "malformed row", "negative capital", "unknown flag"])
    def test_the_process_says_the_same(self, what: str, bad_files: Path) -> None:
        line, said = BAD_INPUT[what]
        done = command("hft", *line.format(tmp=bad_files).split())
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1

    def test_too_little_memory(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def read_bytes(path: Path) -> bytes:
            raise MemoryError

        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        assert main(["hft", "100", "--config", str(tmp_path / "huge.toml")]) == 1
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert "must fit into the memory" in captured.err

    @pytest.mark.parametrize("arguments", [[], ["hftt"], ["--nonsense"]])
    def test_no_such_command(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)

    def test_a_bad_variable(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("LIVETRADING_BROKER__TAKER_BP", "1")
        assert main(["hft", "100"]) == 2
        assert "LIVETRADING_BROKER__TAKER_BPS" in capsys.readouterr().err

    def test_a_missing_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        assert main([*SHORT, "--out", str(tmp_path / "rows.parquet")]) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert "livetrading[data]" in captured.err
        assert list(tmp_path.iterdir()) == []


class TestImport:
    def test_the_package_imports_nothing_but_itself(self) -> None:
        heavy = {"numpy", "typer", "rich", "pydantic", "pyarrow", "scipy", "pandas"}
        code = "import sys, livetrading; print(*{name.partition('.')[0] for name in sys.modules})"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
        )
        assert heavy.isdisjoint(done.stdout.split())

    def test_the_command_line_imports_no_extra_and_no_array_before_it_runs(self) -> None:
        code = "import sys, livetrading.runner; print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
        )
        loaded = done.stdout.split()
        assert "typer" in loaded
        assert {"numpy", "pyarrow", "livetrading.core.processor"}.isdisjoint(loaded)

    def test_every_public_name_is_there(self) -> None:
        import livetrading

        for name in livetrading.__all__:
            assert getattr(livetrading, name) is not None
        assert set(livetrading.__all__) <= set(dir(livetrading))
        with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
            _ = livetrading.Nonsense
