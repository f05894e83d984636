"""What a plan has to say beside its calls, to the word."""

from __future__ import annotations

import pytest
from builders import (
    a_config,
    a_desired_flag,
    a_flag,
    a_full_flag,
    a_full_variant,
    a_live_flag,
    a_live_state,
    a_position,
    a_segment,
    a_variant,
)

from reconciler.diagnostics import LEFT_OUT, Diagnostic, Severity
from reconciler.model.config import Ignored
from reconciler.model.flag import DesiredState, FlagSpec, LiveFlag, Weights
from reconciler.planning.operations import DeleteVariant, RemoveDeployment
from reconciler.planning.pruning import is_prunable, warn_of_pruning
from reconciler.planning.remarks import problems_with, unaddressable

TAG = "managed"
TAGGED = a_config(managed_tag=TAG)


def a_tagged_flag(key: str, editor: str = "else@example.com", **fields: object) -> LiveFlag:
    """A live flag with the tag, and who edited it last."""
    return a_live_flag(a_full_flag(key, tags=(TAG,), **fields), last_modified_by=editor)


def test_what_no_request_can_name() -> None:
    """Each key or id once, with what to do; the others are not named."""
    desired = a_desired_flag(a_full_flag("f"))
    calls = [
        DeleteVariant(flag_key="f", variant_key=".."),
        DeleteVariant(flag_key="f", variant_key="a"),
        DeleteVariant(flag_key="f", variant_key=""),
        DeleteVariant(flag_key="f", variant_key=".."),
        RemoveDeployment(flag_key="f", deployment="."),
        RemoveDeployment(flag_key="f", deployment="67"),
    ]
    found = [(item.severity, item.rule, item.message, item.path) for item in unaddressable(desired, calls)]
    variant = 'No request can name the variant "{}" of "f": give it another key, or delete it, in Amplitude.'
    deployment = 'No request can name the deployment "." of "f": detach it in Amplitude.'
    assert found == [
        (Severity.ERROR, "unaddressable-variant", variant.format(".."), "/variants"),
        (Severity.ERROR, "unaddressable-variant", variant.format(""), "/variants"),
        (Severity.ERROR, "unaddressable-deployment", deployment, "/deployments"),
    ]


@pytest.mark.parametrize(
    ("count", "names"),
    [(1, "a"), (5, "a, b, c, d, e"), (6, "a, b, c, d, e and 1 more"), (7, "a, b, c, d, e and 2 more")],
)
def test_flags_that_another_repository_may_declare(count: int, names: str) -> None:
    """Five are named, of those with the tag that are not archived and that no editor of ours edited last."""
    others = [a_tagged_flag(key) for key in "gfedcba"[-count:]]
    live = a_live_state(
        *others,
        a_tagged_flag("ours", "us@example.com"),
        a_tagged_flag("deleted", "us@example.com"),
        a_tagged_flag("archived", archived=True),
        a_live_flag(a_full_flag("plain", tags=("t",)), last_modified_by="else@example.com"),
        a_tagged_flag("elsewhere"),
    )
    desired = DesiredState(flags={"ours": a_desired_flag(a_full_flag("ours"))})
    (said,) = warn_of_pruning(desired, live, TAGGED, lambda key: key != "elsewhere")
    assert said == (
        "Flags that carry managed are declared nowhere here, and were last edited by others than the declared ones: "
        f"{names}. If another repository uses the same tag, give each a `managedTag` of its own."
    )
    assert [*warn_of_pruning(desired, live, a_config(), lambda _: True)] == []
    assert [*warn_of_pruning(desired, live, TAGGED, lambda _: False)] == []


@pytest.mark.parametrize(
    ("count", "names"), [(0, ""), (1, "x0.txt"), (2, "x0.txt and 1 more"), (3, "x0.txt and 2 more")]
)
def test_files_that_are_not_read_may_declare_what_is_pruned(count: int, names: str) -> None:
    """The first is named; other warnings, and those without a place, are none of them."""
    rule = next(iter(LEFT_OUT))
    warnings = (
        Diagnostic(severity=Severity.WARNING, rule="other", message="m", position=a_position()),
        Diagnostic(severity=Severity.WARNING, rule=rule, message="m"),
        *(
            Diagnostic(severity=Severity.WARNING, rule=rule, message="m", position=a_position(file=f"x{number}.txt"))
            for number in range(count)
        ),
    )
    desired = DesiredState(flags={}, warnings=warnings)
    expected = [f"--prune takes for gone what files that are not read declare: {names}."] if count else []
    assert [*warn_of_pruning(desired, a_live_state(), TAGGED, lambda _: True)] == expected


def test_what_prune_archives() -> None:
    """A flag with the managed tag; without one in the configuration, none."""
    assert is_prunable(a_tagged_flag("a"), TAGGED)
    assert not is_prunable(a_live_flag(a_full_flag("a", tags=("t",))), TAGGED)
    assert not is_prunable(a_tagged_flag("a"), a_config())


def test_variants_that_a_declaration_names_and_nobody_has() -> None:
    """In its weights and segments, each place; where variants are declared, validation says it."""
    names = Weights.of({"gone": 1, "control": 1, "lost": 0})
    segments = (a_segment("Known"), a_segment("Other", rollout_weights=names))
    live = a_full_flag("f")
    spec = a_flag("f", rollout_weights=names, target_segments=segments)
    found = list(problems_with(a_desired_flag(spec), live))
    assert [(item.rule, item.path, item.message) for item in found] == [
        ("unknown-variant", path, f'The live flag "f" has no variant "{key}".')
        for path in ("/rolloutWeights", "/targetSegments/1/rolloutWeights")
        for key in ("gone", "lost")
    ]
    spec = a_flag("f", rollout_weights=names, variants=(a_variant("control"), a_variant("gone")))
    assert list(problems_with(a_desired_flag(spec), live)) == []
    kept = a_desired_flag(spec, ignored=Ignored((("variants", "other"),)))
    assert [item.message for item in problems_with(kept, live)] == ['The live flag "f" has no variant "lost".']


def test_variants_that_others_keep_may_stay_in_segments() -> None:
    """A live segment names them, and neither goes; of a declared list of segments only those that others keep."""
    segments = tuple(a_segment(name, rollout_weights=Weights.of({"theirs": 1})) for name in ("Beta", "Alpha"))
    variants = tuple(map(a_full_variant, ("control", "theirs")))
    live = a_full_flag("f", target_segments=segments, variants=variants)
    silent = a_flag("f", variants=(a_variant("control"),))
    declared = a_flag("f", variants=(a_variant("control"),), target_segments=())

    def named(*paths: tuple[str, ...], spec: FlagSpec = silent) -> list[str]:
        problems = problems_with(a_desired_flag(spec, ignored=Ignored(paths)), live)
        return [item.message.split('"')[3] for item in problems]

    assert named() == ["Beta", "Alpha"]
    assert named(("variants", "theirs")) == []
    assert named(("variants", "other")) == ["Beta", "Alpha"]
    assert named(spec=declared) == []
    assert named(("targetSegments", "Alpha"), spec=declared) == ["Alpha"]
