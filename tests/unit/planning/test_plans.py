"""Plans as they are shown, whole: plans.txt holds live flags, declarations, and what a plan says of them.

A block begins with `== name`, with options of a plan behind it. Live flags come first, with defaults for what is not
said of them, then `->` and the declarations, then `=>` and the plan. UPDATE_SNAPSHOTS=1 rewrites what follows `=>`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from builders import a_config, a_full_flag, a_full_variant, a_live_flag, a_live_state
from msgspec.structs import asdict

from reconciler.files.load import load_contents
from reconciler.model.config import IgnoreRule
from reconciler.model.flag import FlagSpec, Unset
from reconciler.planning.guards import check_guards
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import build_plan
from reconciler.planning.warnings import with_exposure
from reconciler.reports.registry import PLAN, RenderOptions, render

if TYPE_CHECKING:
    from reconciler.model.config import Config
    from reconciler.model.flag import Variant

FILE = Path(__file__).with_name("plans.txt")
BLOCK = re.compile(
    r"^== (?P<name>[^[\n]*?)(?: \[(?P<options>.*)\])?\n(?P<live>(?:.*\n)*?)->\n(?P<files>(?:.*\n)*?)=>\n"
)
PARTS = re.split(r"^(?=== )", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
BLOCKS = {found["name"]: found for part in PARTS if (found := BLOCK.match(part))}


def said_of(variant: Variant) -> Variant:
    """A live variant of which the rest is as a new one has it."""
    return a_full_variant(**{name: item for name, item in asdict(variant).items() if not isinstance(item, Unset)})


def live_spec(spec: FlagSpec) -> FlagSpec:
    """A live flag of which the rest is as the builder has it."""
    fields = {name: item for name, item in asdict(spec).items() if not isinstance(item, Unset)}
    if "variants" in fields:
        fields["variants"] = tuple(map(said_of, spec.variants or ()))
    return a_full_flag(**fields)


def planned(live: str, files: str, options: str) -> str:
    """The plan as text, with everything that --verbose shows."""
    words = options.split()
    tag = "managed" if "tag" in words else None
    config: Config = a_config(managed_tag=tag, ignore=(IgnoreRule(flags="ops-*", paths=("/tags", "/variants/x")),))
    flags = load_contents(a_config(), {"live.yaml": live.encode()}).flags.values() if live else ()
    lives = [a_live_flag(live_spec(flag.spec), id=str(number)) for number, flag in enumerate(flags, 1)]
    desired, state = load_contents(config, {"flags/f.yaml": files.encode()}), a_live_state(*lives)
    chosen = PlanOptions(
        prune="prune" in words,
        unarchive="unarchive" in words,
        shield="shield" in words,
        allow=frozenset(word.removeprefix("allow=") for word in words if word.startswith("allow=")),
    )
    plan = with_exposure(build_plan(desired, state, config, chosen), state)
    plan = check_guards(plan, desired, state, config, ())
    return render(PLAN, "text", plan, RenderOptions(verbose=True))


@pytest.mark.parametrize("name", BLOCKS)
def test_a_plan_reads_as_it_was_reviewed(name: str) -> None:
    """What changes, the calls in their order, who gets something else, what is warned of and what holds it."""
    block = BLOCKS[name]
    text = planned(block["live"], block["files"], block["options"] or "")
    if os.environ.get("UPDATE_SNAPSHOTS"):
        content = FILE.read_text(encoding="utf-8")
        at = content.index(block[0]) + len(block[0])
        end = content.find("\n== ", at)
        FILE.write_text(content[:at] + text + ("" if end < 0 else content[end:]), encoding="utf-8")
    parts = re.split(r"^(?=== )", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (expected,) = [part.removeprefix(block[0]) for part in parts if part.startswith(block[0])]
    assert text.rstrip("\n") == expected.rstrip("\n")
