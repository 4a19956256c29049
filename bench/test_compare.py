"""What counts as a regression."""

import pytest
from compare import Measured, ratios_of, regressions


def figures(ratio: float = 10.0, instructions: float = 700.0, cpu: str = "one") -> Measured:
    return Measured(cpu, "cc 12", {"run": ratio}, {"run": instructions})


@pytest.mark.parametrize(("ratio", "instructions"), [(8.51, 700.0), (10.0, 804.0), (20.0, 100.0)])
def test_within_tolerance_is_none(ratio: float, instructions: float) -> None:
    assert regressions(figures(), figures(ratio, instructions)) == []


def test_a_slower_run_is_named() -> None:
    (line,) = regressions(figures(), figures(ratio=8.49))
    assert "run" in line
    assert "8.49" in line


def test_more_instructions_are_named() -> None:
    (line,) = regressions(figures(), figures(instructions=806.0))
    assert "instructions" in line
    assert "806" in line


def test_another_processor_is_judged_by_instructions_alone() -> None:
    assert regressions(figures(), figures(ratio=1.0, cpu="two")) == []
    assert len(regressions(figures(), figures(ratio=1.0, instructions=900.0, cpu="two"))) == 1


def test_ratios_are_read_by_name() -> None:
    bench = {
        "benchmarks": [
            {"name": "test_run[seed]", "extra_info": {"ratio": 20.0, "ticks_per_second": 1e6}},
            {"name": "test_memory[1]", "extra_info": {"peak_mib": 50.0}},
        ]
    }
    assert ratios_of(bench) == {"run[seed]": 20.0}
