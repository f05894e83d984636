"""The open behaviours as a whole: what they may be, and how tests meet all of them."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from emulators import each_behaviour, pairwise_behaviours

from reconciler import emulator
from reconciler.emulator import Behaviour


def test_the_package_has_what_it_says_it_has() -> None:
    """Each name that it lists."""
    assert set(emulator.__all__) <= vars(emulator).keys()


def test_a_behaviour_that_does_not_exist_is_refused() -> None:
    """A misspelt alternative cannot quietly be the expected one."""
    with pytest.raises(ValueError, match="ids is one of"):
        Behaviour(ids="text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="read_lag"):
        Behaviour(read_lag=-1)
    assert Behaviour(read_lag=5).read_lag == 5


def test_the_expected_form_of_every_behaviour_is_the_default() -> None:
    """The first alternative is what a plain Behaviour has, and there is always another."""
    for name, alternatives in Behaviour.alternatives().items():
        assert getattr(Behaviour(), name) == alternatives[0]
        assert len(alternatives) > 1


def test_a_few_servers_hold_every_pair_of_alternatives() -> None:
    """The pairwise servers leave out no two alternatives of different fields."""
    servers = pairwise_behaviours()
    alternatives = Behaviour.alternatives()
    for one, other in combinations(alternatives, 2):
        met = {(getattr(server, one), getattr(server, other)) for server in servers}
        assert met == set(product(alternatives[one], alternatives[other]))
    assert len(servers) < 40


def test_every_alternative_is_met_alone() -> None:
    """There is one server for each alternative beside the expected one, and they all differ."""
    servers = list(each_behaviour())
    assert len(set(servers)) == len(servers) == 1 + sum(len(item) - 1 for item in Behaviour.alternatives().values())
