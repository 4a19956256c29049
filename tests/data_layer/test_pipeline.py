"""Files through a chain: nothing lost, nothing half done, nothing done twice."""

import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetrading import BarFlag, GbmMarket, TickBars, TimeBars, bars
from livetrading.core.dtypes import BAR, TICK
from livetrading.data import conversion, csv_columns, csv_table, manifest
from livetrading.data.cleaning import Cleaning
from livetrading.data.errors import DataError
from livetrading.data.manifest import manifest_path
from livetrading.data.pipeline import FilesFailed, Outcome, Pipeline, Progress, pipeline
from livetrading.data.results import ResultWriter
from livetrading.data.ticks import open_ticks, read_ticks, write_ticks
from livetrading.runner import main

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
SUFFIXES = [".csv", ".csv.gz", ".npy", ".ultra", *([".csv.zst", ".parquet", ".arrow"] if HAS_PYARROW else [])]
DATA = Path(__file__).parents[1] / "data"
QUOTES, TRADES = (DATA / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades"))


def some_ticks(n: int, seed: int = 1) -> np.ndarray:
    ticks = np.zeros(n, TICK)
    GbmMarket(seed, 1_700_000_000_000_000_000, 10**8, 60_000.0, 1e-4).fill(ticks)
    return ticks


def ticks_file(path: Path, n: int = 40_000, seed: int = 1) -> Path:
    write_ticks(path, [some_ticks(n, seed)])
    return path


def folder_of(path: Path, files: int = 4, rows: int = 500) -> Path:
    path.mkdir()
    for i in range(files):
        ticks_file(path / f"{'badc'[i]}.csv", rows + 100 * i, i)
    return path


def fields(rows: np.ndarray) -> bytes:
    """The bytes of the fields, whatever stands between them."""
    clean = np.zeros(len(rows), rows.dtype)
    for name in rows.dtype.names or ():
        clean[name] = rows[name]
    return clean.tobytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if not p.name.endswith(".json")}


def kept(outcome: Outcome) -> list[bool]:
    return [file.kept for file in outcome.files]


