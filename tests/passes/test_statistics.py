"""Statistics add up in one fixed order, whoever adds them."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnmf.passes.statistics import ModelSums, Statistics, add, sum_in_order, tree_levels


def _random_parts(count: int) -> list[Statistics]:
    rng = np.random.default_rng(count)
    return [
        Statistics(
            [ModelSums(rng.normal(size=(3, 3)), rng.normal(size=(7, 3)), rng.normal(size=3), rng.random(3))],
            rows=int(rng.integers(9)),
            squares=float(rng.normal()), bytes_read=int(rng.integers(100)),
        )
        for _ in range(count)
    ]  # fmt: skip


def _by_pairs(parts: list[Statistics]) -> Statistics:
    while len(parts) > 1:
        parts = [sum(parts[i + 1 : i + 2], parts[i]) for i in range(0, len(parts), 2)]
    return parts[0]


def _by_levels(parts: list[Statistics]) -> Statistics:
    for level in tree_levels(len(parts)):
        parts = [add(*(parts[i] for i in node)) for node in level]
    return parts[0]


@pytest.mark.slow
@given(st.integers(1, 300))
def test_adding_as_they_come_and_by_fours_is_the_binary_tree_bit_for_bit(count):
    tree = _by_pairs(_random_parts(count))
    in_place = sum_in_order(_random_parts(count), own=True)
    for other in (sum_in_order(iter(_random_parts(count))), in_place, _by_levels(_random_parts(count))):
        assert other.models[0].P.tobytes() == tree.models[0].P.tobytes()
        assert other.models[0].G.tobytes() == tree.models[0].G.tobytes()
        assert other.squares == tree.squares


@given(st.integers(1, 40))
def test_counts_are_the_plain_sums(count):
    parts = _random_parts(count)
    total = sum_in_order(parts)
    assert total.rows == sum(part.rows for part in parts)
    assert total.bytes_read == sum(part.bytes_read for part in parts)
    np.testing.assert_allclose(total.models[0].s, sum(part.models[0].s for part in parts))


@given(st.integers(2, 40))
def test_adding_changes_no_part(count):
    parts = _random_parts(count)
    add(*parts)
    assert [part.models[0].P.tobytes() for part in parts] == [
        part.models[0].P.tobytes() for part in _random_parts(count)
    ]


def test_parts_of_our_own_take_no_memory_to_be_added():
    parts = [Statistics([ModelSums.zeros(3, 20_000)]) for _ in range(16)]
    tracemalloc.start()
    sum_in_order(parts, own=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < parts[0].models[0].P.nbytes / 4
