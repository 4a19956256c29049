"""``livetrading formulas``: list them, explain one, run some over a file, check them."""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from livetrading.commands.output import (
    DONE,
    FAILURE,
    INTERRUPTED,
    check_out,
    json_option,
    on_terminal,
    plain,
    print_json,
    print_lines,
    print_table,
    print_text,
    text_option,
)
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from livetrading.formulas.base import Batch, Formula
    from livetrading.formulas.checks.harness import Finding

__all__ = ["formulas_app"]

formulas_app = typer.Typer(help="Formulas, 1 to 411: what they are, say and pass.", rich_markup_mode=None)

Tree = dict[str, Any]
EXAMPLE_ROWS: Final = 1_200
"""Of the simulated market that `show` runs a formula on."""
SHOWN: Final = 8
"""Columns that `show` names; a cross section reads 31 prices."""
COSTS: Final = {
    "O1": "constant work an observation",
    "W": "work that grows with the window",
    "F": "refits a model now and then",
}
UNCHECKED: Final = "not run"
BROKEN: Final = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a library of another version raises; the other formulas are to be checked all the same."""


@formulas_app.command("list")
def list_formulas(
    category: Annotated[str | None, text_option("Only of this category.", "NAME")] = None,
    channel: Annotated[str | None, text_option("Only those that read this channel.", "NAME")] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """List the formulas that stand."""
    from livetrading.formulas.channels import CHANNELS
    from livetrading.formulas.registry import FORMULA_REGISTRY, MODULES

    for name, given, among in (("category", category, MODULES), ("channel", channel, tuple(CHANNELS))):
        if given is not None and given not in among:
            raise typer.BadParameter(f"--{name} must be one of {', '.join(among)}, was {given}")
    infos = [
        formula.info
        for formula in FORMULA_REGISTRY.values()
        if category in (None, formula.info.category) and (channel is None or channel in formula.info.inputs)
    ]
    header = ("id", "name", "category", "kind", "channels", "cost", "unit")
    rows = [(str(i.id), i.name, i.category, i.kind, ",".join(i.inputs), i.cost, i.unit) for i in infos]
    if json:
        print_json({"formulas": [dict(zip(header, row, strict=True)) | {"id": int(row[0])} for row in rows]})
    elif on_terminal():
        from rich.table import Table

        table = Table()
        for name in header:
            table.add_column(name, overflow="fold")  # a name cut short names nothing
        for row in rows:
            table.add_row(*row)
        print_table(table, [f"{len(rows)} formulas"])
    else:
        for row in rows:
            print("\t".join(row))
    return DONE


def _until_interrupted(ctx: typer.Context, work: Callable[[], int]) -> int:
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    code = interrupt.call(work)
    return INTERRUPTED + interrupt.signum if code is None else code


@formulas_app.command()
def show(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a formula, or its name.")],
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Explain one formula: its documentation with the equation, reference, parameters and an example."""
    return _until_interrupted(ctx, lambda: _show(id, json))


def _show(id: str, json: bool) -> int:
    from livetrading.formulas.registry import formula_class

    tree = _explained(formula_class(id))
    if json:
        print_json(plain(tree))
        return DONE
    print_text("\n".join(_lines_of(tree)))
    return DONE


def _lines_of(tree: Tree) -> Iterator[str]:
    yield f"{tree['id']} {tree['name']} ({tree['category']}, {tree['kind']})\n\n{tree['documentation']}\n"
    yield f"Reads {', '.join(tree['channels'])} ({', '.join(tree['columns'])}); value in {tree['unit']}."
    yield f"Cost {tree['cost']}: {COSTS[tree['cost']]}. {_warm_up(tree['warm_up'])}"
    if tree["library"] is not None:
        yield f"Needs {tree['library']}: pip install 'livetrading[{tree['extra']}]'."
    yield "\nParameters"
    for name, part in tree["parameters"].items():
        yield f"  {name} = {part['default']}: {part['doc']}; {part['rule']}"
    if not tree["parameters"]:
        yield "  none"
    yield f"\nExample: the last of {tree['rows']} observations of a simulated market\n"
    yield f"  {tree['call']}"
    for name, value in tree["example"].items():
        yield f"  {name}: {'undefined' if value is None or value != value else value}"


def _warm_up(rows: int | None) -> str:
    if rows is None:
        return "What it sees decides when it is ready."
    return f"Ready from observation {rows} on."


def _explained(formula: "type[Formula]") -> Tree:
    from livetrading.formulas.checks.markets import market
    from livetrading.formulas.parameters import parameters_of
    from livetrading.formulas.registry import run

    info, made = formula.info, formula()
    parameters = {
        name: {"default": part.default, "doc": part.doc, "rule": part.rule}
        for name, part in parameters_of(formula).items()
    }
    given: dict[str, Any] = getattr(formula, "check_parameters", {})
    rows = EXAMPLE_ROWS if not given else int(getattr(formula, "check_rows", EXAMPLE_ROWS))
    columns = {name: column[-rows:] for name, column in market(EXAMPLE_ROWS).items()}
    said = run(info.id, columns, **given)
    return {
        "id": info.id,
        "name": info.name,
        "category": info.category,
        "kind": info.kind,
        "channels": list(info.inputs),
        "columns": [*made.reads[:SHOWN], *(["..."] if len(made.reads) > SHOWN else []), *["ts"] * made.timed],
        "unit": info.unit,
        "cost": info.cost,
        "warm_up": made.warm_up,
        "library": info.library,
        "extra": info.extra,
        "reference": info.reference,
        "documentation": inspect.getdoc(formula) or "",
        "parameters": parameters,
        "rows": rows,
        "call": f"create({', '.join([str(info.id), *(f'{k}={v!r}' for k, v in given.items())])})",
        "example": _last(said),
    }