class TestChain:
    def test_nothing_runs_before_run(self, tmp_path: Path) -> None:
        chain = pipeline(tmp_path / "none.csv").clean().bars(TickBars(5)).write(tmp_path / "o", ".npy")
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(DataError, match=r"none\.csv must be a readable"):
            chain.run()

    @pytest.mark.parametrize("dtype", [TICK, BAR], ids=["ticks", "bars"])
    def test_from_any_format_to_any(self, tmp_path: Path, dtype: np.dtype[Any]) -> None:
        rows = some_ticks(700)
        if dtype == BAR:
            (rows,) = bars(rows, TickBars(3))
            rows["buy_volume"][::3], rows["trades"][::5], rows["flags"][::7] = np.nan, -1, BarFlag.OPEN
        else:
            rows["bid_size"][::3], rows["volume"][::5] = np.nan, 5e-324
        first = tmp_path / "a.csv"
        with ResultWriter(first, dtype) as writer:
            writer.write(rows)
        for one in SUFFIXES:
            pipeline(first).write(tmp_path / f"b{one}").run()
            for other in SUFFIXES:
                (done,) = pipeline(tmp_path / f"b{one}").write(tmp_path / f"c{other}").run(again=True).files
                assert (done.kind, done.read, done.rows) == (
                    "bars" if dtype == BAR else "ticks",
                    *[len(rows)] * 2,
                )
                pipeline(tmp_path / f"c{other}").write(tmp_path / "d.csv").run(again=True)
                assert (tmp_path / "d.csv").read_bytes() == first.read_bytes(), (one, other)

    def test_clean_then_bars_is_what_each_does(self, tmp_path: Path) -> None:
        ticks = some_ticks(40_000)
        ticks["price"][::7], ticks["bid"][5::11] = -1.0, 1e9
        write_ticks(tmp_path / "a.ultra", [ticks])
        chain = pipeline(tmp_path / "a.ultra").clean(keep="trades").bars(TimeBars("1m"), with_open=True)
        (done,) = chain.write(tmp_path / "b.npy").run().files
        sieve = Cleaning(keep="trades").sieve(TICK)
        expected = np.concatenate(list(bars(sieve(ticks), TimeBars("1m"), with_open=True)))
        found = np.load(tmp_path / "b.npy")
        assert fields(found) == fields(expected)
        assert found["flags"][-1] & BarFlag.OPEN
        assert done.left_out == {
            "clean": sieve.dropped,
            "bars": dict.fromkeys(("price", "crossed", "time", "size", "no_quote"), 0),
        }
        assert (done.kind, done.read, done.rows) == ("bars", len(ticks), len(expected))

    def test_bars_count_the_ticks_that_make_none(self, tmp_path: Path) -> None:
        ticks = some_ticks(1000)
        ticks["price"][::10] = np.nan
        write_ticks(tmp_path / "a.npy", [ticks])
        (done,) = pipeline(tmp_path / "a.npy").bars(TickBars(9)).write(tmp_path / "b.npy").run().files
        assert done.left_out["bars"]["price"] == 100

    def test_a_pair_is_merged(self, tmp_path: Path) -> None:
        (done,) = pipeline((QUOTES, TRADES)).write(tmp_path / "a.npy").run().files
        assert fields(np.load(tmp_path / "a.npy")) == fields(read_ticks([QUOTES, TRADES]))
        assert (done.read, done.understood) == (600, None)
        pipeline([(QUOTES, TRADES), QUOTES]).write(tmp_path / "o", ".npy").run()
        assert {p.name for p in (tmp_path / "o").glob("*.npy")} == {
            f"{QUOTES.stem}+{TRADES.stem}.npy",
            f"{QUOTES.stem}.npy",
        }

    def test_columns_keep_their_names(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("time,depth,fear\n1700000000,1.5,2\n1700000060,,3\n")
        (done,) = pipeline(tmp_path / "a.csv").clean().write(tmp_path / "a.npy").run().files
        found = np.load(tmp_path / "a.npy")
        assert found.dtype.names == ("ts", "depth", "fear")
        assert found["ts"].tolist() == [1_700_000_000_000_000_000, 1_700_000_060_000_000_000]
        assert (done.kind, done.notes) == ("columns", ("1 cells are blank or null: read as NaN",))

    def test_how_a_file_is_to_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("x;y\n5;1.5\n6;2\n")
        columns = {"x": "time_s", "y": "close"}
        chain = pipeline(tmp_path / "a.csv", columns=columns, delimiter=";", every="1s", kind="bars")
        (done,) = chain.write(tmp_path / "b.npy").run().files
        assert np.load(tmp_path / "b.npy")["start"].tolist() == [5 * 10**9, 6 * 10**9]
        assert done.understood is not None
        assert done.understood["delimiter"] == "semicolon"

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda p: p.write("a.txt"), r"must be one of \.npy, .*, or a folder with a suffix, was a\.txt"),
            (lambda p: p.write("a", ".txt"), r"suffix of files in a folder must be one of .*, was '\.txt'"),
            (lambda p: p.clean(["nothing"]), "a rule of cleaning must be one of"),
            (lambda p: p.bars(TickBars(1)).bars(TickBars(1)), "a chain must make bars once"),
            (lambda p: p.write("a.npy").clean(), "must be the end of a chain, was followed by clean"),
            (lambda p: p.run(), "a chain must end with write"),
            (lambda p: p.write("a.npy").run(jobs=0), "jobs must be a whole number from 1 to 64, was 0"),
            (lambda p: p.write("a.npy").run(jobs=True), "jobs must be a whole number from 1 to 64, was True"),
            (lambda p: p.write("in/q.csv").run(again=True), "an output must not be one of the sources"),
            (lambda p: p.write("no/a.npy").run(), "directory that exists"),
            (lambda p: p.write("no/o", ".npy").run(), "must be a folder, or one that can be made"),
            (
                lambda p: pipeline(["in/q.csv", "x.csv"]).write("o", ".npy").run(),
                r"x\.csv must be a readable",
            ),
            (lambda p: pipeline([]), "a chain must begin with a source, was none"),
            (
                lambda p: pipeline([QUOTES, TRADES]).write("a.npy").run(),
                "several sources must go to a folder",
            ),
            (lambda p: pipeline(DATA).write("a.npy").run(), "several sources must go to a folder"),
            (lambda p: pipeline([QUOTES, QUOTES]).write("o", ".npy").run(), "an output of its own"),
            (lambda p: pipeline((QUOTES, TRADES), kind="ticks").write("a.npy").run(), "by columns alone"),
            (lambda p: p.bars(TickBars(5)).clean(keep="trades").write("a.npy").run(), "asked of bars"),
        ],
    )
    def test_what_makes_no_chain(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        build: Callable[[Pipeline], Any],
        message: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "in").mkdir()
        shutil.copy(QUOTES, tmp_path / "in" / "q.csv")
        with pytest.raises(DataError, match=message):
            build(pipeline("in/q.csv"))
        if "asked of bars" not in message:  # of which only the rows tell
            assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "q.csv"]
        assert (tmp_path / "in" / "q.csv").read_bytes() == QUOTES.read_bytes()

    def test_bars_of_bars_name_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("time,close\n1700000000,1\n1700000060,1\n")
        with pytest.raises(DataError, match=r"a\.csv: bars must be made of ticks, was of bars"):
            pipeline(tmp_path / "a.csv").bars(TickBars(1)).write(tmp_path / "b.npy").run()

    def test_a_folder_without_files(self, tmp_path: Path) -> None:
        (tmp_path / "i").mkdir()
        (tmp_path / "i" / "notes.txt").write_text("")
        with pytest.raises(DataError, match="must hold files of"):
            pipeline(tmp_path / "i").write(tmp_path / "o", ".npy").run()


