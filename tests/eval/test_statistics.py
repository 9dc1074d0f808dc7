"""Intervals against their defining equation and published figures; averages against simulation-free formulas."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arabic_r1_jax.eval.statistics import Z95, macro_average, wilson


@given(st.integers(1, 100_000), st.data())
def test_the_ends_of_the_interval_solve_its_equation(n, data):
    right = data.draw(st.integers(0, n))
    share = right / n
    low, high = wilson(right, n)
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        # |p - share| = z sqrt(p (1 - p) / n); at p = 0 or 1 both sides are 0 when right is 0 or n.
        assert abs(end - share) == pytest.approx(Z95 * math.sqrt(end * (1 - end) / n), abs=1e-7)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_of_the_wrong_answers_mirrors_that_of_the_right_ones(right, wrong):
    low, high = wilson(right, right + wrong)
    mirrored = wilson(wrong, right + wrong)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)


def test_intervals_of_known_counts():
    # 8 of 10 as in any table; half-widths of 3.4 points at 80% of the 537 questions of EXAMS and the 522 of AraTrust.
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    for n in (537, 522):
        low, high = wilson(round(0.8 * n), n)
        assert (high - low) / 2 == pytest.approx(0.034, abs=5e-4)


def test_the_macro_average_weighs_tasks_alike_and_its_error_shrinks_with_them():
    mean, error = macro_average([(8, 10), (20, 100)])
    assert mean == pytest.approx(0.5)
    assert error == pytest.approx(math.sqrt(0.16 / 9 + 0.16 / 99) / 2)
    one = macro_average([(50, 100)])[1]
    assert macro_average([(50, 100)] * 4)[1] == pytest.approx(one / 2)
    assert macro_average([(1, 1)]) == (1.0, 0.0)
