"""Parameters of formulas: typed, with a range, checked where they are given."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite, isnan
from operator import index
from typing import Any, Generic, Self, TypeVar, overload

from livetrading.formulas.errors import FormulaError

__all__ = [
    "Choice",
    "Flag",
    "Parameter",
    "Real",
    "Reals",
    "Whole",
    "Wholes",
    "parameters_of",
    "set_parameters",
]

T = TypeVar("T")


class Parameter(Generic[T]):
    """A parameter declared in the body of a formula; reading it from an instance gives its value.

    Parameters
    ----------
    default : T
    doc : str
        What it means, with its unit.
    """

    def __init__(self, default: T, doc: str = "") -> None:
        self.default = default
        self.doc = self.__doc__ = doc
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__["_parameters"][self.name]
        return value

    def __set__(self, instance: object, value: T) -> None:
        raise AttributeError(f"{self.name} is set when the formula is made, and not after")

    @property
    def rule(self) -> str:
        """What is allowed, as in "must be ..."."""
        raise NotImplementedError

    def check(self, value: Any) -> T:
        """Return `value` in its own type.

        Raises
        ------
        FormulaError
            If it is not allowed.
        """
        raise NotImplementedError

    def _refuse(self, value: Any) -> FormulaError:
        return FormulaError(f"{self.name} must be {self.rule}, was {value!r:.99}")


class Whole(Parameter[int]):
    """A whole number from `low` to `high`."""

    def __init__(self, default: int, doc: str = "", *, low: int = 1, high: int = 10_000_000) -> None:
        super().__init__(default, doc)
        self.low = low
        self.high = high

    @property
    def rule(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def check(self, value: Any) -> int:
        try:
            number = index(value)
        except TypeError:
            raise self._refuse(value) from None
        if isinstance(value, bool) or not self.low <= number <= self.high:
            raise self._refuse(value)
        return number


class Real(Parameter[float]):
    """A number from `low` to `high`; the ends belong to it unless `open_low` or `open_high`."""

    def __init__(
        self,
        default: float,
        doc: str = "",
        *,
        low: float = -inf,
        high: float = inf,
        open_low: bool = False,
        open_high: bool = False,
        nan: bool = False,
    ) -> None:
        super().__init__(default, doc)
        self.low, self.high = low, high
        self.open_low, self.open_high = open_low, open_high
        self.nan = nan

    @property
    def rule(self) -> str:
        low = "" if self.low == -inf else f" {'>' if self.open_low else '>='} {self.low:g}"
        high = "" if self.high == inf else f" {'<' if self.open_high else '<='} {self.high:g}"
        return f"a finite number{low}{' and' if low and high else ''}{high}{' (or NaN)' if self.nan else ''}"

    def check(self, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self._refuse(value) from None
        if isinstance(value, str | bytes | bool):
            raise self._refuse(value)
        if isnan(number) and self.nan:
            return number
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        if not (isfinite(number) and above and below):
            raise self._refuse(value)
        return number


class Flag(Parameter[bool]):
    """True or False."""

    @property
    def rule(self) -> str:
        return "True or False"

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._refuse(value)
        return value


class Choice(Parameter[str]):
    """One of some words."""

    def __init__(self, default: str, doc: str = "", *, among: tuple[str, ...]) -> None:
        super().__init__(default, doc)
        self.among = among

    @property
    def rule(self) -> str:
        return f"one of {', '.join(self.among)}"

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.among:
            raise self._refuse(value)
        return str(value)


class Wholes(Parameter[tuple[int, ...]]):
    """A sequence of whole numbers from `low` to `high`, at least `least` of them."""

    def __init__(
        self, default: tuple[int, ...], doc: str = "", *, low: int = 1, high: int = 10_000_000, least: int = 1
    ) -> None:
        super().__init__(default, doc)
        self.low, self.high, self.least = low, high, least

    @property
    def rule(self) -> str:
        return f"{self.least} or more whole numbers from {self.low} to {self.high}"

    def check(self, value: Any) -> tuple[int, ...]:
        try:
            numbers = tuple(index(one) for one in _sequence(value))
        except TypeError:
            raise self._refuse(value) from None
        if len(numbers) < self.least or not all(self.low <= one <= self.high for one in numbers):
            raise self._refuse(value)
        return numbers


class Reals(Parameter[tuple[float, ...]]):
    """A sequence of numbers strictly between `low` and `high`, at least `least` of them."""

    def __init__(
        self,
        default: tuple[float, ...],
        doc: str = "",
        *,
        low: float = -inf,
        high: float = inf,
        least: int = 1,
    ) -> None:
        super().__init__(default, doc)
        self.low, self.high, self.least = low, high, least

    @property
    def rule(self) -> str:
        return f"{self.least} or more finite numbers between {self.low:g} and {self.high:g}"

    def check(self, value: Any) -> tuple[float, ...]:
        try:
            numbers = tuple(float(one) for one in _sequence(value))
        except (TypeError, ValueError, OverflowError):
            raise self._refuse(value) from None
        if len(numbers) < self.least or not all(isfinite(x) and self.low < x < self.high for x in numbers):
            raise self._refuse(value)
        return numbers


def _sequence(value: Any) -> Sequence[Any]:
    """Return what a sequence of numbers holds, where no text and no truth value passes for one."""
    held = tuple(value)
    if isinstance(value, Mapping) or any(isinstance(one, bool | str | bytes) for one in held):
        raise TypeError
    return held


def parameters_of(formula: type) -> dict[str, Parameter[Any]]:
    """Return the parameters that a class declares, those of its bases first, by name."""
    found: dict[str, Parameter[Any]] = {}
    for base in reversed(formula.__mro__):
        found.update({name: part for name, part in vars(base).items() if isinstance(part, Parameter)})
    return found


def set_parameters(instance: object, given: Mapping[str, Any]) -> None:
    """Check what is given and set it, defaults for the rest.

    Raises
    ------
    FormulaError
        If a name is none of the parameters, or a value is not allowed.
    """
    declared = parameters_of(type(instance))
    unknown = [name for name in given if name not in declared]
    if unknown:
        allowed = ", ".join(declared) or "none"
        raise FormulaError(
            f"{type(instance).__name__} has the parameters {allowed}, was given {', '.join(unknown)}"
        )
    instance.__dict__["_parameters"] = {
        name: part.check(given[name]) if name in given else part.default for name, part in declared.items()
    }