class TestSeveral:
    @pytest.mark.parametrize("jobs", [1, 2, 5])
    def test_outputs_are_the_same_for_any_number_of_jobs(self, tmp_path: Path, jobs: int) -> None:
        sources = folder_of(tmp_path / "i")
        (sources / "notes.txt").write_text("")
        (sources / ".hidden.csv").write_text("")
        done = pipeline(sources).clean().write(tmp_path / "o", ".ultra").run(jobs=jobs)
        assert [Path(file.target).name for file in done.files] == ["a.ultra", "b.ultra", "c.ultra", "d.ultra"]
        assert [file.rows for file in done.files] == [600, 500, 800, 700]
        assert done.left_out == (str(sources / "notes.txt"),)
        for file in done.files:
            pipeline(file.sources[0]).clean().write(tmp_path / "one.ultra").run(again=True)
            assert Path(file.target).read_bytes() == (tmp_path / "one.ultra").read_bytes()

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_what_fails_is_named_when_the_rest_is_done(self, tmp_path: Path, jobs: int) -> None:
        sources = folder_of(tmp_path / "i")
        for name, line in (("a", 3), ("c", 401)):
            lines = (sources / f"{name}.csv").read_text().splitlines(keepends=True)
            lines[line - 1] = lines[line - 1].replace("1700", "x", 1)
            (sources / f"{name}.csv").write_text("".join(lines))
        with pytest.raises(FilesFailed) as caught:
            pipeline(sources).write(tmp_path / "o", ".npy").run(jobs=jobs)
        failed = caught.value
        assert "2 of 4 files failed, the others are done: " in str(failed)
        assert [name for name, _ in failed.failures] == [str(sources / "a.csv"), str(sources / "c.csv")]
        assert [str(error).partition(": ")[0] for _, error in failed.failures] == [
            f"{sources / 'a.csv'}, line 3",
            f"{sources / 'c.csv'}, line 401",
        ]
        assert sorted(contents(tmp_path / "o")) == ["b.npy", "d.npy"]
        assert [Path(file.target).name for file in failed.outcome.files] == ["b.npy", "d.npy"]

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_progress_that_raises_ends_the_run(self, tmp_path: Path, jobs: int) -> None:
        sources = folder_of(tmp_path / "i")

        def stop(_: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pipeline(sources).write(tmp_path / "o", ".npy").run(jobs=jobs, progress=stop)
        assert not [name for name in os.listdir(tmp_path / "o") if name.startswith(".")]
        assert pipeline(sources).write(tmp_path / "o", ".npy").run().to_dict()["rows"] == 2600

    def test_files_side_by_side_are_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        given_up: list[Path] = []

        def long(job: conversion.Job, _: object, watch: Callable[[float, int], None]) -> None:
            try:
                for _ in range(10**6):
                    watch(0.5, 1)
            except KeyboardInterrupt:
                given_up.append(job.target)
                raise

        def stop(_: Progress) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("livetrading.data.pipeline.convert", long)
        with pytest.raises(KeyboardInterrupt):
            pipeline(folder_of(tmp_path / "i")).write(tmp_path / "o", ".npy").run(jobs=2, progress=stop)
        assert len(given_up) == 2


class TestResume:
    @pytest.fixture
    def chain(self, tmp_path: Path) -> Pipeline:
        ticks_file(tmp_path / "a.csv", 300)
        chain = pipeline(tmp_path / "a.csv").clean(["time"]).write(tmp_path / "b.npy")
        assert kept(chain.run()) == [False]
        return chain

    def test_what_is_whole_is_kept(self, chain: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        first = json.loads(manifest_path(chain.target).read_text())["result"] if chain.target else {}
        monkeypatch.setattr(conversion, "Scan", pytest.fail)
        monkeypatch.setattr(manifest, "sha256_of", pytest.fail)
        (again,) = chain.run().files
        assert again.to_dict() == {**first, "kept": True}

    def test_again(self, chain: Pipeline) -> None:
        assert kept(chain.run(again=True)) == [False]

    def test_a_copy_of_a_source_is_the_source(self, tmp_path: Path, chain: Pipeline) -> None:
        os.utime(tmp_path / "a.csv", ns=(1, 1))
        assert kept(chain.run()) == [True]

    def test_of_another_content_it_is_not(self, tmp_path: Path, chain: Pipeline) -> None:
        text = (tmp_path / "a.csv").read_text()
        (tmp_path / "a.csv").write_text(text.replace("1700000000100", "1700000000101"))
        os.utime(tmp_path / "a.csv", ns=(1, 1))
        assert kept(chain.run()) == [False]
        assert np.load(tmp_path / "b.npy")["ts"][1] == 1_700_000_000_101_000_000

    def test_nor_of_another_size(self, tmp_path: Path, chain: Pipeline) -> None:
        was = os.stat(tmp_path / "a.csv").st_mtime_ns
        ticks_file(tmp_path / "a.csv", 299)
        os.utime(tmp_path / "a.csv", ns=(was, was))
        assert kept(chain.run()) == [False]

    @pytest.mark.parametrize(
        "other",
        [
            lambda of: of.clean(["order"]),
            lambda of: of.clean(["time"], since=5),
            lambda of: of.clean(["time"]).bars(TickBars(5)),
            lambda of: of,
        ],
    )
    def test_nor_by_another_chain(self, chain: Pipeline, other: Callable[[Pipeline], Pipeline]) -> None:
        assert chain.target is not None
        assert kept(other(pipeline(chain.sources[0][0])).write(chain.target).run()) == [False]

    def test_nor_read_otherwise(self, chain: Pipeline) -> None:
        assert chain.target is not None
        other = pipeline(chain.sources[0][0], kind="quotes").clean(["time"]).write(chain.target)
        assert kept(other.run()) == [False]

    @pytest.mark.parametrize(
        "harm", ["cut", "touched", "gone", "no manifest", "no JSON", "no object", "no result"]
    )
    def test_an_output_that_is_not_as_it_was(self, tmp_path: Path, chain: Pipeline, harm: str) -> None:
        target, beside = tmp_path / "b.npy", tmp_path / "b.npy.manifest.json"
        tree = json.loads(beside.read_text())
        whole = target.read_bytes()
        actions: dict[str, Callable[[], object]] = {
            "cut": lambda: target.write_bytes(whole[:-1]),
            "touched": lambda: os.utime(target, ns=(1, 1)),
            "gone": target.unlink,
            "no manifest": beside.unlink,
            "no JSON": lambda: beside.write_text("{"),
            "no object": lambda: beside.write_text(json.dumps({**tree, "sources": 5})),
            "no result": lambda: beside.write_text(json.dumps({**tree, "result": {"notes": []}})),
        }
        actions[harm]()
        assert kept(chain.run()) == [False]
        assert target.read_bytes() == whole
        assert kept(chain.run()) == [True]

    def test_after_a_kill_one_file_is_lost(self, tmp_path: Path) -> None:
        """The third of four is under way when the process is killed; that and the fourth are done again."""
        sources = folder_of(tmp_path / "i")
        code = (
            "import os, sys\n"
            "from livetrading.data.pipeline import pipeline\n"
            "def progress(now):\n"
            "    if now.files_done == 2 and now.rows > 1100:\n"
            "        assert [n for n in os.listdir(sys.argv[2]) if n.endswith('.partial')]\n"
            "        os.kill(os.getpid(), 9)\n"
            "pipeline(sys.argv[1]).write(sys.argv[2], '.ultra').run(progress=progress)\n"
        )
        out = tmp_path / "o"
        done = subprocess.run([sys.executable, "-c", code, sources, out], check=False, capture_output=True)
        assert (done.returncode, done.stderr) == (-9, b"")
        names = set(contents(out))
        (partial,) = {name for name in names if name.startswith(".")}
        assert names - {partial} == {"a.ultra", "b.ultra"}
        chain = pipeline(sources).write(out, ".ultra")
        assert kept(chain.run()) == [True, True, False, False]
        assert sorted(contents(out)) == ["a.ultra", "b.ultra", "c.ultra", "d.ultra"]
        pipeline(sources).write(tmp_path / "other", ".ultra").run()
        assert contents(tmp_path / "other") == contents(out)

    def test_what_another_writer_has_begun_stays(self, tmp_path: Path, chain: Pipeline) -> None:
        assert chain.target is not None
        with ResultWriter(chain.target, TICK):
            (begun,) = tmp_path.glob(".*.partial")
            chain.run(again=True)
            assert begun.exists()
        assert list(tmp_path.glob(".*.partial")) == []


class TestFailure:
    """Whatever goes wrong, an output is there whole, as it was before, or not at all."""

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_bad_row_in_the_middle(self, tmp_path: Path, suffix: str) -> None:
        source, target = ticks_file(tmp_path / "a.csv"), tmp_path / f"b{suffix}"
        target.write_bytes(b"before")
        lines = source.read_text().splitlines(keepends=True)
        lines[30_000] = lines[30_000].replace(",1", ",one", 1)
        source.write_text("".join(lines))
        with pytest.raises(DataError, match=r"a\.csv, line 30001: flags must be a whole number, was 'one'"):
            pipeline(source).write(target).run()
        assert sorted(os.listdir(tmp_path)) == ["a.csv", target.name]
        assert target.read_bytes() == b"before"

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_no_space(self, tmp_path: Path, suffix: str) -> None:
        source, out = ticks_file(tmp_path / "a.npy"), tmp_path / "o"
        out.mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "livetrading.runner", "data", "convert", source, out / f"b{suffix}"],
            check=False,
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        )
        assert done.returncode == 1
        assert done.stdout == ""
        assert f"b{suffix} must be writable, was: [Errno 27] File too large" in done.stderr
        assert done.stderr.count("\n") == 1
        assert list(out.iterdir()) == []

    @pytest.mark.parametrize("change", ["grows", "is cut", "is written to"])
    @pytest.mark.parametrize("suffix", [".csv", ".npy", ".ultra"])
    def test_a_source_that_changes_meanwhile_is_refused(
        self, tmp_path: Path, suffix: str, change: str
    ) -> None:
        source = ticks_file(tmp_path / f"a{suffix}")

        def meddle(now: Progress) -> None:
            size = source.stat().st_size
            if change == "grows":
                with source.open("ab") as file:
                    file.write(b"1")
            elif change == "is cut":
                os.truncate(source, size - 64)
            else:
                os.utime(source, ns=(now.rows, now.rows))

        with pytest.raises(DataError, match=rf"a\{suffix}.*"):
            pipeline(source).write(tmp_path / "b.parquet").run(progress=meddle)
        assert os.listdir(tmp_path) == [source.name]

    def test_the_manifest_cannot_be_written(self, tmp_path: Path) -> None:
        manifest_path(tmp_path / "b.npy").mkdir()
        chain = pipeline(ticks_file(tmp_path / "a.npy", 10)).write(tmp_path / "b.npy")
        with pytest.raises(DataError, match=r"b\.npy\.manifest\.json must be writable"):
            chain.run()
        assert sorted(os.listdir(tmp_path)) == ["a.npy", "b.npy", "b.npy.manifest.json"]


