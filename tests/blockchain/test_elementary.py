import math
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain.elementary import exp, log
from livetrading.blockchain.protocol import DomainError

EXACT = Context(prec=40)


def ulps(value: float, exact: Decimal) -> float:
    return float(abs(Decimal(value) - exact)) / math.ulp(float(exact))


positive = st.one_of(
    st.floats(min_value=5e-324, max_value=1.7976931348623157e308),
    st.floats(min_value=0.5, max_value=2.0),
    st.integers(-1074, 1023).map(lambda e: math.ldexp(1.0, e)),
)


@given(positive)
def test_log_is_within_two_ulp(x: float) -> None:
    assert ulps(log(x), Decimal(x).ln(EXACT)) <= 2.0


@given(st.one_of(st.floats(-700.0, 700.0), st.floats(-1.0, 1.0)))
def test_exp_is_within_two_ulp(x: float) -> None:
    assert ulps(exp(x), Decimal(x).exp(EXACT)) <= 2.0


def test_fixed_points() -> None:
    assert log(1.0) == 0.0
    assert exp(0.0) == 1.0


# Correctly rounded, and compared bit for bit: every machine must give these.
@pytest.mark.parametrize(
    ("x", "bits"),
    [(6177.2, "0x1.1750dbac57718p+3"), (2.0**-53, "-0x1.25e4f7b2737fap+5"), (0.7, "-0x1.6d3c324e13f50p-2")],
)
def test_log_bits(x: float, bits: str) -> None:
    assert log(x).hex() == bits


@pytest.mark.parametrize("x", [0.0, -0.0, -1.0, math.inf, math.nan])
def test_log_outside_its_domain(x: float) -> None:
    with pytest.raises(DomainError, match="x must be positive and finite, was"):
        log(x)


@pytest.mark.parametrize("x", [700.0000000000001, -701.0, math.inf, math.nan])
def test_exp_outside_its_domain(x: float) -> None:
    with pytest.raises(DomainError, match="x must be from -700 to 700, was"):
        exp(x)
