"""The rules of the house that no other tool holds."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

import livetrading
from livetrading import ChainClock, ChaosMarket, GbmMarket, Processor
from livetrading.config import DEFAULT_TICKS, PATHS, PRESETS, Config, load_config
from livetrading.engine.hft import run_hft
from livetrading.engine.null_market import walk_like_chaos

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "livetrading"
CORE: Final = PACKAGE / "core"
MODULES: Final = sorted(PACKAGE.rglob("*.py"))
CYTHON: Final = sorted(CORE.glob("*.pyx"))
README: Final = (ROOT / "README.md").read_text("utf-8")
SCREEN: Final = 50

CLOCKS_AND_CHANCE: Final = re.compile(
    r"time\..*|datetime\.(datetime|date)\.(now|utcnow|today)|random\..*|numpy\.random\.(?!Generator$).*|secrets\..*"
    r"|uuid\.uuid[14]|os\.(urandom|getrandom)"
)
ALLOWED: Final = {
    ("blockchain/chain_clock.py", "numpy.random.Philox"): "a generator that the seed keys",
    (
        "commands/wall_clock.py",
        "time.sleep",
    ): "what `price stream` waits by; a test puts another in its place",
    (
        "commands/wall_clock.py",
        "time.time_ns",
    ): "what `price` takes for now; a test puts another in its place",
    ("dashboard/panel.py", "time.monotonic"): "the wall clock that drawing takes, no part of any result",
    ("data/results.py", "secrets.token_hex"): "names a file that is not complete yet, nothing in it",
    (
        "formulas/machine_learning/weights.py",
        "numpy.random.default_rng",
    ): "draws first weights and choices from the parameter `seed`",
    (
        "formulas/checks/machine_learning/ensembles.py",
        "numpy.random.RandomState",
    ): "the seeds that scikit-learn hands to its stumps, drawn as it draws them",
    (
        "formulas/checks/statistical/fits.py",
        "numpy.random.PCG64",
    ): "what formula 14 must draw by",
    (
        "formulas/checks/statistical/fits.py",
        "numpy.random.SeedSequence",
    ): "what formula 14 must draw by",
    (
        "formulas/statistical/inference.py",
        "numpy.random.PCG64",
    ): "draws the bootstrap, from the parameter `seed`",
    (
        "formulas/statistical/inference.py",
        "numpy.random.SeedSequence",
    ): "keys the bootstrap by `seed` and run",
    (
        "formulas/timeseries/volatility.py",
        "numpy.random.PCG64",
    ): "moves the particles, from the parameter `seed`",
    ("engine/hft.py", "time.monotonic"): "the wall clock of a run's speed, which a caller may replace",
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


# The catalogue defines its golden inputs by numpy's generator of a seed.
SEEDED_CHECKS: Final = {
    (name_of(path), "numpy.random.default_rng") for path in (PACKAGE / "formulas" / "checks").rglob("*.py")
}


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python; it has to end well."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def dotted_names(tree: ast.Module) -> Iterator[str]:
    """Yield what a module uses of other modules, under its full name."""
    home: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                home[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            home.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
    for node in ast.walk(tree):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in home:
            yield ".".join([home[node.id], *reversed(parts)])


def uses_of_clock_or_chance() -> set[tuple[str, str]]:
    return {
        (name_of(path), name)
        for path in MODULES
        for name in dotted_names(ast.parse(path.read_text("utf-8")))
        if CLOCKS_AND_CHANCE.fullmatch(name) and (name_of(path), name) not in SEEDED_CHECKS
    }


class TestSource:
    def test_time_and_chance_are_arguments(self) -> None:
        assert uses_of_clock_or_chance() == set(ALLOWED)

    @pytest.mark.parametrize(
        ("source", "found"),
        [
            ("import time\ntime.time()", "time.time"),
            ("from time import time as now\nnow()", "time.time"),
            ("import numpy as np\nnp.random.rand()", "numpy.random.rand"),
            ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
            ("import random\nrandom.random()", "random.random"),
        ],
    )
    def test_the_walk_sees_them(self, source: str, found: str) -> None:
        assert any(
            name == found and CLOCKS_AND_CHANCE.fullmatch(name) for name in dotted_names(ast.parse(source))
        )

    @pytest.mark.parametrize("path", [*CYTHON, *sorted(CORE.glob("*.pxd"))], ids=name_of)
    def test_the_core_knows_nothing_above_it(self, path: Path) -> None:
        text = path.read_text("utf-8")
        imported = re.findall(r"^\s*from\s+([\w.]+)\s+c?import\b", text, re.MULTILINE)
        imported += re.findall(r"^\s*c?import\s+([\w.]+)(?:\s+as\b|\s*$)", text, re.MULTILINE)
        assert imported, "the pattern must find imports, was none"
        rooms = {name if name.startswith("livetrading") else name.partition(".")[0] for name in imported}
        outside = {name for name in rooms if not name.startswith("livetrading.core")}
        assert outside <= {"cpython", "hashlib", "libc", "numpy"}

    def test_no_build_flag_that_changes_results(self) -> None:
        build = [ROOT / "pyproject.toml", *sorted((ROOT / "csrc").rglob("CMakeLists.txt"))]
        text = "\n".join(path.read_text("utf-8") for path in build)
        assert not re.search(r"-ffast-math|-Ofast|-march=|-mtune=native|-funsafe-math", text)
        assert "-ffp-contract=off" in text

    @pytest.mark.parametrize("path", MODULES, ids=name_of)
    def test_nothing_is_swallowed(self, path: Path) -> None:
        """Whoever catches everything raises it again."""
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = "" if node.type is None else ast.unparse(node.type)
                again = any(isinstance(part, ast.Raise) and part.exc is None for part in ast.walk(node))
                assert caught, f"line {node.lineno}"
                assert again or "Exception" not in caught, f"line {node.lineno}"

    def test_no_bare_except_in_cython(self) -> None:
        for path in CYTHON:
            assert not re.search(
                r"^\s*except(\s+(Base)?Exception\b.*)?\s*:", path.read_text("utf-8"), re.M
            ), path

    @pytest.mark.parametrize("path", MODULES, ids=name_of)
    def test_functions_fit_on_a_screen(self, path: Path) -> None:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = node.end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= SCREEN, f"{node.name} has {lines} lines"

    @pytest.mark.parametrize("path", CYTHON, ids=name_of)
    def test_compiles_without_performance_hints(self, path: Path, tmp_path: Path) -> None:
        done = run("-m", "cython", "-3", "-I", ROOT, "-o", tmp_path / "out.c", path)
        assert "performance hint" not in (done.stdout + done.stderr)
        assert "warning" not in (done.stdout + done.stderr)

    def test_cython_still_says_performance_hint(self, tmp_path: Path) -> None:
        source = tmp_path / "slow.pyx"
        source.write_text("cdef void f() nogil:\n    pass\n\ndef g():\n    with nogil:\n        f()\n")
        assert "performance hint" in run("-m", "cython", "-3", source, cwd=tmp_path).stderr


class TestPackage:
    def test_public_names_exist_and_are_explained(self) -> None:
        for name in livetrading.__all__:
            value = getattr(livetrading, name)
            if isinstance(value, type) or callable(value):
                assert (value.__doc__ or "").strip(), name

    def test_every_module_is_explained(self) -> None:
        for path in MODULES:
            if path.name != "__init__.py":
                assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path

    def test_every_compiled_module_has_its_stub(self) -> None:
        assert {path.stem for path in CYTHON} == {path.stem for path in CORE.glob("*.pyi")}

    def test_import_is_light(self) -> None:
        """No extra and no heavy library comes with the package or with the command line's help."""
        heavy = "{'pandas', 'scipy', 'pyarrow', 'statsmodels', 'matplotlib', 'rich.live', 'rich.table'}"
        code = f"import sys, livetrading, livetrading.runner; print(sorted({heavy} & set(sys.modules)))"
        assert run("-c", code).stdout.strip() == "[]"

    def test_import_alone_takes_no_numpy(self) -> None:
        code = "import sys, livetrading; print('numpy' in sys.modules, 'typer' in sys.modules)"
        assert run("-c", code).stdout.strip() == "False False"

    def test_version_is_that_of_the_installed_package(self) -> None:
        assert re.fullmatch(r"\d+\.\d+.*", livetrading.__version__)

    def test_every_preset_gives_every_key(self) -> None:
        """A preset leaves nothing to a default elsewhere, but for what a run chooses."""
        chosen = {
            "run.capital",
            "run.ticks",
            "run.seconds",
            "run.forever",
            "market.columns",
            "market.returns",
        }
        for preset in PRESETS:
            with (PACKAGE / "presets" / f"{preset}.toml").open("rb") as file:
                tree = tomllib.load(file)
            given = {f"{section}.{key}" for section, table in tree.items() for key in table}
            assert given == set(PATHS) - chosen


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def tick_of_last_fill(config: Config, market: ChaosMarket | GbmMarket) -> int:
    chain, times = ChainClock(config.market.seed), [0]
    processor = Processor(
        config.settings, config.run.capital, market, on_fills=lambda fills: times.append(int(fills["ts"][-1]))
    )
    while (left := DEFAULT_TICKS - processor.totals()["ticks"]) > 0:
        n = min(left, config.run.chunk)
        market.feed(chain.knots(market.next_ts + (n - 1) * market.dt_ns))
        processor.run(n)
    return (times[-1] - market.start_ns) // market.dt_ns