class TestProgress:
    def test_shares_rows_and_time_left(self, tmp_path: Path) -> None:
        for name, n in (("a", 40_000), ("b", 20_000)):
            ticks_file(tmp_path / f"{name}.npy", n)
        seen: list[Progress] = []
        clock = iter(range(100, 1000, 2)).__next__
        chain = pipeline([tmp_path / "a.npy", tmp_path / "b.npy"]).write(tmp_path / "o", ".ultra")
        chain.run(progress=seen.append, clock=clock)
        assert [now.seconds for now in seen] == [2.0 * i for i in range(1, len(seen) + 1)]
        assert [now.rows for now in seen] == [16_384, 32_768, 40_000, 40_000, 56_384, 60_000, 60_000]
        assert [now.files_done for now in seen] == [0, 0, 0, 1, 1, 1, 2]
        assert {now.files for now in seen} == {2}
        for now in seen:
            assert now.share == pytest.approx(now.rows / 60_000, abs=1e-4)
            assert now.seconds is not None
            assert now.seconds_left == pytest.approx(now.seconds * (60_000 - now.rows) / now.rows, rel=1e-3)

    def test_what_is_kept_is_no_part_of_it(self, tmp_path: Path) -> None:
        sources = folder_of(tmp_path / "i")
        chain = pipeline(sources).write(tmp_path / "o", ".npy")
        chain.run()
        (tmp_path / "o" / "c.npy").unlink()
        seen: list[Progress] = []
        chain.run(progress=seen.append, jobs=3)
        assert {(now.files, now.seconds, now.seconds_left) for now in seen} == {(1, None, None)}
        assert (seen[-1].rows, seen[-1].share, seen[-1].files_done) == (800, 1.0, 1)

    def test_jobs_side_by_side_end_at_the_end(self, tmp_path: Path) -> None:
        seen: list[Progress] = []
        pipeline(folder_of(tmp_path / "i")).write(tmp_path / "o", ".npy").run(progress=seen.append, jobs=2)
        assert (seen[-1].rows, seen[-1].share, seen[-1].files_done) == (2600, 1.0, 4)


