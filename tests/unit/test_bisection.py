"""The least amount that suffices is found, closely enough, in few tries, or said not to exist."""

from hypothesis import given
from hypothesis import strategies as st

from evaluator.measure.bisection import least


@given(st.integers(1, 10**12), st.floats(1.0, 1e3), st.floats(0.01, 0.5))
def test_it_is_found_within_the_resolution(low: int, factor: float, resolution: float) -> None:
    needed = max(low + 1, int(low * factor))
    found = least(lambda amount: amount >= needed, low, needed * 2, resolution=resolution)
    assert found is not None
    assert needed <= found <= max(needed * (1 + resolution), needed + 1)


@given(st.integers(1, 10**6), st.floats(0.0, 3.0))
def test_what_never_suffices_is_said(low: int, factor: float) -> None:
    tried: list[int] = []
    most = int(low * factor)

    def suffices(amount: int) -> bool:
        tried.append(amount)
        return False

    assert least(suffices, low, most, resolution=0.05) is None
    assert max(tried, default=most) == most or low >= most


def test_tries_are_few() -> None:
    tried: list[int] = []

    def suffices(amount: int) -> bool:
        tried.append(amount)
        return amount >= 140

    least(suffices, 100, 10**9, resolution=0.05)
    assert len(tried) <= 6
