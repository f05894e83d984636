"""What is equal and looks different is no change; what looks equal and is different is told apart."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from emulators import flag_of, seeded

if TYPE_CHECKING:
    from conftest import Repository

CONDITION = {"type": "property", "prop": "country", "op": "is", "values": ["US", "CA"]}
VARIANTS = [{"key": "a"}, {"key": "b"}, {"key": "c"}]


def a_segment(**fields: Any) -> dict[str, Any]:
    segment = {"name": "s", "conditions": [CONDITION], "percentage": 10, "bucketingKey": "user_id"}
    return {**segment, "rolloutWeights": {"a": 100, "b": 0}, **fields}


def beside(repository: Repository, declared: str, **live: Any) -> None:
    """One live flag, and the file that declares it."""
    repository.write("flags/new-checkout.yaml", f"key: f\n{declared}")
    seeded(repository.emulator, [{"key": "f", "variants": VARIANTS, "tags": ["managed"], **live}])


def last_line(repository: Repository) -> str:
    return repository.run("plan").out.splitlines()[-1]


@pytest.mark.parametrize(
    ("weights", "declared"),
    [
        ({"a": 33.34, "b": 33.33, "c": 33.33}, "{a: 3334, b: 3333, c: 3333}"),
        ({"a": 0.1, "b": 0.2, "c": 0}, "{a: 1, b: 2}"),
        ({"a": 66.6, "b": 33.3}, "{a: 2, b: 1}"),
        ({"a": 12.5, "b": 87.5}, "{a: 1, b: 7}"),
        ({"a": 33.333333333333336, "b": 66.66666666666667}, "{a: 1, b: 2}"),
        ({"a": 100 / 7, "b": 100 / 7, "c": 500 / 7}, "{a: 1, b: 1, c: 5}"),
        ({"a": 1e-07, "b": 1}, "{a: 1, b: 10000000}"),
    ],
)
def test_weights_are_ratios_of_exact_decimals(
    repository: Repository, weights: dict[str, float], declared: str
) -> None:
    """Of the flag and of its segments: no change; and import writes them in whole numbers."""
    segment = (
        "targetSegments: [{name: s, conditions: [{prop: country, op: is, values: [CA, US]}], percentage: 10, "
        f"rolloutWeights: {declared}}}]\n"
    )
    beside(
        repository,
        f"rolloutWeights: {declared}\n{segment}",
        rolloutWeights=weights,
        targetSegments=[a_segment(rolloutWeights=weights)],
    )
    assert last_line(repository) == "No changes."
    (repository.root / "flags/new-checkout.yaml").unlink()
    ran = repository.run("import", "--target", "f")
    assert (ran.code, "left out" in ran.err) == (0, False)
    assert last_line(repository) == "No changes."


@pytest.mark.parametrize("more", [[], [{**CONDITION, "values": ["CA", "US", "CA"]}]])
def test_conditions_that_all_must_hold_have_no_order(repository: Repository, more: list[Any]) -> None:
    """Neither their order nor a copy is a change, nor drift, nor shown beside one; another condition is."""
    plan = {**CONDITION, "prop": "plan", "values": ["pro"]}
    declared = "{prop: country, op: is, values: [US, CA]}, {prop: plan, op: is, values: [pro]}"
    segment = "targetSegments: [{name: s, conditions: [%s], percentage: %d, rolloutWeights: {a: 1}}]\n"
    beside(repository, segment % (declared, 10), targetSegments=[a_segment(conditions=[plan, CONDITION, *more])])
    assert last_line(repository) == "No changes."
    assert repository.run("drift").code == 0
    repository.write("flags/new-checkout.yaml", f"key: f\n{segment % (declared, 20)}")
    ran = repository.run("plan", "-v")
    assert ("targetSegments/s/percentage" in ran.out, "s/conditions" in ran.out) == (True, False)
    repository.write("flags/new-checkout.yaml", f"key: f\n{segment % (declared.replace('[pro]', '[free]'), 10)}")
    assert last_line(repository).startswith("Plan: 0 create, 1 update")


def test_thirds_of_a_hundred_are_not_thirds(repository: Repository) -> None:
    """33.34 is not a third: that is a change, as long as it was not edited after the file said what it says."""
    beside(repository, "rolloutWeights: {a: 1, b: 1, c: 1}\n", rolloutWeights={"a": 33.34, "b": 33.33, "c": 33.33})
    later = time.time() + 60
    os.utime(repository.root / "flags" / "new-checkout.yaml", (later, later))
    assert last_line(repository).startswith("Plan: 0 create, 1 update")


def test_equal_weights_and_conditions_are_not_shown_beside_a_change(repository: Repository) -> None:
    """A weight of 0 that is not declared, other numbers of the same ratio, values in another order."""
    beside(
        repository,
        "targetSegments: [{name: s, conditions: [{prop: country, op: is, values: [CA, US]}], percentage: 20, "
        "rolloutWeights: {a: 1}}]\n",
        targetSegments=[a_segment()],
    )
    ran = repository.run("plan", "-v")
    assert "targetSegments/s/percentage  10 → 20" in ran.out
    assert "s/rolloutWeights" not in ran.out
    assert "s/conditions" not in ran.out


@pytest.mark.parametrize("name", ["", None, "  "])
def test_a_segment_without_a_name_gets_one_in_the_file(repository: Repository, name: str | None) -> None:
    """The import says so; nothing is planned for it, and the next edit of the segments carries it."""
    others = [a_segment(), a_segment(name=name, conditions=[{**CONDITION, "values": ["FR"]}])]
    beside(repository, "name: x\n", targetSegments=others)
    (repository.root / "flags/new-checkout.yaml").unlink()
    ran = repository.run("import", "--target", "f")
    assert ran.code == 0
    assert 'f: segments without a name are called "Segment 2" in the file.' in ran.err
    path = repository.root / "flags/f.yaml"
    assert last_line(repository) == "No changes."
    assert repository.run("drift").code == 0
    path.write_text(path.read_text().replace("percentage: 10", "percentage: 20", 1))
    assert repository.run("apply", "--auto-approve").code == 0
    assert [item["name"] for item in flag_of(repository.emulator, "f")["targetSegments"]] == ["s", "Segment 2"]
    assert last_line(repository) == "No changes."


def test_names_that_look_alike_show_their_code_points(repository: Repository) -> None:
    """Composed and decomposed letters; validate warns of the latter."""
    beside(repository, "name: Cafe\u0301\n", name="Caf\u00e9")
    out = repository.run("plan", "-v").out
    assert r'"Caf\u00e9" → "Cafe\u0301"' in out
    ran = repository.run("validate")
    assert (ran.code, "[not-nfc]" in ran.out) == (0, True)


@pytest.mark.parametrize("place", ["name: 'x '\n", "description: |\n  text\n", "variants: [{key: a, name: ' x'}]\n"])
def test_validate_warns_of_space_around_a_text(repository: Repository, place: str) -> None:
    """A server may trim it, and then it differs for ever."""
    repository.write("flags/new-checkout.yaml", f"key: f\n{place}")
    ran = repository.run("validate")
    assert (ran.code, ran.out.count("[outer-space]")) == (0, 1)


@pytest.mark.parametrize("word", ["True", "FALSE", "yes", "No", "on", "OFF", "Null", "NULL"])
def test_validate_warns_of_words_that_others_take_for_more_than_text(repository: Repository, word: str) -> None:
    """In values and keys, at any depth; in quotes it is text for everyone. `fmt` puts them there."""
    path = repository.write(
        "flags/new-checkout.yaml",
        f"key: f\nvariants:\n  - key: a\n    payload: {{enabled: {word}, {word}: [{word}]}}\n",
    )
    ran = repository.run("validate")
    assert (ran.code, ran.out.count("[ambiguous-word]")) == (0, 3)
    assert f"`{word}` is text here" in ran.out
    assert "ambiguous-word" not in repository.run("plan").err
    assert repository.run("fmt").code == 0
    assert "[ambiguous-word]" not in repository.run("validate").out
    assert f'"{word}"' in path.read_text()


@pytest.mark.parametrize("word", ["true", "false", "null", "~", "'True'", "none", "y", "Onwards"])
def test_words_that_all_readers_agree_on_are_no_matter(repository: Repository, word: str) -> None:
    """Booleans, null and plain text."""
    repository.write("flags/new-checkout.yaml", f"key: f\nvariants: [{{key: a, payload: {{enabled: {word}}}}}]\n")
    assert "[ambiguous-word]" not in repository.run("validate").out