class TestReadme:
    def test_python_runs_as_printed(self, tmp_path: Path) -> None:
        blocks = code_blocks("python")
        assert blocks
        for block in blocks:
            assert run("-W", "error", "-c", block, cwd=tmp_path).stderr == ""
            assert len(block.strip().splitlines()) <= 12

    def test_names_every_option(self) -> None:
        shown = run("-m", "livetrading.runner", "hft", "--help").stdout
        options = set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"}
        assert options <= set(re.findall(r"--[a-z][a-z-]+", README))

    def test_names_every_extra(self) -> None:
        with (ROOT / "pyproject.toml").open("rb") as file:
            extras = tomllib.load(file)["project"]["optional-dependencies"]
        for extra in extras:
            assert f"[{extra}]'" in README

    def test_says_beyond_chance_of_what_the_table_marks(self) -> None:
        """The asterisks of the level form are Metcalfe's two, and one of the price of 30 days before."""
        table = README.partition("Out of sample: RMSE")[2].partition("```")[0]
        marked = [row for row in re.findall(r"^ (.+?)  +(\d.*)$", table, re.MULTILINE) if "*" in row[1]]
        assert [(name, [cell.endswith("*") for cell in row.split("  ")]) for name, row in marked] == [
            ("metcalfe", [True, False, True, False]),
            ("price 30 days ago", [True, False, False, False]),
        ]
        text = " ".join(README.split())
        assert (
            "beyond chance that is only for `metcalfe` and, 30 days ahead, for the price of 30 days before."
            in text
        )

    def test_names_every_key_of_json(self) -> None:
        report = run_hft(load_config({"run.capital": 100, "run.ticks": 1}), null_control=False)
        line = next(block for block in code_blocks("text") if block.startswith("engine, "))
        assert line.replace("\n", " ").strip().split(", ") == list(report.to_dict())

    def test_win_rates_are_those_of_this_code(self) -> None:
        """The table stands as `scripts/figures.py` writes it."""
        assert run(ROOT / "scripts" / "figures.py", "--print").stdout.strip() in README

    def test_last_fills_are_where_the_text_says(self) -> None:
        config = load_config({"run.capital": 100})
        walk = walk_like_chaos(config.market)
        chaos = ChaosMarket(1, walk.start_ns, walk.dt_ns, spread_bps=config.market.spread_bps)
        said = re.search(r"on `chaos` is at tick ([\d,]+) of [\d,]+, on the null at tick\s+([\d,]+)", README)
        assert said is not None
        assert said[1] == f"{tick_of_last_fill(config, chaos):,}"
        assert said[2] == f"{tick_of_last_fill(config, walk.market(1)):,}"

    def test_slow_rule_wins_what_the_text_says(self, tmp_path: Path) -> None:
        file = tmp_path / "slow.toml"
        file.write_text(code_blocks("toml")[-1])
        report = run_hft(load_config({"run.capital": 100}, file=file))
        null, text = report.null_control, " ".join(README.split())
        assert null is not None
        assert (
            f"wins {report.wins} of {report.trades} trades on `chaos`, {report.bps_per_trade:+.0f} bps"
            in text
        )
        assert f"On the walk it wins {null.wins} of {null.trades}." in text

    def test_links_lead_somewhere(self) -> None:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", README):
            assert (ROOT / target).exists(), target


def test_every_room_is_in_the_contract() -> None:
    """The contract is exhaustive, and its file names the rooms that stand."""
    text = (ROOT / "setup.cfg").read_text("utf-8")
    assert "exhaustive = True" in text
    for path in sorted(PACKAGE.iterdir()):
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists()):
            assert re.search(rf"^    (.+ \| )?{path.stem}( \| .+)?$", text, re.MULTILINE), path
            assert import_module(f"livetrading.{path.stem}")


def test_no_marker_of_a_merge_is_left() -> None:
    texts = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]
    for path in (*texts, *MODULES):
        marker = re.search(r"^(<{7}|>{7}) .*", path.read_text("utf-8"), re.MULTILINE)
        assert marker is None, f"{path}: {marker}"
