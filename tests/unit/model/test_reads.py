"""Reads that show what the list of flags leaves out: which there are, and what each shows."""

from __future__ import annotations

import pytest
from builders import a_flag, a_variant

from reconciler.model.flag import UNSET, FlagSpec, Variant
from reconciler.model.reads import Read, declared_lists, paths_of, reads_needed

ALL = Read("f", "", "variants")
USERS, COHORTS = Read("f", "a", "users"), Read("f", "a", "cohorts")


def flag(*variants: Variant, **fields: object) -> FlagSpec:
    """A flag with these variants."""
    return a_flag("f", variants=variants, **fields)


@pytest.mark.parametrize(
    ("declared", "live", "reads"),
    [
        (None, flag(a_variant("a")), []),
        (a_flag("f"), flag(a_variant("a")), []),
        (a_flag("f"), a_flag("f"), []),
        (flag(a_variant("a", users=("u",))), a_flag("f"), [ALL]),
        (flag(a_variant("a")), flag(a_variant("a")), []),
        (flag(a_variant("a", name="", description="", payload=1)), flag(a_variant("a")), [ALL]),
        (flag(a_variant("a", name="")), flag(a_variant("a", name="x")), []),
        (flag(a_variant("a", users=(), cohorts=(), name="")), flag(a_variant("a")), [ALL, USERS, COHORTS]),
        (flag(a_variant("a", users=(), cohorts=())), flag(a_variant("a", users=())), [COHORTS]),
        (flag(a_variant("b", renamed_from="a", users=())), flag(a_variant("a")), [USERS]),
        (flag(a_variant("b", users=())), flag(a_variant("a")), []),
        (flag(a_variant("../a", users=(), name="")), flag(a_variant("../a")), [ALL]),
        (flag(a_variant("a", users=())), flag(a_variant("a"), archived=True), []),
        (flag(a_variant("a", users=()), archived=True), flag(a_variant("a"), archived=True), []),
        (flag(a_variant("a", users=()), archived=False), flag(a_variant("a"), archived=True), [USERS]),
        (flag(a_variant("a", users=()), archived=True), flag(a_variant("a"), archived=False), [USERS]),
    ],
)
def test_which_reads_a_comparison_needs(declared: FlagSpec | None, live: FlagSpec, reads: list[Read]) -> None:
    """Of what is declared and not shown, each once; none of what is archived and stays so."""
    assert list(reads_needed(declared, live)) == reads


def test_what_only_one_read_shows() -> None:
    """The declared fields, named by their declared keys."""
    declared = flag(
        a_variant("b", renamed_from="a", users=(), cohorts=(), name="n", payload=None), a_variant("c", users=())
    )
    live = flag(a_variant("a"), a_variant("c"))
    assert [list(paths_of(read, declared, live)) for read in (ALL, USERS, COHORTS)] == [
        ["/variants/b/name", "/variants/b/payload"],
        ["/variants/b/inclusions/users"],
        ["/variants/b/inclusions/cohorts"],
    ]


def test_declared_lists_are_those_that_are_said() -> None:
    """An empty list is one; what is left out is none."""
    a, b, c = a_variant("a", users=()), a_variant("b", cohorts=("x",), users=("u",)), a_variant("c", name="n")
    assert list(declared_lists(flag(a, b, c))) == [(a, "users"), (b, "users"), (b, "cohorts")]
    assert list(declared_lists(a_flag("f", variants=UNSET))) == []