def _last(said: "Batch") -> Tree:
    """What a formula says after the last row, or why it says nothing."""
    tree: Tree = {
        "value": float(said.value[-1]),
        "signal": int(said.signal[-1]),
        "confidence": float(said.confidence[-1]),
        "ready": bool(said.ready[-1]),
        **{name: float(column[-1]) for name, column in said.outputs.items()},
    }
    if said.unavailable is not None:
        tree["unavailable"] = str(said.unavailable)
    return tree


@formulas_app.command("run")
def run_formulas(
    ctx: typer.Context,
    ids: Annotated[
        list[str], typer.Argument(metavar="ID... FILE", help="Ids, names or ranges, then a file.")
    ],
    out: Annotated[
        Path | None, text_option("Write every row to a .npy, .csv (.gz, .zst) or .parquet file.", "FILE")
    ] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Run formulas over the rows of a .csv, .csv.gz or .parquet file with the catalogue's columns."""
    if len(ids) < 2:
        raise typer.BadParameter(f"run must be given one ID or more and then a FILE, was given {ids[0]}")
    return _until_interrupted(ctx, lambda: _run(ids, out, json))


def _run(ids: Sequence[str], out: Path | None, json: bool) -> int:
    from livetrading.data.results import ResultWriter, suffix_of
    from livetrading.formulas.columns import columns_of_rows
    from livetrading.formulas.registry import run
    from livetrading.formulas.tables import read_observations, table_of

    file = Path(ids[-1])
    wanted = _ids(ids[:-1])
    check_out(out, [file])
    if out is not None:
        suffix_of(out)
    columns = columns_of_rows(read_observations(file))
    rows = len(next(iter(columns.values())))
    if rows == 0:
        raise typer.BadParameter(f"FILE must hold at least one row, was {file}")
    said = run(wanted, columns)
    if out is not None:
        table = table_of(said.values(), columns.get("ts"))
        with ResultWriter(out, table.dtype) as writer:
            writer.write(table)
    tree: Tree = {f"{batch.id} {batch.name}": _last(batch) for batch in said.values()}
    if json:
        print_json(plain({"rows": rows, "last": tree}))
    else:
        print_lines(plain({"rows": rows, **tree}))
    return DONE


def _ids(texts: Sequence[str]) -> list[int]:
    """Ids of the formulas named, a range as in 131-150 those of it that stand; each once, as they came."""
    from livetrading.formulas.registry import FORMULA_REGISTRY, formula_class

    found: dict[int, None] = {}
    for text in texts:
        first, dash, last = text.partition("-")
        if dash and _is_number(first) and _is_number(last):
            span = [id for id in FORMULA_REGISTRY if int(first) <= id <= int(last)]
            if not span:
                raise typer.BadParameter(f"a range must hold formulas that stand, was {text}")
            found.update(dict.fromkeys(span))
        else:
            found[formula_class(text).info.id] = None
    return list(found)


def _is_number(text: str) -> bool:
    """Whether it is one that int() takes, of digits alone and few enough."""
    return text.isascii() and text.isdecimal() and len(text) <= 20


@formulas_app.command()
def check(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Ids, names or ranges; all unless given.")
    ] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Hold formulas to golden numbers, references and themselves; exit code 1 if any falls short."""
    return _until_interrupted(ctx, lambda: _check(ids, json))


def _check(ids: Sequence[str] | None, json: bool) -> int:
    from livetrading.formulas.checks.harness import CHECKS
    from livetrading.formulas.registry import FORMULA_REGISTRY

    wanted = _ids(ids) if ids else list(FORMULA_REGISTRY)
    short: list[str] = []
    trees: dict[str, Tree] = {}
    if not json:
        print(f"{'':28}" + "".join(f"{name:>13}" for name in CHECKS) + "   worst error")
    for id in wanted:
        name = f"{id} {FORMULA_REGISTRY[id].info.name}"
        findings = list(_findings(id, tuple(CHECKS)))
        short += [f"{name}, {one.check}: {one.words}" for one in findings if not one.passed]
        if json:
            trees[name] = {one.check: _tree_of(one) for one in findings}
        else:
            worst = max((one.worst for one in findings if one.compared), default=float("nan"))
            cells = "".join(f"{_cell(one):>13}" for one in findings)
            print(f"{name:28.28}{cells}   {worst:.1e}", flush=True)
    if json:
        print_json(plain({"passed": not short, "formulas": trees}))
    else:
        print(f"{len(wanted) - len({text.partition(',')[0] for text in short})} of {len(wanted)} pass")
        for text in short:
            print(f"falls short: {text}")
    sys.stdout.flush()
    return FAILURE if short else DONE


def _findings(id: int, names: Sequence[str]) -> "Iterator[Finding]":
    from livetrading.formulas.checks.harness import Finding, check

    for name in names:
        try:
            yield check(id, name)
        except ImportError as error:
            words = f"{UNCHECKED}, needs {error.name or error}, which is not installed"
            yield Finding(id, name, False, float("nan"), 0, words)
        except BROKEN as error:
            words = f"raised {type(error).__name__}: {error}"
            yield Finding(id, name, False, float("nan"), 0, words)


def _cell(finding: "Finding") -> str:
    if not finding.compared:
        return UNCHECKED
    return f"{finding.worst:.1e}" if finding.passed else "short"


def _tree_of(finding: "Finding") -> Tree:
    worst = None if isnan(finding.worst) else finding.worst
    return {
        "passed": finding.passed,
        "worst_error": worst,
        "compared": finding.compared,
        "words": finding.words,
    }
