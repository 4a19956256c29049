"""Many formulas over one market, whose observations are held once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import gcd, lcm
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from livetrading.formulas.base import Batch, Formula, Schedule
from livetrading.formulas.channels import Observation, whole
from livetrading.formulas.columns import columns_of_market
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import Notes, SeriesFormula
from livetrading.formulas.history import MarketHistory, Series
from livetrading.formulas.libraries import installed, library, one_thread, silence
from livetrading.formulas.parameters import parameters_of
from livetrading.formulas.registry import create, formula_class
from livetrading.formulas.tables import columns_of, columns_of_table

__all__ = ["Panel", "staggered"]

T = TypeVar("T")
STARTS: Final = 1_000
"""Places of the first refit of an interval that `staggered` tries, at most."""


def staggered(ids: Iterable[int | str], /, **params: Any) -> list[Formula]:
    """Make formulas whose refits are spread over the observations.

    The refits of the k that refit at one interval lie 1/k of it apart, in the order given, and those of an
    interval where they meet the fewest of others. First fits stay where the rows put them, so that several
    may fall on one observation, and so does a phase that is given.

    Parameters
    ----------
    ids : iterable of int or str
    **params
        Parameters; each formula takes those it has.

    Returns
    -------
    list of Formula

    Raises
    ------
    FormulaError
        If a formula is unknown, or a parameter is outside its range or none of theirs.
    """
    classes = [formula_class(id) for id in ids]
    known = set().union(*(parameters_of(each) for each in classes))
    unknown = [name for name in params if name not in known]
    if unknown:
        raise FormulaError(f"params must be some of {', '.join(sorted(known))}, were {', '.join(unknown)}")
    made = [each(**{k: v for k, v in params.items() if k in parameters_of(each)}) for each in classes]
    groups: dict[int, list[int]] = {}
    for i, formula in enumerate(made):
        schedule = _schedule_of(formula)
        if schedule is not None and "phase" not in params:
            groups.setdefault(schedule.every, []).append(i)
    taken: list[tuple[int, int]] = []
    for every, members in sorted(groups.items(), reverse=True):
        apart = [k * every // len(members) for k in range(len(members))]
        starts = range(min(every, STARTS))
        start = min(starts, key=lambda at: sum(_met(taken, every, at + each) for each in apart))
        for each, i in zip(apart, members, strict=True):
            first = vars(made[i])["_schedule"].first
            made[i] = type(made[i])(**{**made[i].parameters, "phase": (start + each - first) % every})
        taken += [(every, start + each) for each in apart]
    return made


def _schedule_of(formula: Formula) -> Schedule | None:
    """When a formula that has a phase is fitted, where it says so beforehand."""
    schedule = vars(formula).get("_schedule") if "phase" in formula.parameters else None
    return schedule if isinstance(schedule, Schedule) else None


def _met(taken: Iterable[tuple[int, int]], every: int, at: int) -> float:
    """Return which share of observations has a fit of `taken` and one at `at`, `at` + `every`, ... too."""
    return sum(1.0 / lcm(every, other) for other, begin in taken if (at - begin) % gcd(every, other) == 0)


class Panel:
    """Formulas that see one market together.

    The observations lie in one `MarketHistory`, and formulas that look at equal fields share their windows.
    What a formula says does not depend on the others, nor on the number of threads.

    Parameters
    ----------
    formulas : iterable of Formula, int or str
        New ones, by id, or by name; no two of one id. Those that are given belong to the panel from then on.
    capacity : int, default 100,000
        Rows that the history remembers; at least what the longest window reaches back.
    threads : int, default 1
        That work on one observation. More help where many rows come at once; bar by bar most of the work is
        Python's, and one thread was the quicker.

    Raises
    ------
    FormulaError
        If a formula is unknown, stands twice or has begun, or a number is outside its range.

    Examples
    --------
    >>> panel = Panel([131, 141], capacity=1000)
    >>> for price in (100.0, 101.0, 99.5):
    ...     panel.append({"price": price})
    >>> panel[141].ready, panel.history.rows
    (False, 3)
    """

    def __init__(
        self, formulas: Iterable[Formula | int | str], capacity: int = 100_000, threads: int = 1
    ) -> None:
        threads = whole("threads", threads, 1, 256)
        self.history = MarketHistory(capacity)
        self._formulas: dict[int, Formula] = {}
        self._looking: list[SeriesFormula] = []
        self._fed: list[Formula] = []
        self._series: dict[int, Series] = {}
        if isinstance(formulas, str) or not isinstance(formulas, Iterable):
            raise FormulaError(f"formulas must be several formulas, ids or names, was {formulas!r:.99}")
        made = [one if isinstance(one, Formula) else create(one) for one in formulas]
        self._check(made)
        for one in made:
            self._enter(one)
        self._pool = ThreadPoolExecutor(threads, "formulas") if threads > 1 else None
        if self._pool is not None:
            self._load()

    def _load(self) -> None:
        """Load what formulas fit with: OpenBLAS that a thread of the pool loads is not limited to one thread.

        The first fit of 35 in a new process then differed in the ninth digit.
        """
        for formula in self._formulas.values():
            name = formula.info.library
            if name is not None and installed(name):
                library(name)

    def _check(self, formulas: list[Formula]) -> None:
        """Refuse formulas before any of them belongs to the panel."""
        ids = [formula.info.id for formula in formulas]
        if twice := [id for id in ids if ids.count(id) > 1]:
            raise FormulaError(f"formulas must be of different ids, was {twice[0]} twice")
        for formula in formulas:
            formula.check_new()
            lookback = formula.lookback if isinstance(formula, SeriesFormula) else 0
            if lookback >= self.history.capacity:
                raise FormulaError(
                    f"capacity must be above {lookback} for formula {formula.info.id}, was "
                    f"{self.history.capacity}"
                )

    def _enter(self, formula: Formula) -> None:
        id = formula.info.id
        formula.take()
        if isinstance(formula, SeriesFormula):
            self._series[id] = self.history.series(formula.reads, formula.holds)
            formula.attach(self._series[id])
            self._looking.append(formula)
        else:
            self._fed.append(formula)
        self._formulas[id] = formula

    def __getitem__(self, id_or_name: int | str) -> Formula:
        id = formula_class(id_or_name).info.id
        if id not in self._formulas:
            had = ", ".join(map(str, self._formulas)) or "none"
            raise FormulaError(f"the panel has the formulas {had}, was asked for {id_or_name}")
        return self._formulas[id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._formulas)

    def __contains__(self, id: object) -> bool:
        return id in self._formulas

    def __repr__(self) -> str:
        ids = ", ".join(map(str, self._formulas))
        return f"<Panel of {len(self)} formulas, {self.history.rows} rows: {ids}>"

    def __len__(self) -> int:
        return len(self._formulas)

    @property
    def formulas(self) -> Mapping[int, Formula]:
        """By id, in the order given."""
        return dict(self._formulas)

    def append(self, observation: Observation) -> None:
        """Let every formula take one observation.

        Parameters
        ----------
        observation : mapping of str to number
            By the catalogue's column names; `ts` in ns since the Unix epoch.

        Raises
        ------
        FormulaError
            If a field belongs to no channel.
        """
        self._look(observation)
        for formula in self._fed:
            formula.update(observation)

    def _look(self, observation: Observation) -> None:
        """Append to the history, and advance the formulas on those series that got longer."""
        longer = {id(series) for series in self.history.append(observation)}
        for formula in self._looking:
            if not formula.ready:
                formula._note(observation)
        due = [one for one in self._looking if id(self._series[one.info.id]) in longer]
        self._map(SeriesFormula.advance, due)

    def extend(self, columns: Any) -> dict[int, Batch]:
        """Let every formula take rows by column, as `append` one after another.

        Parameters
        ----------
        columns : mapping of str to array, table, or path
            As `livetrading.formulas.registry.run` takes them, but of a mapping or a table every column must
            be one of the catalogue's.

        Returns
        -------
        dict of int to Batch
            What each said after each row, in the order of the formulas.

        Raises
        ------
        FormulaError
            If the columns differ in length, or one belongs to no channel.
        """
        path = isinstance(columns, str | Path)
        columns = columns_of(columns) if path else columns_of_market(columns_of_table(columns))
        names, rows = list(columns), len(next(iter(columns.values()))) if columns else 0
        said = dict(
            zip([f.info.id for f in self._fed], self._map(lambda f: f.run(columns), self._fed), strict=True)
        )
        notes = {formula.info.id: Notes(formula, rows) for formula in self._looking}
        for i, row in enumerate(zip(*columns.values(), strict=True)):
            self._look(dict(zip(names, row, strict=True)))
            for note in notes.values():
                note.stands(i, i + 1)
        said.update({id: note.batch() for id, note in notes.items()})
        return {id: said[id] for id in self._formulas}

    def _map(self, work: Callable[[Any], T], items: list[Any]) -> list[T]:
        with one_thread():
            if self._pool is None or len(items) < 2:
                return [work(item) for item in items]
            # Formulas silence their libraries; threads that do so at once would undo one another's.
            with silence():
                return list(self._pool.map(work, items))

    def state(self) -> dict[str, Any]:
        """Return all that it remembers."""
        return {
            "history": self.history.state(),
            "formulas": {id: formula.state() for id, formula in self._formulas.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a panel of equal formulas and capacity.

        Raises
        ------
        FormulaError
            If the formulas are others.
        """
        if not isinstance(state, Mapping) or not isinstance(state.get("formulas"), Mapping):
            raise FormulaError(f"a state must be what state() returns, was {state!r:.99}")
        if list(state["formulas"]) != list(self._formulas):
            raise FormulaError(
                f"a state must be of the formulas {list(self._formulas)}, was of {list(state['formulas'])}"
            )
        self.history.check_state(state.get("history"))
        for id, formula in self._formulas.items():
            formula._check_state(state["formulas"][id])
        self.history.restore(state["history"])
        for id, formula in self._formulas.items():
            formula.restore(state["formulas"][id])

    def close(self) -> None:
        """End the threads; what comes after is worked on by the caller's own."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
