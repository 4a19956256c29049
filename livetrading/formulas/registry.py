"""All formulas by id and by name: `create` one, `run` some over columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import Parameter as Argument
from inspect import Signature
from math import inf
from numbers import Integral
from typing import Any, Final, Literal, TypeVar, overload

from livetrading.formulas.base import Batch, Formula, FormulaInfo, Kind
from livetrading.formulas.channels import CHANNELS
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.parameters import parameters_of
from livetrading.formulas.tables import columns_of

__all__ = ["FORMULA_REGISTRY", "create", "formula_class", "register", "run"]

MODULES: Final = ("statistical", "timeseries", "machine_learning", "microstructure", "mean_reversion")
"""The categories, a module each."""
LAST_ID: Final = 411
OWN_IDS: Final = range(1_000, 1_000_000)
"""Free for formulas of a user's own, as those up to `LAST_ID` are the catalogue's."""

F = TypeVar("F", bound=type[Formula])
_BY_ID: dict[int, type[Formula]] = {}
_BY_NAME: dict[str, type[Formula]] = {}


def register(
    *,
    id: int,
    name: str,
    category: str,
    inputs: tuple[str, ...],
    reference: str,
    kind: Kind = "signal",
    cost: Literal["O1", "W", "F"] = "O1",
    unit: str = "1",
    low: float = -inf,
    high: float = inf,
    library: str | None = None,
    extra: str | None = None,
) -> Callable[[F], F]:
    """Register a formula's class; the attributes of `FormulaInfo`.

    A formula of your own has an id from 1000 on, and its class a `docs/FORMULAS.md` example to go by.

    Raises
    ------
    FormulaError
        If the id or the name is taken, the id is none of 1 to 411 or from 1000 to 999999, a channel is none
        of the catalogue's, or there is no reference.
    """

    def enter(formula: F) -> F:
        if not 1 <= id <= LAST_ID and id not in OWN_IDS:
            own = f"{OWN_IDS[0]} to {OWN_IDS[-1]} for one of your own"
            raise FormulaError(f"id must be from 1 to {LAST_ID}, or from {own}, was {id}")
        if id in _BY_ID or name.lower() in _BY_NAME:
            raise FormulaError(f"id and name must be free, were {id} and {name}")
        if not inputs or isinstance(inputs, str) or any(channel not in CHANNELS for channel in inputs):
            raise FormulaError(f"inputs must be some of {', '.join(CHANNELS)}, were {inputs!r}")
        if not reference:
            raise FormulaError(f"reference must be given, was empty for {name}")
        formula.info = FormulaInfo(
            id, name, category, kind, inputs, cost, unit, low, high, reference, library, extra
        )
        formula.__signature__ = _signature(formula)  # type: ignore[attr-defined]
        _BY_ID[id] = _BY_NAME[name.lower()] = formula
        return formula

    return enter


def _signature(formula: type[Formula]) -> Signature:
    """Return how it is called, for `help` and for the completion of names."""
    return Signature(
        [
            Argument(name, Argument.KEYWORD_ONLY, default=part.default)
            for name, part in parameters_of(formula).items()
        ]
    )


class _Registry(Mapping[int, type[Formula]]):
    """Classes by id, loaded when they are first looked at."""

    def _load(self) -> dict[int, type[Formula]]:
        for module in MODULES:
            import_module(f"livetrading.formulas.{module}")
        return _BY_ID

    def __getitem__(self, id: int) -> type[Formula]:
        return self._load()[id]

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._load()))

    def __len__(self) -> int:
        return len(self._load())

    def __repr__(self) -> str:
        return f"<FORMULA_REGISTRY: {len(self)} formulas by id>"


FORMULA_REGISTRY: Final[Mapping[int, type[Formula]]] = _Registry()


def formula_class(id_or_name: int | str) -> type[Formula]:
    """Return a formula's class.

    Raises
    ------
    FormulaError
        If there is no such id or name.
    """
    count = len(FORMULA_REGISTRY)
    found = None
    if isinstance(id_or_name, str):
        # what int() takes besides, such as the digits of other scripts, is no id
        number = id_or_name.isascii() and id_or_name.isdecimal() and len(id_or_name) <= len(str(OWN_IDS[-1]))
        found = _BY_ID.get(int(id_or_name)) if number else _BY_NAME.get(id_or_name.lower())
    elif isinstance(id_or_name, Integral) and not isinstance(id_or_name, bool):
        found = _BY_ID.get(int(id_or_name))
    if found is None:
        hint = _near(id_or_name) if isinstance(id_or_name, str) else ""
        raise FormulaError(f"a formula must be one of {count} ids or names, was {id_or_name!r:.99}{hint}")
    return found


def _near(text: str) -> str:
    """Return the names that may have been meant."""
    text = text.lower()[:99]
    holding = sorted((name for name in _BY_NAME if text and text in name), key=lambda name: name.find(text))
    infos = [_BY_NAME[name].info for name in (holding or get_close_matches(text, _BY_NAME))[:5]]
    return f"; near it: {', '.join(f'{info.id} {info.name}' for info in infos)}" if infos else ""


def create(id_or_name: int | str, /, **params: Any) -> Formula:
    """Make a formula.

    Parameters
    ----------
    id_or_name : int or str
        The id, or the class's name in any case.
    **params
        Its parameters; defaults for the rest.

    Raises
    ------
    FormulaError
        If there is no such formula, or a parameter is unknown or outside its range.

    Examples
    --------
    >>> formula = create(141, n=5)
    >>> for price in (1, 2, 3, 4, 10):
    ...     formula.update(price=price)
    >>> round(formula.value, 10)
    1.8973665961
    """
    return formula_class(id_or_name)(**params)


@overload
def run(ids: int | str, columns: Any, /, **params: Any) -> Batch: ...
@overload
def run(ids: Iterable[int | str], columns: Any, /, **params: Any) -> dict[int, Batch]: ...
def run(ids: int | str | Iterable[int | str], columns: Any, /, **params: Any) -> Batch | dict[int, Batch]:
    """Run formulas over rows.

    Parameters
    ----------
    ids : int, str, or iterable of them
        One formula or several.
    columns : mapping of str to array, table, or path
        By the catalogue's column names, all of one length: a mapping of arrays, a table of pandas, polars or
        pyarrow, a structured array, or a ``.csv``, ``.csv.gz`` or ``.parquet`` file. Columns of other names
        are left alone. `ts` is in ns since the Unix epoch or of times, UTC unless they have a zone; a table
        of pandas may have it as its index.
    **params
        Parameters; of several formulas each takes those it has, and one that none has is an error.

    Returns
    -------
    Batch or dict of int to Batch
        One for one formula, by id for several.

    Raises
    ------
    FormulaError
        If a formula is unknown, a parameter is unknown or outside its range, or the columns do not fit.
    """
    several = isinstance(ids, Iterable) and not isinstance(ids, str)
    classes = [formula_class(i) for i in (ids if several else (ids,))]  # type: ignore[union-attr, arg-type]
    known = set().union(*(parameters_of(each) for each in classes))
    unknown = [name for name in params if name not in known]
    if unknown:
        raise FormulaError(f"params must be some of {', '.join(sorted(known))}, were {', '.join(unknown)}")
    made = [each(**{k: v for k, v in params.items() if k in parameters_of(each)}) for each in classes]
    rows = columns_of(columns)
    found = {formula.info.id: formula.run(rows) for formula in made}
    return found if several else next(iter(found.values()))
