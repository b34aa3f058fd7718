from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deltastream.plan.permutation import permutation

KEYS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5)


@given(st.integers(0, 300), KEYS)
def test_a_permutation_has_every_index_once_and_depends_on_its_key_alone(
    num_items: int, key: list[int]
) -> None:
    found = permutation(num_items, *key)
    assert found.dtype == "int64"
    assert sorted(found.tolist()) == list(range(num_items))
    assert permutation(num_items, *key).tolist() == found.tolist()


@given(KEYS, KEYS)
def test_different_keys_give_different_permutations(one: list[int], other: list[int]) -> None:
    # Of 64 items there are more permutations than keys ever drawn.
    same = permutation(64, *one).tolist() == permutation(64, *other).tolist()
    assert same == (one == other)


def test_a_level_without_number_and_the_level_0_below_it_differ() -> None:
    assert permutation(64, 1, 2).tolist() != permutation(64, 1, 2, 0).tolist()
