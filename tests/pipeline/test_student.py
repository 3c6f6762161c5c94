import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from swarm.pipeline.student import quantile, survival

FREEDOMS = (1.0, 1.5, 2.0, 3.0, 3.79, 6.0, 10.0, 30.0, 62.0, 100.0, 1_000.0, 10_000.0)
TS = (-50.0, -5.0, -1.0, -1e-3, 0.0, 1e-3, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 50.0)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_survival_agrees_with_scipy_to_ten_digits(freedom: float) -> None:
    expected = [float(stats.t.sf(t, freedom)) for t in TS]

    ours = [survival(t, freedom) for t in TS]

    assert ours == pytest.approx(expected, rel=1e-10, abs=1e-290)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_quantile_agrees_with_scipy(freedom: float) -> None:
    tails = (1e-6, 0.001, 0.004, 0.025, 0.3, 0.5)

    ours = [quantile(tail, freedom) for tail in tails]

    expected = [float(stats.t.isf(tail, freedom)) for tail in tails]
    assert ours == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_survival_with_one_degree_of_freedom_is_cauchy_even_where_digits_cancel() -> None:
    ours = survival(1e-8, 1.0)

    assert ours == pytest.approx(0.5 - math.atan(1e-8) / math.pi, rel=1e-14)


@given(st.floats(allow_nan=False), st.floats(1.0, 1e4))
def test_survival_is_a_probability_and_its_mirror_its_complement(t: float, freedom: float) -> None:
    above, below = survival(t, freedom), survival(-t, freedom)

    assert 0.0 <= above <= 1.0
    assert above + below == pytest.approx(1.0, abs=1e-12)