def peak_mib(source: Path, target: Path) -> float:
    """Most memory of a process that converts a file."""
    code = (
        "import sys\nfrom livetrading.data.pipeline import pipeline\n"
        "pipeline(sys.argv[1]).write(sys.argv[2]).run()\n"
        "print(open('/proc/self/status').read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, source, target], check=True, capture_output=True, text=True
    )
    return int(done.stdout.partition("VmHWM:")[2].split()[0]) / 1024


def csv_of(path: Path, size: int) -> Path:
    """Ticks again and again, for rows that go back in time are read as well."""
    block = ticks_file(path.with_name("block.csv"), 20_000).read_bytes()
    head, _, body = block.partition(b"\n")
    with path.open("wb") as file:
        file.write(head + b"\n")
        while file.tell() < size:
            file.write(body)
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc shows the memory of a process")
class TestMemory:
    @pytest.mark.parametrize("suffix", [".ultra", *([".parquet"] if HAS_PYARROW else [])])
    def test_is_flat(self, tmp_path: Path, suffix: str) -> None:
        small, large = (csv_of(tmp_path / f"{mib}.csv", mib << 20) for mib in (6, 24))
        few, many = (peak_mib(path, tmp_path / f"out{suffix}") for path in (small, large))
        assert many < 300.0
        assert many < few + 20.0

    @pytest.mark.full
    @pytest.mark.parametrize("suffix", [".ultra", *([".parquet"] if HAS_PYARROW else [])])
    def test_of_10_gib(self, tmp_path: Path, suffix: str) -> None:
        size = 10 << 30
        if shutil.disk_usage(tmp_path).free < 2.2 * size:
            pytest.skip("there is no room for 10 GiB and its output")
        source = csv_of(tmp_path / "large.csv", size)
        try:
            assert peak_mib(source, tmp_path / f"out{suffix}") < 300.0
        finally:
            for path in tmp_path.iterdir():
                path.unlink()


