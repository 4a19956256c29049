"""Configurations as nobody writes them: TOML text, environment, flags and arguments, mutated and made up."""

import io
import json
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from datetime import date
from importlib import resources
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from tapes import gbm

from livetrading import runner
from livetrading.commands.output import USAGE, fail
from livetrading.config import PATHS, PRESETS, SECTIONS, Config, ConfigError, load_config
from livetrading.core.processor import Processor

Rng = np.random.Generator
Tree = dict[str, Any]

TEXTS: Final = [
    (resources.files("livetrading") / "presets" / f"{name}.toml").read_text("utf-8") for name in PRESETS
]
CHOICES: Final = [
    "chaos",
    "gbm",
    "kelly",
    "fixed",
    "majority",
    "condorcet",
    "none",
    "reverse",
    "flat",
    "constant",
]
WORDS: Final = [
    *CHOICES,
    *[
        "replay",
        "ofi",
        "z_score",
        "true",
        "false",
        "nan",
        "inf",
        "1e400",
        "0x10",
        "1_000",
        "a.csv",
        "a.csv,b.csv",
        "../x.npy",
        "a=b",
        "=",
        "-",
        "[]",
        "{}",
        "%s",
    ],
    *("", " ", "time=ts,amount=volume", "bid, ask", "\0", "\x1b[31m", "é\u202e", "\ud800", "x" * 5000),
    *("a\nb\r\nc", "'", '"""'),
]
NUMBERS: Final = [
    *(0, 1, -1, 2, 7, 100, 4096, 65_536, 2**31, 2**62, 2**63, 2**64 - 1, 2**64, 10**400),
    *(0.0, -0.0, 0.5, 1.0, 1e-12, 1e-5, 0.25, 5.0, 1e9, 1e12, 1e13, 1e308, 5e-324, inf, -inf, nan),
]


