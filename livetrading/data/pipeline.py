"""Files through a chain of steps: source, clean, resample, write; nothing runs before `run`."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Final

from livetrading.core.bar_rules import BarRule
from livetrading.core.errors import LivetradingError
from livetrading.data.cleaning import RULES, Cleaning
from livetrading.data.conversion import FileResult, Job, Reading, convert
from livetrading.data.errors import DataError
from livetrading.data.history import SUFFIXES
from livetrading.data.manifest import MANIFEST, FileState, Manifest
from livetrading.data.results import FORMATS, remove_left_over
from livetrading.data.stages import Clean, Resample, Step

__all__ = ["FilesFailed", "Outcome", "Pipeline", "Progress", "pipeline"]

Source = Path | str | tuple[Path | str, Path | str]

MEANING: Final = 1
"""Part of a chain's description; raised when the same description comes to mean something else."""

JOBS_MAX: Final = 64

POLL_S: Final = 0.1
"""How often files that are read side by side are asked how far they are."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    files, files_done : int
        Those to be done, without those that were there whole.
    share : float
        Of their bytes that have been read, 0 to 1.
    rows : int
        Rows read.
    seconds : float or None
        Since the start, by the clock of `Pipeline.run`.
    seconds_left : float or None
        At the pace so far; None where there is no clock, or nothing has been read.
    """

    files: int
    files_done: int
    share: float
    rows: int
    seconds: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has done.

    Attributes
    ----------
    files : tuple of FileResult
        In the order of the sources.
    left_out : tuple of str
        Files of a folder that are none to be read, by their names.
    """

    files: tuple[FileResult, ...]
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "files": [file.to_dict() for file in self.files],
            "converted": sum(not file.kept for file in self.files),
            "kept": sum(file.kept for file in self.files),
            "read": sum(file.read for file in self.files),
            "rows": sum(file.rows for file in self.files),
            "left_out": list(self.left_out),
        }


class FilesFailed(DataError):
    """Some of several files could not be done; the others are.

    Attributes
    ----------
    failures : tuple of (str, LivetradingError)
        Source and error, in the order of the sources.
    outcome : Outcome
        Of the other files.
    """

    def __init__(self, failures: Sequence[tuple[str, LivetradingError]], outcome: Outcome) -> None:
        said = "; ".join(str(error) for _, error in failures)
        total = len(failures) + len(outcome.files)
        super().__init__(f"{len(failures)} of {total} files failed, the others are done: {said}")
        self.failures = tuple(failures)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A chain of steps for files, to be run; `pipeline` begins one, and each step makes a new one.

    Attributes
    ----------
    sources : tuple of tuple of Path
        Each one file, a folder, or two files that are merged.
    reading : Reading
    steps : tuple of Step
    target : Path or None
        A file, or a folder if `suffix` is given.
    suffix : str or None
    """

    sources: tuple[tuple[Path, ...], ...]
    reading: Reading
    steps: tuple[Step, ...] = ()
    target: Path | None = None
    suffix: str | None = None

    def clean(
        self,
        drop: Iterable[str] = tuple(RULES),
        *,
        keep: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> "Pipeline":
        """Drop rows by named rules, and count them by rule.

        Parameters
        ----------
        drop : iterable of str
            ``price``, ``crossed``, ``range``, ``time``, ``size``, ``no-quote``, ``order``, ``duplicate``,
            ``repeated``; all unless given. See `livetrading.data.cleaning.RULES`.
        keep : str, optional
            ``quotes`` or ``trades``: of ticks, nothing else.
        since, until : int, optional
            ns since the Unix epoch, UTC: rows before `since`, and at or after `until`, are dropped.

        Raises
        ------
        DataError
            If there is no such rule.
        """
        return self._with(Clean(Cleaning(tuple(drop), keep, since, until)))

    def bars(self, rule: BarRule, *, with_open: bool = False) -> "Pipeline":
        """Make bars of ticks.

        Parameters
        ----------
        rule : BarRule
            What closes a bar, such as ``TimeBars("1m")``; `parse_rule` reads one from text.
        with_open : bool
            Whether the bar that is open when a file ends comes last, flagged.

        Raises
        ------
        DataError
            If the chain makes bars already.
        """
        if any(isinstance(step, Resample) for step in self.steps):
            raise DataError("a chain must make bars once, was to make bars of bars")
        return self._with(Resample(rule, with_open))

    def _with(self, step: Step) -> "Pipeline":
        if self.target is not None:
            raise DataError(f"what is written must be the end of a chain, was followed by {step.name}")
        return replace(self, steps=(*self.steps, step))

    def write(self, path: Path | str, suffix: str | None = None) -> "Pipeline":
        """Say where the rows go.

        Parameters
        ----------
        path : Path
            A file whose name tells its format, for one source; or a folder.
        suffix : str, optional
            For a folder: the format of the files in it, which have the names of their sources. One of
            ``.npy``, ``.ultra``, ``.csv``, ``.csv.gz``, ``.csv.zst``, ``.parquet`` and ``.arrow``.

        Raises
        ------
        DataError
            If there is no such format.
        """
        path, formats = Path(path), ", ".join(FORMATS)
        if suffix is None and (not path.name.endswith(tuple(FORMATS)) or path.is_dir()):
            raise DataError(
                f"a file to write must be one of {formats}, or a folder with a suffix, was {path}"
            )
        if suffix is not None and suffix not in FORMATS:
            raise DataError(f"the suffix of files in a folder must be one of {formats}, was {suffix!r}")
        return replace(self, target=path, suffix=suffix)

    def to_dict(self) -> dict[str, Any]:
        """Describe the chain by what JSON can hold: an output of an equal description is of this chain."""
        return {
            "meaning": MEANING,
            "read": self.reading.to_dict(),
            "steps": [step.to_dict() for step in self.steps],
        }

    def run(
        self,
        *,
        jobs: int = 1,
        again: bool = False,
        progress: Callable[[Progress], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> Outcome:
        """Take every source through the chain.

        What is there whole is kept: an output whose manifest, a file beside it, tells of this very chain and
        of the sources as they are, by size and time, or SHA-256 where the time is another.

        Parameters
        ----------
        jobs : int
            Files at a time, 1 to 64. The outputs are the same.
        again : bool
            Do what is there, too.
        progress : callable, optional
            Is told how far the run is; what it raises ends the run.
        clock : callable, optional
            Returns seconds, for the time that is left.

        Returns
        -------
        Outcome

        Raises
        ------
        DataError
            If a source cannot be read, changes while it is read, or a step or the disk refuses it; the
            message names the file, and the line, row or block. No part of an output is at its place then.
        FilesFailed
            The same, of several sources, when all the others are done.
        """
        if self.target is None:
            raise DataError("a chain must end with write to be run, was without")
        if isinstance(jobs, bool) or not isinstance(jobs, int) or not 1 <= jobs <= JOBS_MAX:
            raise DataError(f"jobs must be a whole number from 1 to {JOBS_MAX}, was {jobs!r}")
        sources, left_out = _expanded(self.sources)
        if self.suffix is None and len(sources) > 1:
            raise DataError(f"several sources must go to a folder, with a suffix, was {self.target}")
        todo = self._jobs(sources)
        for path in (path for job in todo for path in job.paths):
            FileState.of(path)  # one that is not there is an error before anything is made
        folder = self.target if self.suffix is not None else self.target.parent
        if self.suffix is not None:
            _make(folder)
        if folder.is_dir():
            remove_left_over(folder, {job.target.name for job in todo})
        return _Run(todo, self.to_dict(), progress, clock).go(jobs, again, left_out)

    def _jobs(self, sources: Sequence[tuple[Path, ...]]) -> list[Job]:
        targets: dict[Path, tuple[Path, ...]] = {}
        read = {os.path.realpath(path) for paths in sources for path in paths}
        for paths in sources:
            target = self._target_of(paths)
            if target in targets:
                both = " and ".join(",".join(map(str, of)) for of in (targets[target], paths))
                raise DataError(f"each source must have an output of its own, was {target} of {both}")
            if os.path.realpath(target) in read:
                raise DataError(f"an output must not be one of the sources, was {target}")
            targets[target] = paths
        return [Job(paths, self.reading, self.steps, target) for target, paths in targets.items()]

    def _target_of(self, paths: tuple[Path, ...]) -> Path:
        if self.target is None or self.suffix is None:
            return Path(str(self.target))
        return self.target / ("+".join(map(_stem, paths)) + self.suffix)


def pipeline(
    source: Source | Sequence[Source],
    *,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    every: str | int | None = None,
) -> Pipeline:
    r"""Begin a chain of steps for files.

    Parameters
    ----------
    source : path, pair of paths, or list of such
        A file whose name ends in one of `livetrading.data.history.SUFFIXES`; a folder of such files, without
        those in folders of it; or a tuple of two recordings, quotes and trades, which are merged to ticks as
        by `open_ticks`. A file of quotes or trades alone becomes ticks, too.
    kind, columns, delimiter, every
        How the files are to be understood where they do not tell it, as `livetrading.data.history.load`
        takes it.

    Returns
    -------
    Pipeline

    Examples
    --------
    >>> import tempfile
    >>> from livetrading import TimeBars
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "quotes.csv").write_text("ts,bid,ask\n1000,99,101\n1000,99,101\n9000,100,102\n")
    >>> chain = pipeline(folder / "quotes.csv", columns={"ts": "time_ns"})
    >>> chain = chain.clean().bars(TimeBars("1us")).write(folder / "bars.ultra")
    >>> (done,) = chain.run().files
    >>> done.read, done.rows, done.left_out["clean"]["duplicate"]
    (3, 1, 1)
    >>> chain.run().files[0].kept
    True
    """
    listed = source if isinstance(source, list) else [source]
    sources = tuple(
        tuple(map(Path, part)) if isinstance(part, tuple) else (Path(part),)  # type: ignore[arg-type]
        for part in listed
    )
    if not sources:
        raise DataError("a chain must begin with a source, was none")
    for paths in sources:
        if len(paths) not in (1, 2):
            raise DataError(
                f"a source must be one file, a folder, or a pair, was {', '.join(map(str, paths))}"
            )
    return Pipeline(sources, Reading(kind, columns, delimiter, every))


def _stem(path: Path) -> str:
    return path.name.removesuffix(next((s for s in SUFFIXES if path.name.endswith(s)), ""))


def _expanded(sources: Sequence[tuple[Path, ...]]) -> tuple[list[tuple[Path, ...]], tuple[str, ...]]:
    """Put the files of a folder in its place, in order of their names; and say which of them are not read."""
    found: list[tuple[Path, ...]] = []
    left_out: list[str] = []
    for paths in sources:
        if len(paths) != 1 or not paths[0].is_dir():
            found.append(paths)
            continue
        visible = [e for e in sorted(paths[0].iterdir()) if e.is_file() and not e.name.startswith(".")]
        files = [(entry,) for entry in visible if entry.name.endswith(SUFFIXES)]
        left_out += [str(e) for e in visible if not e.name.endswith((*SUFFIXES, MANIFEST))]
        if not files:
            raise DataError(f"{paths[0]} must hold files of {', '.join(SUFFIXES)}, was without any")
        found += files
    return found, tuple(left_out)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} must be a folder, or one that can be made, was: {error}") from error


class _Run:
    """Jobs on their way."""

    def __init__(
        self,
        jobs: Sequence[Job],
        chain: dict[str, Any],
        progress: Callable[[Progress], None] | None,
        clock: Callable[[], float] | None,
    ) -> None:
        self._jobs = jobs
        self._chain = chain
        self._progress = progress
        self._clock = clock
        self._results: dict[int, FileResult] = {}
        self._failures: dict[int, LivetradingError] = {}
        self._stop = Event()

    def go(self, workers: int, again: bool, left_out: tuple[str, ...]) -> Outcome:
        todo = [at for at in range(len(self._jobs)) if again or not self._keep(at)]
        self._bytes = {at: sum(FileState.of(path).size for path in self._jobs[at].paths) for at in todo}
        self._shares = dict.fromkeys(todo, 0.0)
        self._rows = dict.fromkeys(todo, 0)
        self._began = 0.0 if self._clock is None else self._clock()
        if workers == 1 or len(todo) <= 1:
            for at in todo:
                self._do(at, self._report)
        else:
            self._side_by_side(todo, min(workers, len(todo)))
        outcome = Outcome(tuple(self._results[at] for at in sorted(self._results)), left_out)
        failures = [(str(self._jobs[at].paths[0]), self._failures[at]) for at in sorted(self._failures)]
        if failures:
            raise failures[0][1] if len(self._jobs) == 1 else FilesFailed(failures, outcome)
        return outcome

    def _keep(self, at: int) -> bool:
        """Tell whether the output is there whole, and note what its manifest says."""
        job = self._jobs[at]
        manifest = Manifest.read(job.target)
        if manifest is None or not manifest.holds(self._chain, job.paths, job.target):
            return False
        try:
            self._results[at] = FileResult.kept_as(manifest.result, job)
        except (TypeError, KeyError):  # a manifest of another make
            return False
        return True

    def _do(self, at: int, report: Callable[[], None]) -> None:
        def watch(share: float, rows: int) -> None:
            self._shares[at], self._rows[at] = share, rows
            if self._stop.is_set():
                raise KeyboardInterrupt
            report()

        try:
            self._results[at] = convert(self._jobs[at], self._chain, watch)
        except LivetradingError as error:
            self._failures[at] = error
        self._shares[at] = 1.0
        report()

    def _side_by_side(self, todo: Sequence[int], workers: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            pending: set[Future[None]] = {pool.submit(self._do, at, lambda: None) for at in todo}
            try:
                while pending:
                    done, pending = wait(pending, POLL_S, FIRST_COMPLETED)
                    for one in done:
                        one.result()
                    self._report()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _report(self) -> None:
        if self._progress is None:
            return
        total = sum(self._bytes.values())
        share = sum(self._shares[at] * self._bytes[at] for at in self._shares) / total if total else 1.0
        seconds = None if self._clock is None else max(0.0, self._clock() - self._began)
        left = None if seconds is None or share <= 0.0 else seconds * (1.0 - share) / share
        done = sum(at in self._results or at in self._failures for at in self._shares)
        self._progress(Progress(len(self._shares), done, share, sum(self._rows.values()), seconds, left))