class TestCommand:
    def test_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sources = folder_of(tmp_path / "i")
        arguments = ["data", "convert", str(sources), str(tmp_path / "o"), "--format", "ultra", "--jobs", "2"]
        assert main([*arguments, "--clean", "time,order", "--json"]) == 0
        captured = capsys.readouterr()
        tree = json.loads(captured.out, parse_constant=pytest.fail)
        assert captured.err == ""
        assert (tree["converted"], tree["kept"], tree["read"], tree["rows"]) == (4, 0, 2600, 2600)
        assert tree["files"][0]["left_out"] == {"clean": {"time": 0, "order": 0}}
        assert main([*arguments, "--clean", "order,time", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kept"] == 4

    def test_lines(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ticks = some_ticks(1000)
        ticks["bid"][:10] = 1e9
        write_ticks(tmp_path / "a.npy", [ticks])
        command = ["data", "convert", str(tmp_path / "a.npy"), str(tmp_path / "b.csv.gz"), "--clean", "all"]
        assert main([*command, "--bars", "time:10s", "--open"]) == 0
        lines = capsys.readouterr().out.splitlines()
        expected = [
            "files: 1",
            "converted: 1",
            "kept: 0",
            "read: 1000",
            "rows: 10",
            "left out, clean crossed: 10",
        ]
        assert lines == [*expected, f"out: {tmp_path / 'b.csv.gz'}"]

    def test_a_pair_and_a_span(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        whole = read_ticks([QUOTES, TRADES])
        since, until = (np.datetime_as_string(whole["ts"][at].astype("M8[ns]")) for at in (100, 400))
        pair, out = f"{QUOTES},{TRADES}", tmp_path / "a.npy"
        assert main(["data", "convert", pair, str(out), "--since", since, "--until", until]) == 0
        span = (whole["ts"] >= whole["ts"][100]) & (whole["ts"] < whole["ts"][400])
        assert fields(np.load(out)) == fields(whole[span])
        assert f"left out, clean span: {600 - span.sum()}" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--jobs", "x"], "jobs must be a whole number, was 'x' (--jobs)"),
            (["--since", "noon"], "--since must be a time such as"),
            (["--fill"], "--param, --fill and --open must be given with --bars"),
            (["--bars", "month"], "rule must be one of"),
            (["--format", "xlsx"], "was '.xlsx'"),
            (["--clean", "bad"], "a rule of cleaning must be one of"),
            (["--columns", "bad"], "columns must be"),
        ],
    )
    def test_bad_options(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
    ) -> None:
        assert main(["data", "convert", str(QUOTES), str(tmp_path / "o.npy"), *options]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err
        assert list(tmp_path.iterdir()) == []

    def test_ctrl_c(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def press(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(conversion, "sha256_of", press)
        assert main(["data", "convert", str(QUOTES), str(tmp_path / "o.npy")]) == 130
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fast", [False, True])
def test_an_output_is_the_same_whoever_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    for module in (csv_columns, csv_table):
        monkeypatch.setattr(module, "FAST_BYTES", 0 if fast else 1 << 60)
    source = ticks_file(tmp_path / "a.csv")
    pipeline(source).write(tmp_path / "b.npy").run()
    with open_ticks([source]) as recording:
        assert fields(np.load(tmp_path / "b.npy")) == fields(np.concatenate(list(recording)))
