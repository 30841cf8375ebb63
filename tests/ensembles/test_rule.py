"""The rule that suggests a rank: the largest one of which every fold finds all again, unless one predicts better."""

import numpy as np
import pytest

from dnmf.ensembles.ranks_rule import directions_found, suggest


def errors(**of_ranks):
    """Held-out errors of four folds, which differ more than ranks do."""
    folds = np.array([-0.02, -0.01, 0.01, 0.02])
    wobble = np.array([1, -1, 1, -1])
    return {int(k[1:]): mean + folds + 1e-4 * (-1) ** int(k[1:]) * wobble for k, mean in of_ranks.items()}


FALLING = {"_2": 0.5, "_3": 0.4, "_4": 0.3, "_5": 0.3005, "_6": 0.301}


def test_the_largest_rank_of_which_all_is_found_again_is_taken():
    found = suggest(errors(**FALLING), {2: 2, 3: 3, 4: 4, 5: 4, 6: 4})
    assert found.rank == 4
    assert found.reason == "every fold finds all 4 components again, but only 4 of 5; the held-out error is the lowest"


def test_a_lower_error_that_is_not_clearly_lower_does_not_speak_against_it():
    found = suggest(errors(**{**FALLING, "_5": 0.29985}), {2: 2, 3: 3, 4: 4, 5: 4, 6: 4})
    assert found.rank == 4
    assert "about as low as the lowest (at 5)" in found.reason


def test_where_of_no_rank_all_is_found_again_as_many_are_taken_as_are():
    found = suggest(errors(**FALLING), {2: 2, 3: 2, 4: 3, 5: 4, 6: 4})
    assert found.rank == 4
    assert "every fold finds 4 again" in found.reason


def test_of_ranks_with_gaps_the_nearest_is_taken():
    found = suggest(errors(_2=0.5, _4=0.4, _6=0.3, _8=0.3005, _10=0.301), {2: 2, 4: 4, 6: 5, 8: 5, 10: 5})
    assert found.rank in (4, 6)
    assert "5 was not tried" in found.reason


@pytest.mark.parametrize(
    ("of_ranks", "found", "why"),
    [
        ({"_2": 0.5, "_3": 0.4, "_4": 0.3}, {2: 2, 3: 3, 4: 3}, "still falls at 4, the largest rank tried"),
        ({"_2": 0.5, "_3": 0.4, "_4": 0.4}, {2: 2, 3: 3, 4: 4}, "even of 4, the largest rank tried"),
        ({"_2": 0.5, "_3": 0.501, "_4": 0.502}, {2: 1, 3: 1, 4: 1}, "only one component again"),
        ({"_2": 0.5, "_3": 0.501, "_4": 0.502}, {2: 0, 3: 0, 4: 0}, "no fold finds again"),
        ({"_4": 0.5, "_6": 0.501, "_8": 0.502}, {4: 2, 6: 2, 8: 3}, "only 2 of 4 components again, the smallest rank"),
        ({"_2": 0.5, "_3": 0.4, "_6": 0.1, "_7": 0.1005, "_8": 0.101}, {2: 2, 3: 3, 6: 3, 7: 3, 8: 3},
         "3 components again, but 6 predict clearly better"),
        ({"_2": np.nan, "_3": np.nan}, {2: 2, 3: 2}, "nothing that could be predicted"),
    ],
)  # fmt: skip
def test_there_may_be_no_clear_rank_and_it_is_said_why(of_ranks, found, why):
    suggestion = suggest(errors(**of_ranks), found)
    assert suggestion.rank is None
    assert suggestion.reason.startswith("no clear rank: ")
    assert why in suggestion.reason


def test_directions_are_found_whatever_their_order_scale_and_mixture():
    rng = np.random.default_rng(0)
    H = rng.random((3, 50))
    mixed = rng.random((3, 3)) @ H[[2, 0, 1]]
    assert directions_found([H, mixed, 5 * H]) == 3
    other = np.concatenate([H[:2], rng.random((1, 50))])
    assert directions_found([H, mixed, other]) == 2


def test_components_that_are_zero_span_nothing():
    alive = np.vstack([np.eye(5)[:1], np.zeros((3, 5))])
    other = np.vstack([np.eye(5)[1:2], np.zeros((3, 5))])
    assert directions_found([alive, other]) == 0
    assert directions_found([alive, alive]) == 1
    assert directions_found([np.zeros((5, 40))] * 4) == 0


def test_of_one_rank_alone_it_is_said_that_there_is_nothing_to_compare():
    assert suggest({3: [0.4, 0.5]}, {3: 3}).reason == (
        "no clear rank: 3 is the only rank tried, and there is none to compare it with; try some on either side"
    )