def pick(rng: Rng, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def value(rng: Rng, depth: int = 0) -> Any:
    kind = rng.integers(10)
    if kind < 4:
        return pick(rng, NUMBERS)
    if kind < 7:
        return pick(rng, WORDS)
    if kind == 7:
        return bool(rng.integers(2))
    if kind == 8:
        return date(2024, 8, 8)
    if depth > 2:
        return []
    if rng.random() < 0.5:
        return [value(rng, depth + 1) for _ in range(rng.integers(4))]
    return {str(pick(rng, WORDS)): value(rng, depth + 1) for _ in range(rng.integers(3))}


def path(rng: Rng) -> str:
    if rng.random() < 0.97:
        return str(pick(rng, PATHS))
    return f"{pick(rng, [*SECTIONS, *WORDS])}.{pick(rng, [*WORDS, 'ticks', 'window', 'seeds'])}"


def near(rng: Rng, key: str, defaults: Tree) -> Any:
    """Return a value of the key's own kind, in its range or about it."""
    section, _, name = key.partition(".")
    known = defaults.get(section, {}).get(name, 100)
    if isinstance(known, bool):
        return bool(rng.integers(2))
    if isinstance(known, str):
        return pick(rng, [known, known, *CHOICES])
    if isinstance(known, list):
        return [known[k] for k in rng.permutation(len(known))[: rng.integers(len(known) + 1)]]
    if not isinstance(known, int | float):
        return value(rng)
    scaled = known * 10.0 ** rng.uniform(-1, 1)
    return int(scaled) if isinstance(known, int) else scaled


def toml_of(item: Any) -> str:
    """Write a value as TOML, and what TOML does not have (a lone surrogate) as something near."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, str):
        return json.dumps(item)
    if isinstance(item, list):
        return "[" + ", ".join(map(toml_of, item)) + "]"
    if isinstance(item, dict):
        return "{" + ", ".join(f"{toml_of(name)} = {toml_of(part)}" for name, part in item.items()) + "}"
    return str(item)


def document(tree: Tree) -> str:
    lines = [
        f"{toml_of(name)} = {toml_of(item)}" for name, item in tree.items() if not isinstance(item, dict)
    ]
    for name, table in tree.items():
        if isinstance(table, dict):
            lines += [
                f"[{toml_of(name)}]",
                *(f"{toml_of(key)} = {toml_of(item)}" for key, item in table.items()),
            ]
    return "\n".join(lines) + "\n"


DEFAULTS: Final = load_config({"run.capital": 100}).to_dict()


def random_tree(rng: Rng) -> Tree:
    tree: Tree = {}
    for _ in range(rng.integers(0, 5)):
        key = path(rng)
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = near(rng, key, DEFAULTS) if rng.random() < 0.9 else value(rng)
    if rng.random() < 0.03:
        tree[str(pick(rng, [*WORDS, *SECTIONS]))] = value(rng)
    if rng.random() < 0.1:
        tree["preset"] = pick(rng, [*PRESETS, "presets", 1, ""])
    return tree


def mutate(data: bytes, rng: Rng) -> bytes:
    """Flip, cut, double or insert, once or a few times."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(out) + 1))
        kind = rng.integers(5)
        if kind == 0 and at < len(out):
            out[at] = int(rng.integers(256))
        elif kind == 1:
            del out[at : at + int(rng.integers(1, 30))]
        elif kind == 2:
            out[at:at] = out[at : at + int(rng.integers(1, 60))]
        elif kind == 3:
            out[at:at] = str(value(rng)).encode(errors="surrogatepass")
        else:
            out[at:at] = rng.bytes(int(rng.integers(1, 9)))
    return bytes(out)


def toml_bytes(rng: Rng) -> bytes:
    kind = rng.random()
    if kind < 0.5:
        return document(random_tree(rng)).encode(errors="replace")
    if kind < 0.9:
        return mutate(pick(rng, TEXTS).encode(), rng)
    if kind < 0.95:
        return pick(rng, TEXTS).encode(pick(rng, ["utf-16", "utf-8-sig", "utf-32"]))
    return rng.bytes(int(rng.integers(200)))


def layer(rng: Rng, name: Callable[[str], str], most: int) -> dict[str, Any]:
    keys = [path(rng) for _ in range(rng.integers(most + 1))]
    return {
        name(key): str(near(rng, key, DEFAULTS)) if rng.random() < 0.8 else str(value(rng)) for key in keys
    }


def variable(key: str) -> str:
    return "LIVETRADING_" + key.upper().replace(".", "__")


def assert_explains(error: Exception, names: set[str], file: Path) -> None:
    """Assert that the error is told in one printable line that names the key, or the line of the file."""
    said = io.StringIO()
    with redirect_stderr(said):
        assert fail(str(error), USAGE) == 2
    line = said.getvalue()
    assert line.endswith("\n"), repr(line)
    assert line.count("\n") == 1, repr(line)
    assert len(line) < 700, repr(line)
    assert line.isascii() or line[:-1].isprintable(), repr(line)
    assert line[:-1].isprintable(), repr(line)
    known = {*PATHS, *SECTIONS, "preset", "environment variable", str(file), "flag ", "--", "CAPITAL", *names}
    assert any(name in line for name in known), repr(line)


def assert_valid(config: Config, rng: Rng, folder: Path) -> None:
    """Assert that the tree is plain, says the same when read again, and can be run."""
    tree = config.to_dict()
    json.dumps(tree, allow_nan=False)
    again = {name: {key: item for key, item in table.items() if item is not None}
             for name, table in tree.items() if isinstance(table, dict)}  # fmt: skip
    file = folder / "again.toml"
    file.write_text("preset = " + toml_of(config.preset) + "\n" + document(again), encoding="utf-8")
    assert load_config(file=file, environ={}) == config
    assert isfinite(config.run.capital)
    settings = config.settings
    known = settings.broker.latency != "recorded" and "user" not in settings.signals.voters
    if known and rng.random() < 0.05:
        processor = Processor(config.settings, config.run.capital)
        processor.replay(gbm(1, 300))
        assert processor.totals()["ticks"] == 300


class Reached(Exception):
    """The run itself, which the command line reached."""


def reach(*arguments: Any, **options: Any) -> None:
    raise Reached


def command_line(rng: Rng, file: Path) -> Counter[str]:
    """Call the command line with made-up arguments, up to the run."""
    flags = [f"--{name.replace('_', '-')}" for name in runner.FLAGS]
    arguments = ["hft", *([str(value(rng))] if rng.random() < 0.8 else [])]
    for _ in range(rng.integers(4)):
        arguments += [pick(rng, [*flags, "--preset", "--out", "--jsn", "--json"]), str(value(rng))]
    if rng.random() < 0.3:
        arguments += ["--config", str(file)]
    said = io.StringIO()
    try:
        with patch("livetrading.engine.hft.run_hft", reach), redirect_stderr(said), patch.dict("os.environ"):
            code = runner.main([text.replace("\0", "") for text in arguments])
    except Reached:
        return Counter({"command lines accepted": 1, "command lines fed": 1})
    line = said.getvalue()
    assert code == 2, (code, arguments, line)
    assert line.startswith("livetrading: "), repr(line)
    assert line.count("\n") == 1, repr(line)
    return Counter({"command lines fed": 1})


def case(rng: Rng, folder: Path) -> Counter[str]:
    """Load one configuration: valid, or refused in one line."""
    file = folder / "c.toml"
    file.write_bytes(toml_bytes(rng))
    if rng.random() < 0.1:
        return command_line(rng, file)
    environ = layer(rng, variable, 2) if rng.random() < 0.3 else {}
    flags = layer(rng, str, 2) if rng.random() < 0.3 else {}
    if rng.random() < 0.9:
        flags["run.capital"] = pick(rng, ["100", 100, 0.01, 1e12])
    preset = pick(rng, [None, None, None, None, *PRESETS, "sed"])
    try:
        config = load_config(flags, preset=preset, file=file, environ=environ)
    except ConfigError as error:
        assert_explains(error, {*environ, *flags}, file)
        return Counter({"documents fed": 1})
    assert_valid(config, rng, folder)
    return Counter({"documents fed": 1, "documents accepted": 1})
