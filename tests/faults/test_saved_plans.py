"""Saved plans in the hands of the command: what is not exactly what was saved is refused, with code 6."""

from __future__ import annotations

import copy
import json
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from emulators import OTHER_USER, PROJECT, a_live_flag
from faults.checkouts import Checkout, a_checkout, write_flag
from faults.scenarios import SCENARIOS, Scenario
from msgspec.structs import replace

from reconciler.cli.main import run
from reconciler.files.schema import load_schema
from reconciler.model.flag import FlagSpec, Variant
from reconciler.planning.guards import ALLOWABLE, ALLOWABLE_BY_FLAG
from reconciler.planning.plan_file import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STALE = 6
GROWN = Scenario(
    name="grown",
    live=(a_live_flag("a", rolloutPercentage=50), a_live_flag("b")),
    specs=(FlagSpec(key="a", rollout_percentage=60), FlagSpec(key="b")),
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """A repository in git with one change to make, and its saved plan in `plan.json`."""
    with _saved(tmp_path, GROWN, monkeypatch) as made:
        yield made


@contextmanager
def _saved(root: Path, scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    with a_checkout(root, scenario) as checkout:
        monkeypatch.chdir(root)
        for name in ("RECONCILER_API_URL", "AMPLITUDE_MANAGEMENT_API_KEY"):
            monkeypatch.setenv(name, checkout.environ[name])
        _git(root, "init", "--quiet", "--initial-branch", "main")
        _git(root, "add", "--all")
        _commit(root)
        assert run(["plan", "--out", "plan.json", *checkout.options]) == 0
        yield checkout


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _commit(root: Path) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    _git(root, *who, "commit", "--quiet", "--allow-empty", "--message", "a change")
    return _git(root, "rev-parse", "HEAD")


def _document(checkout: Checkout) -> dict[str, Any]:
    return json.loads((checkout.root / "plan.json").read_text("utf-8"))


def _put(checkout: Checkout, document: dict[str, Any], *, with_digest: bool = True) -> None:
    if with_digest:
        document["digest"] = digest_of(document)
    (checkout.root / "plan.json").write_text(json.dumps(document), "utf-8")


def _apply(*arguments: str) -> int:
    return run(["apply", *arguments, "--auto-approve"])


def _refused(checkout: Checkout, *arguments: str) -> None:
    checkout.world.emulator.log.clear()
    assert _apply("plan.json", *arguments) == STALE
    assert not [entry for entry in checkout.world.emulator.log if entry.method != "GET"]


def test_the_plan_that_was_saved_is_applied(checkout: Checkout) -> None:
    """Nothing has changed: the plan is applied, once."""
    assert _apply("plan.json") == 0
    _refused(checkout)


@pytest.mark.parametrize("name", ["create-bare", "create-everything", "create-two"])
def test_a_replay_is_refused_on_an_empty_project(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that was made while the project had no flag cannot be applied a second time."""
    with _saved(tmp_path, SCENARIOS[name], monkeypatch) as checkout:
        checkout.world.emulator.store.flags.clear()
        assert run(["plan", "--out", "plan.json", *checkout.options]) == 0
        assert _apply("plan.json") == 0
        _refused(checkout)


def test_a_replay_is_refused_after_everything_was_archived_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same flag under the same key is another one: the saved plan does not bring it back."""
    with _saved(tmp_path, SCENARIOS["create-bare"], monkeypatch) as checkout:
        assert _apply("plan.json") == 0
        flag_id = next(flag["id"] for flag in checkout.world.emulator.store.flags.values() if flag["key"] == "new")
        checkout.world.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", {"archive": True})
        checkout.world.emulator.log.clear()
        assert _apply("plan.json") in {5, STALE}
        assert not checkout.world.emulator.writes


def _later(document: dict[str, Any], **change: float) -> None:
    document["createdAt"] = (datetime.now(UTC) + timedelta(**change)).isoformat()


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "of yesterday": lambda document: _later(document, hours=-25),
    "of tomorrow": lambda document: _later(document, hours=1),
    "without a date": lambda document: document.update(createdAt=None),
    "of another project": lambda document: document.update(projectId="8"),
    "of another environment": lambda document: document.update(environment="production"),
    "of another region": lambda document: document.update(region="eu"),
    "of another server": lambda document: document.update(origin="https://experiment.amplitude.com"),
    "of another version of the tool": lambda document: document["tool"].update(version="9.9.9"),
    "of another commit": lambda document: document.update(commit="f" * 40),
    "of a later format": lambda document: document.update(formatVersion=2),
    "with another call": lambda document: document["flags"][0]["operations"][0]["body"].update(rolloutPercentage=99),
    "with a call more": lambda document: document["flags"][0]["operations"].append(
        {**document["flags"][0]["operations"][0], "order": 2}
    ),
    "with another fingerprint": lambda document: document["flags"][0].update(fingerprint="sha256:" + "0" * 64),
    "without its flags": lambda document: document.update(flags=[]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_plan_is_refused_even_with_a_digest_that_fits(
    change: Callable[[dict[str, Any]], Any], checkout: Checkout, count: Any
) -> None:
    """A person who can write the file can write its digest: the plan is made again and compared, not trusted."""
    document = _document(checkout)
    change(document)
    _put(checkout, document)
    checkout.world.emulator.log.clear()
    assert _apply("plan.json") == STALE
    assert not checkout.world.emulator.writes
    count("plans changed with a digest that fits", 1)


FORGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a warning less": lambda document: document.update(warnings=[]),
    "a warning more": lambda document: document["warnings"].append("Looked at and found fine."),
    "a warning of a flag": lambda document: document["flags"][0].update(warnings=["Looked at and found fine."]),
    "a refusal": lambda document: document.update(
        refusals=[{"guard": "updates", "message": "too many", "override": "--allow updates"}]
    ),
    "a name of a deployment": lambda document: document.update(deployments={"1": "staging"}),
    "a rollout": lambda document: document.update(
        rollouts=[
            {
                "key": "a", "path": "/rolloutPercentage", "live": 50, "guards": [],
                "onFail": "rollback", "window": None,
                "steps": [{"percentage": 60, "seconds": None, "adds": 10}],
            }
        ]
    ),
    "targets that leave its flags out": lambda document: document["options"].update(targets=["b"]),
    "a shard that leaves its flags out": lambda document: document["options"].update(shard=[1, 2]),
    "a flag that it plans as not managed": lambda document: document["unmanaged"].append("a"),
}  # fmt: skip


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_what_a_reviewer_was_shown_is_compared_too(
    change: Callable[[dict[str, Any]], Any], checkout: Checkout
) -> None:
    """No call differs, but what stands beside them does: what was looked at is not what would be applied."""
    _warned(checkout)
    document = _document(checkout)
    change(document)
    _put(checkout, document)
    _refused(checkout)


def _warned(checkout: Checkout) -> None:
    """Another saved plan, with a warning: a frozen flag differs."""
    frozen = {"key": "b", "frozenUntil": "2099-01-01", "rolloutPercentage": 7}
    (checkout.root / "flags" / "b.yaml").write_text(json.dumps(frozen), "utf-8")
    _git(checkout.root, "add", "--all")
    _commit(checkout.root)
    assert run(["plan", "--out", "plan.json"]) == 0
    assert _document(checkout)["warnings"]


def test_options_that_allow_more_are_shown(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    """What an edited file would override is seen by a person who looks at it, also where no guard needs it."""
    document = _document(checkout)
    document["options"].update(allow=["rebucket:a", "window"], prune=True, unarchive=True)
    _put(checkout, document)
    for form in ("text", "markdown", "html"):
        assert run(["show", "plan.json", "--format", form]) == 0
        shown = unescape(capsys.readouterr().out).replace("\\", "")
        assert "with --prune, --unarchive, --allow window, rebucket:a" in shown


def test_show_says_that_it_compares_nothing(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    """What it shows is as true as the file; only apply makes the plan again."""
    assert run(["show", "plan.json"]) == 0
    assert "This is what the file says" in capsys.readouterr().err
    assert checkout.root.exists()


def _set(document: dict[str, Any], path: str, value: Any) -> None:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    for step in steps:
        document = document[step]
    document[last] = value


NO_PLANS: list[tuple[str, Any]] = [
    ("options/shard", [0, 0]),
    ("options/shard", [2, 1]),
    ("options/shard", "1/2"),
    ("options/targets", [1]),
    ("options/targets", "a"),
    ("options/allow", [None]),
    ("options/allow", ["no-such-guard"]),
    ("options/allow", ["rebucket:"]),
    ("options/allow", ["updates:a"]),
    ("options/allow", ["rebucket", "rebucket"]),
    ("options/targets", [""]),
    ("options/targets", ["no such flag"]),
    ("options/targets", ["(none)"]),
    ("options/targets", ["["]),
    ("options/shard", [1, 10**40]),
    ("options/surprise", 1),
    ("surprise", None),
    ("createdAt", ""),
    ("createdAt", "2030-01-01T00:00:00"),
    ("createdAt", "9999-12-31T23:59:59-12:00"),
    ("options/prune", "yes"),
    ("options/shield", 1),
    ("options", []),
    ("flags/0/transient", "1/0"),
    ("flags/0/transient", -1),
    ("flags/0/exposure/transitions/0/switchedShare", "1/0"),
    ("flags/0/exposure/transitions/0/before", {"on": "1/0"}),
    ("flags/0/exposure", []),
    ("flags/0/key", ["a"]),
    ("flags/0/action", "destroy"),
    ("flags/0/changes/0/path", 7),
    ("flags/0/operations/0/body", [1]),
    ("flags/0/operations/0/path", "/api/1/flags"),
    ("flags/0/source", {"file": 1, "line": "x"}),
    ("flags", {"a": 1}),
    ("flags", [None]),
    ("createdAt", 5),
    ("createdAt", "yesterday"),
    ("createdAt", "0001-01-01T00:00:00+23:59"),
    ("createdAt", "9999-12-31T23:59:59-23:59"),
    ("environment", ["production"]),
    ("environment", "no such one"),
    ("projectId", 7),
    ("refusals", [{"guard": "x"}]),
    ("unmanaged", [{}]),
    ("summary", None),
    ("requests", "many"),
    ("tool", "reconciler"),
    ("commit", 1.5),
]


@pytest.mark.parametrize(("path", "value"), NO_PLANS, ids=lambda item: str(item)[:30])
def test_what_is_no_plan_is_named_so_even_with_a_digest_that_fits(
    path: str, value: Any, checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `apply` and `show`, in every form; nothing is sent, and nothing of it is called a defect."""
    document = _document(checkout)
    _set(document, path, value)
    _put(checkout, document)
    checkout.world.emulator.log.clear()
    assert _apply("plan.json") == STALE
    for form in ("text", "json", "markdown", "html"):
        assert run(["show", "plan.json", "--format", form]) in {0, STALE}
    out, err = capsys.readouterr()
    assert "defect" not in out + err
    assert not checkout.world.emulator.writes


def test_a_flag_that_stands_twice_is_refused(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    """And so are flags in another order: `show` would count them as no plan does."""
    document = _document(checkout)
    for flags in (document["flags"] * 2, [*document["flags"], {**document["flags"][0], "key": "0"}]):
        _put(checkout, document | {"flags": flags})
        assert run(["show", "plan.json"]) == STALE
        _refused(checkout)
    assert "defect" not in capsys.readouterr().err


def test_what_a_plan_may_allow_is_what_can_be_allowed() -> None:
    """The schema names the guards, of the run and of flags."""
    of_plan, of_flag = load_schema("plan")["properties"]["options"]["properties"]["allow"]["items"]["anyOf"]
    assert of_plan["enum"] == sorted(ALLOWABLE)
    assert of_flag["pattern"].startswith(f"^({'|'.join(sorted(ALLOWABLE_BY_FLAG))}):")


def test_a_plan_of_the_future_is_called_so(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    """Not older than a day: the clocks are wrong, or the file is."""
    document = _document(checkout)
    _later(document, hours=1)
    _put(checkout, document)
    _refused(checkout)
    assert "from the future" in capsys.readouterr().err


def test_any_changed_character_is_refused(checkout: Checkout, count: Any) -> None:
    """One character of the file, wherever it stands, is one too many."""
    text, random = (checkout.root / "plan.json").read_text("utf-8"), Random(5)
    digits = [place for place, character in enumerate(text) if character.isalnum()]
    for place in random.sample(digits, 40):
        other = "7" if text[place] != "7" else "8"
        (checkout.root / "plan.json").write_text(text[:place] + other + text[place + 1 :], "utf-8")
        _refused(checkout)
    count("characters changed", 40)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"formatVersion": 1}', "\x00", "key: a"])
def test_what_is_no_plan_is_refused(content: str, checkout: Checkout) -> None:
    """A file that is no plan is named so, and nothing is sent."""
    (checkout.root / "plan.json").write_text(content, "utf-8")
    _refused(checkout)


def test_a_commit_in_between_is_refused(checkout: Checkout) -> None:
    """The plan belongs to the commit that it was made from, even where the files are the same."""
    _commit(checkout.root)
    _refused(checkout)


def test_a_changed_file_is_refused(checkout: Checkout) -> None:
    """What is declared now is another plan."""
    write_flag(checkout.root, FlagSpec(key="a", rollout_percentage=61))
    _refused(checkout)


@pytest.mark.parametrize("key", ["a", "foreign"])
def test_a_changed_live_flag(key: str, checkout: Checkout) -> None:
    """An edit of a planned flag makes the plan stale; one of a flag that is not in it does not."""
    flag_id = next(flag["id"] for flag in checkout.world.emulator.store.flags.values() if flag["key"] == key)
    checkout.world.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", {"description": "by hand"})
    if key == "a":
        _refused(checkout)
    else:
        assert _apply("plan.json") == 0


def test_a_new_flag_of_the_same_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was free when the plan was saved and is taken now makes it stale."""
    with _saved(tmp_path, SCENARIOS["create-bare"], monkeypatch) as checkout:
        body = {"projectId": PROJECT, "key": "new", "variants": [{"key": "theirs"}]}
        checkout.world.emulator.edit_as(OTHER_USER, "POST", "/flags", body)
        _refused(checkout)


@pytest.mark.parametrize("plan", [["plan.json"], []], ids=["saved", "fresh"])
def test_expect_commit(plan: list[str], checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the branch has moved on, an older checkout sends no request at all; the tip itself is applied."""
    head = _git(checkout.root, "rev-parse", "HEAD")
    checkout.world.emulator.log.clear()
    assert _apply(*plan, "--expect-commit", "f" * 40) == STALE
    assert "f" * 40 in capsys.readouterr().err
    assert not checkout.world.emulator.log
    assert _apply(*plan, "--expect-commit", head) == 0
    assert checkout.world.emulator.writes


@pytest.mark.parametrize("wrong", ["", "main", "--output", "abc", "g" * 40])
def test_expect_commit_takes_an_id(wrong: str, checkout: Checkout) -> None:
    """A branch's name moves; only an id says which commit is meant."""
    assert _apply(f"--expect-commit={wrong}") == 64
    assert not checkout.world.emulator.writes


def test_expect_commit_outside_of_git(tmp_path: Path) -> None:
    """Where the commit is unknown, it is not the expected one."""
    with a_checkout(tmp_path, GROWN) as checkout:
        done = checkout.apply("--expect-commit", "f" * 40)
        assert (done.code, checkout.world.emulator.writes) == (STALE, [])


def test_a_plan_holds_no_way_to_run_anything(checkout: Checkout) -> None:
    """Kinds of calls outside of the closed set, and paths of other flags, are refused."""
    original = _document(checkout)
    for change in ({"kind": "delete-flag"}, {"path": "/api/1/flags/1"}, {"method": "DELETE"}):
        document = copy.deepcopy(original)
        document["flags"][0]["operations"][0].update(change)
        _put(checkout, document)
        _refused(checkout)


def test_variants_are_not_hidden_from_the_digest(checkout: Checkout) -> None:
    """A declared payload under a name that begins with two underscores is part of the plan."""
    variants = (Variant(key="control", payload={"__x": 1}), Variant(key="treatment"))
    write_flag(checkout.root, replace(checkout.world.desired.flags["a"].spec, variants=variants))
    _refused(checkout)


WEIRD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 101, 10**30, -(10**400), 0.5, 1e308, "", "a", "1/0", "-1/2", "3/2", "1e999999999",
    "\u0000", "\ud83d\ude00", "x" * 5_000, [], {}, [[]], [None], {"": None}, "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00", "2030-02-30T00:00:00Z", "2030-01-01", "2030-01-01T00:00:00", "{id}", "(none)", "*",
    "/", "/variants", "/variants/a/users", "rebucket", "rebucket:", "no-such-guard", "production",
)  # fmt: skip


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document, with each name or number in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield value, name
        yield from _places(item)


def _mutated(document: dict[str, Any], random: Random) -> dict[str, Any]:
    """The document with one to three things in it changed, in any of several ways."""
    mutated = copy.deepcopy(document)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        places = [*_places(mutated)]
        container, name = random.choice(places)
        other, there = random.choice(places)
        way = random.randrange(6)
        if way == 0:
            del container[name]
        elif way == 1:
            container[name] = copy.deepcopy(other[there])
        elif way == 2 and isinstance(container, list):
            container.insert(random.randrange(len(container) + 1), copy.deepcopy(container[name]))
        elif way == 3 and isinstance(container, dict):
            container[random.choice(["surprise", "held", "added", "details", "user", ""])] = random.choice(WEIRD)
        elif way == 4 and isinstance(container, list):
            random.shuffle(container)
        else:
            container[name] = random.choice(WEIRD)
    return mutated


def _compared(document: dict[str, Any]) -> dict[str, Any]:
    """What of a plan an apply compares: not what others may change meanwhile, and not options that change no call."""
    free = ("createdAt", "digest", "requests", "hourlyDriftRequests", "warnings", "options", "unmanaged", "released")
    summary = document.get("summary")
    counts = {**summary, "unchanged": 0, "unmanaged": 0} if isinstance(summary, dict) else summary
    return document | dict.fromkeys(free) | {"summary": counts}


def _check_mutations(checkout: Checkout, seeds: range, capsys: pytest.CaptureFixture[str], count: Any) -> None:
    """With any change of a saved plan it is refused with 6, shown or refused by `show`, and no defect of ours."""
    document = _document(checkout)
    for seed in seeds:
        mutated = _mutated(document, Random(seed))
        _put(checkout, mutated)
        for form in ("text", "json", "markdown", "html"):
            shown = run(["show", "plan.json", "--format", form])
            _, err = capsys.readouterr()
            assert shown in {0, STALE}, (seed, err)
            assert "defect" not in err, (seed, err)
        if _compared(mutated) != _compared(document):
            code = _apply("plan.json")
            _, err = capsys.readouterr()
            assert code == STALE, (seed, code, err)
            assert "defect" not in err, (seed, err)
            assert err.count("\n") <= 2, (seed, err)
        count("mutated plans with a digest that fits", 1)
    assert not checkout.world.emulator.writes


@pytest.mark.parametrize("name", ["grown", "create-everything", "several", "weights-behind-a-shield"])
def test_no_mutated_plan_is_a_defect(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: Any
) -> None:
    """Types, numbers, dates, names, order, duplicates, unknown members: each is refused in plain words."""
    with _saved(tmp_path, GROWN if name == "grown" else SCENARIOS[name], monkeypatch) as checkout:
        _check_mutations(checkout, range(40), capsys, count)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["several", "everything-at-once", "weights-behind-a-shield", "create-everything"])
def test_no_plan_of_thousands_is_a_defect(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: Any
) -> None:
    """The same many times over."""
    with _saved(tmp_path, SCENARIOS[name], monkeypatch) as checkout:
        _check_mutations(checkout, range(1_000, 3_000), capsys, count)
