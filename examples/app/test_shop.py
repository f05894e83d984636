"""The shop's own tests, on the flags of this branch: `pytest`, or `pytest --flags-from plan.json`.

The fixture `flags` comes with `pip install 'amplitude-flag-reconciler[serve]'`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shop import Shop

if TYPE_CHECKING:
    from reconciler.pytest_plugin import Flags


def button(flags: Flags, user_id: str, country: str = "US") -> str:
    """What the shop shows a user now."""
    with closing(Shop(flags.deployment_key, flags.url)) as shop:
        return shop.checkout_button(user_id, country)


def test_the_new_checkout(flags: Flags) -> None:
    """Its button says what the payload says."""
    flags.set("new-checkout", "treatment")
    assert button(flags, "anyone") == "Buy now"


def test_the_old_checkout(flags: Flags) -> None:
    """It is there for those who are in the control group, and for those who get no variant."""
    for variant in ("control", "off"):
        flags.set("new-checkout", variant)
        assert button(flags, "anyone") == "Go to checkout"


def test_one_user(flags: Flags) -> None:
    """A variant can be chosen for one user alone."""
    flags.set("new-checkout", "off")
    flags.set("new-checkout", "treatment", user="lin@example.com")
    assert button(flags, "lin@example.com") == "Buy now"
    assert button(flags, "kim@example.com") == "Go to checkout"


def test_who_gets_it(flags: Flags) -> None:
    """What the flags themselves say: the listed user has it, and Germany keeps the old one."""
    assert button(flags, "ada@example.com") == "Buy now"
    assert button(flags, "lin@example.com", "DE") == "Go to checkout"
