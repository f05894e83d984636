"""What an import writes of a project, and what it leaves out and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from adoption import a_repository
from builders import a_desired_state, a_flag, a_variant
from emulators import a_live_flag, an_emulator
from msgspec.structs import replace
from worlds import OTHER_USER, a_world, run_now

from reconciler.emulator import Behaviour
from reconciler.errors import InvalidInputError, InvalidResponseError
from reconciler.importer import build_import, find_declared_flags, overlay_of, read_importable
from reconciler.model.config import IgnoreRule
from reconciler.model.flag import Unset
from reconciler.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from adoption import Repository

    from reconciler.emulator import Emulator, RawRequest
    from reconciler.emulator.requests import ApiResponse
    from reconciler.model.flag import FlagSpec

COHORT = {"type": "cohort", "prop": "userdata_cohort", "op": "set contains", "values": ["abc123"]}
COUNTRY = {"type": "property", "prop": "country", "op": "is", "values": ["US"]}


def a_segment(*conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A segment that gives its users the treatment."""
    return {
        "name": "Beta",
        "conditions": list(conditions),
        "percentage": 100,
        "rolloutWeights": {"treatment": 1},
    } | fields


def imported(directory: Path, *flags: dict[str, Any], **settings: Any) -> Repository:
    """A repository into which these live flags were imported."""
    repository = a_repository(directory, an_emulator(*flags), **settings)
    repository.adopt()
    return repository


def document(repository: Repository, name: str = "new-checkout.yaml") -> dict[str, Any]:
    """The value of a file."""
    value: dict[str, Any] = yaml.safe_load(repository.texts()[name])
    return value


def test_a_file_says_all_that_decides_who_gets_what(tmp_path: Path) -> None:
    """What create and edit can carry is there, a new flag's values too, in the order and style of a flag file."""
    flag = a_live_flag(
        bucketingSalt="mHdQDzeE",
        rolloutPercentage=25,
        targetSegments=[a_segment(COUNTRY, bucketingKey="amplitude_id")],
        deployments=["67", "68"],
        tags=["b", "a"],
    )
    repository = imported(tmp_path, flag, a_live_flag("plain", enabled=False, rolloutPercentage=0, description=""),
                          deployments={"web": "67"})  # fmt: skip
    assert (
        repository.texts()["new-checkout.yaml"]
        == """\
key: new-checkout
name: New checkout
description: One-page checkout
enabled: true
evaluationMode: remote
bucketingKey: amplitude_id
bucketingSalt: mHdQDzeE
bucketingUnit: User
rolloutPercentage: 25
rolloutWeights: {control: 1, treatment: 1}
variants:
  - key: control
    name: Control
    payload: {}
  - key: treatment
    name: Treatment
    payload: {}
targetSegments:
  - name: Beta
    conditions:
      - {prop: country, op: is, values: [US]}
    percentage: 100
    bucketingKey: amplitude_id
    rolloutWeights: {treatment: 1}
deployments: ["68", web]
tags: [a, b]
"""
    )
    plain = document(repository, "plain.yaml")
    assert {name: plain[name] for name in plain.keys() - {"bucketingSalt", "variants"}} == {
        "key": "plain", "name": "New checkout", "description": "", "enabled": False, "evaluationMode": "remote",
        "bucketingKey": "amplitude_id", "bucketingUnit": "User", "rolloutPercentage": 0,
        "rolloutWeights": {"control": 1, "treatment": 1}, "targetSegments": [], "deployments": [], "tags": [],
    }  # fmt: skip


def test_a_minimal_file_says_what_differs_from_a_new_flag(tmp_path: Path) -> None:
    """What a new flag has for certain is left out, in variants too; planning finds nothing either way."""
    repository = a_repository(
        tmp_path, an_emulator(a_live_flag("plain", enabled=False, rolloutPercentage=0, description=""))
    )
    repository.adopt(minimal=True)
    assert set(document(repository, "plain.yaml")) == {
        "key", "name", "evaluationMode", "bucketingKey", "bucketingSalt", "rolloutWeights", "variants",
    }  # fmt: skip
    assert document(repository, "plain.yaml")["variants"][0] == {"key": "control", "name": "Control"}
    assert repository.world.plan().is_empty


def test_inclusions_are_read_and_sorted(tmp_path: Path) -> None:
    """Users and cohorts of each variant, ids that look like numbers in quotes."""
    variants = [{"key": "treatment", "users": ["zoe@example.com", "00123"], "cohorts": ["abc"]}, {"key": "control"}]
    repository = imported(tmp_path, a_live_flag(variants=variants))
    assert (
        '      users: ["00123", zoe@example.com]\n      cohorts: [abc]\n' in repository.texts()["new-checkout.yaml"]
    )
    assert document(repository)["variants"][1] == {"key": "control", "payload": {}}


def test_without_inclusions_none_are_read(tmp_path: Path) -> None:
    """Their lists are neither asked for nor written."""
    variants = [{"key": "treatment", "users": ["zoe@example.com"]}]
    repository = a_repository(tmp_path, an_emulator(a_live_flag(variants=variants)))
    repository.adopt(inclusions=False)
    assert document(repository)["variants"] == [{"key": "treatment", "payload": {}}]
    assert not [entry for entry in repository.emulator.log if entry.path.endswith(("users", "cohorts"))]


@pytest.mark.parametrize("shows", ["key", "key-name", "all"])
def test_what_the_list_hides_of_variants_is_read(tmp_path: Path, shows: Any) -> None:
    """Name, description and payload are complete, with any list; one read a flag where it hides some."""
    variants = [{"key": "treatment", "name": "T", "description": "D", "payload": {"x": 1}}]
    emulator = an_emulator(a_live_flag(variants=variants), behaviour=Behaviour(list_shows=shows))
    repository = a_repository(tmp_path, emulator)
    repository.adopt()
    assert document(repository)["variants"] == variants
    reads = [entry for entry in emulator.log if entry.path.endswith("/variants")]
    assert len(reads) == (0 if shows == "all" else 1)


@pytest.mark.parametrize("others", [(), ("no-such*",), tuple(f"here{'?' * number}" for number in range(1, 12))])
def test_archived_flags_come_only_when_named(tmp_path: Path, others: tuple[str, ...]) -> None:
    """An archived flag is left out, unless a target is its very key, beside any other; then the file says so."""
    emulator = an_emulator(a_live_flag("gone", archived=True), a_live_flag("here"))
    repository = a_repository(tmp_path, emulator)
    repository.adopt()
    assert set(repository.texts()) == {"here.yaml"}
    repository.adopt("go*")
    assert set(repository.texts()) == {"here.yaml"}
    repository.adopt("gone", *others)
    assert document(repository, "gone.yaml")["archived"] is True
    assert repository.world.plan().is_empty


def test_the_managed_tag_is_implied(tmp_path: Path) -> None:
    """The tag that planning adds anyway is not written; other tags are."""
    repository = imported(tmp_path, a_live_flag(tags=["managed", "x"]), a_live_flag("only", tags=["managed"]),
                          managed_tag="managed")  # fmt: skip
    assert document(repository)["tags"] == ["x"]
    assert document(repository, "only.yaml")["tags"] == []
    assert repository.world.plan().is_empty


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("/enabled", lambda found: "enabled" not in found),
        ("/rolloutPercentage", lambda found: "rolloutPercentage" not in found),
        ("/variants/treatment/payload", lambda found: "payload" not in found["variants"][0]),
        ("/variants/treatment/inclusions/users", lambda found: "users" not in found["variants"][0]["inclusions"]),
        ("/variants/treatment/inclusions", lambda found: "inclusions" not in found["variants"][0]),
        ("/variants/treatment", lambda found: [item["key"] for item in found["variants"]] == ["control"]),
        ("/rolloutWeights/treatment", lambda found: found["rolloutWeights"] == {"control": 1}),
        ("/targetSegments/Beta", lambda found: not found["targetSegments"]),
    ],
)
def test_ignored_fields_are_left_out(tmp_path: Path, path: str, gone: Any) -> None:
    """What is never compared is not written, for flags whose key matches; the rest is valid and plans empty."""
    variants = [{"key": "treatment", "payload": 1, "users": ["u"], "cohorts": ["c"]}, {"key": "control"}]
    flag = {"variants": variants, "targetSegments": [a_segment(COUNTRY)], "rolloutPercentage": 5}
    rules = (IgnoreRule(flags="ops-*", paths=(path,)),)
    repository = imported(tmp_path, a_live_flag("ops-a", **flag), a_live_flag("b", **flag), ignore=rules)
    assert gone(document(repository, "ops-a.yaml"))
    assert not gone(document(repository, "b.yaml"))
    assert repository.world.plan().is_empty


def test_cohort_conditions_are_shown_not_declared(tmp_path: Path) -> None:
    """Segments that the API could not take back stand in read-only comments, as they are."""
    repository = imported(tmp_path, a_live_flag(targetSegments=[a_segment(COUNTRY, COHORT)]))
    text = repository.texts()["new-checkout.yaml"]
    assert "targetSegments" not in document(repository)
    assert text.startswith("# read-only: targetSegments are not declared: ")
    assert "# read-only:       - {prop: userdata_cohort, op: set contains, values: [abc123], type: cohort}\n" in text
    assert repository.world.plan().is_empty


def test_dependencies_are_shown_by_key(tmp_path: Path) -> None:
    """A line names the flags that must let a user through; it is read-only."""
    emulator = an_emulator(a_live_flag("parent"))
    parent = next(iter(emulator.store.flags))
    emulator.store.seed_flag(
        {"projectId": "7", **a_live_flag("child"),
         "parentDependencies": {"flags": {parent: ["treatment", "control"]}, "operator": "all"}}
    )  # fmt: skip
    repository = a_repository(tmp_path, emulator)
    repository.adopt()
    assert repository.texts()["child.yaml"].startswith(
        "# read-only: parentDependencies, all of: parent (treatment, control)\nkey: child\n"
    )
    assert repository.world.plan().is_empty


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"rolloutPercentage": 12.5}, "rolloutPercentage"),
        ({"rolloutWeights": {"control": 0.1234567890123, "treatment": 66.7}}, "rolloutWeights"),
        ({"evaluationMode": "hybrid"}, "evaluationMode"),
        ({"description": "bell \a inside"}, "description"),
        ({"description": "right to left \u202e"}, "description"),
        ({"deployments": ["not digits"]}, "deployments"),
        ({"tags": [" outer space"]}, "tags"),
        ({"targetSegments": [a_segment({**COUNTRY, "op": "matches regex"})]}, "targetSegments"),
        ({"targetSegments": [a_segment(), a_segment(COUNTRY, name="Never")]}, "targetSegments"),
        ({"targetSegments": [a_segment(COUNTRY, percentage=0.5)]}, "targetSegments"),
        ({"targetSegments": [a_segment(COUNTRY, rolloutWeights={"treatment": 0})]}, "targetSegments"),
        ({"targetSegments": [a_segment(COUNTRY, rolloutWeights={"gone": 1})]}, "targetSegments"),
    ],
)
def test_what_no_file_can_hold_is_left_out_and_named(tmp_path: Path, fields: dict[str, Any], missing: str) -> None:
    """The rest is written, a comment says what is missing and why, and nothing is left to plan."""
    repository = a_repository(tmp_path, an_emulator(a_live_flag(**fields)))
    result = repository.adopt()
    assert [item.left_out for item in result.partial] == [(f"/{missing}",)]
    (said,) = [line for line in repository.texts()["new-checkout.yaml"].splitlines() if "left out" in line]
    assert re.fullmatch(rf"# read-only: {missing} is left out: \S+ .*\.", said)
    assert missing not in document(repository)
    assert repository.world.plan().is_empty


@pytest.mark.parametrize(
    ("variant", "missing"),
    [
        ({"payload": {"bell": "\a"}}, "payload"),
        ({"payload": {"a": [[[["deep"]]]] * 2, "e\u0301": 1}}, "payload"),
        ({"name": "two\nlines"}, "name"),
        ({"users": ["twice", "once", "twice"], "cohorts": ["c"]}, "inclusions/users"),
        ({"users": ["a,b"]}, "inclusions/users"),
    ],
)
def test_a_part_of_a_variant_is_left_out_alone(tmp_path: Path, variant: dict[str, Any], missing: str) -> None:
    """What one field of a variant holds keeps neither its variant nor its flag out of the file."""
    flag = a_live_flag(variants=[{"key": "control"}, {"key": "treatment", "description": "kept", **variant}])
    repository = a_repository(tmp_path, an_emulator(flag))
    result = repository.adopt()
    assert [[pointer.split("/", 3)[3] for pointer in item.left_out] for item in result.partial] == [[missing]]
    assert document(repository)["variants"][1]["description"] == "kept"
    assert repository.world.plan().is_empty


def test_a_user_in_two_variants_is_named_in_no_comment(tmp_path: Path) -> None:
    """Lists that contradict each other are left out; the comment holds no id."""
    variants = [{"key": "control", "users": ["ada@example.com"]}, {"key": "treatment", "users": ["ada@example.com"]}]
    repository = imported(tmp_path, a_live_flag(variants=variants))
    comments = [line for line in repository.texts()["new-checkout.yaml"].splitlines() if line.startswith("#")]
    assert comments
    assert not [line for line in comments if "ada" in line]
    assert repository.world.plan().is_empty


def test_a_key_that_no_file_can_hold_is_skipped(tmp_path: Path) -> None:
    """A flag whose key is outside the pattern is named, not written; the others are."""
    repository = a_repository(tmp_path, an_emulator(a_live_flag("Not.A.Key"), a_live_flag("fine")))
    result = repository.adopt()
    assert [item.key for item in result.skipped] == ["Not.A.Key"]
    assert set(repository.texts()) == {"fine.yaml"}


def test_a_second_import_changes_nothing(tmp_path: Path) -> None:
    """With nothing new live the files stay as they are, comments and style of their authors included."""
    repository = imported(tmp_path, a_live_flag(tags=["a", "b"], targetSegments=[a_segment(COUNTRY, COHORT)]))
    text = repository.texts()["new-checkout.yaml"].replace("tags: [a, b]", "tags:   ['b', a] # both")
    repository.write(
        "new-checkout.yaml", "# mine\n" + text.replace("{control: 1, treatment: 1}", "{treatment: 5, control: 5}")
    )
    before = repository.texts()
    result = repository.adopt()
    assert result.unchanged == ("new-checkout",)
    assert result.files == ()
    assert repository.texts() == before


def test_a_declared_flag_is_updated_where_it_stands(tmp_path: Path) -> None:
    """The file and document that declare it change, in the lines that differ; comments and neighbours stay."""
    emulator = an_emulator(a_live_flag(rolloutPercentage=50, enabled=False))
    repository = a_repository(tmp_path, emulator)
    text = (
        "# one file for all\nkey: another\nvariants: [{key: on}]\n---\n# ours\nkey: new-checkout # k\n"
        "enabled:   true # live is off\nrolloutPercentage: 10 # was\nowner: me\n"
    )
    repository.write("all.yaml", text)
    result = repository.adopt()
    assert result.taken == (("new-checkout", "flags/all.yaml"),)
    written = repository.texts()["all.yaml"]
    assert written.startswith(
        "# one file for all\nkey: another\nvariants: [{key: on}]\n---\n# ours\nkey: new-checkout # k\n"
    )
    assert "\nenabled: false # live is off\n" in written
    assert "\nrolloutPercentage: 50 # was\n" in written
    assert written.endswith("owner: me\n")
    assert set(repository.texts()) == {"all.yaml"}


def test_declared_defaults_stay_declared(tmp_path: Path) -> None:
    """A field that a file declares is written even where it is what a new flag has."""
    repository = a_repository(tmp_path, an_emulator(a_live_flag(enabled=False, description="")))
    repository.write(
        "new-checkout.yaml",
        "key: new-checkout\ndescription: old\nenabled: true\nvariants:\n  - key: control\n    name: old\n"
        "  - key: treatment\n    description: old\n    inclusions: {users: [gone]}\ntargetSegments: []\ntags: [x]\n",
    )
    repository.adopt()
    found = document(repository)
    assert (found["description"], found["enabled"], found["tags"], found["targetSegments"]) == ("", False, [], [])
    assert found["variants"][1]["description"] == ""
    assert found["variants"][1]["inclusions"] == {"users": []}
    assert repository.world.plan().is_empty


def test_unread_inclusions_stay_as_the_file_has_them(tmp_path: Path) -> None:
    """Updating without inclusions leaves declared ones alone."""
    variants = [{"key": "treatment", "name": "New", "users": ["live"]}, {"key": "control"}]
    repository = a_repository(tmp_path, an_emulator(a_live_flag(variants=variants)))
    repository.write(
        "new-checkout.yaml",
        "key: new-checkout\nvariants:\n  - key: treatment\n    name: Old\n"
        "    inclusions: {users: [declared]}\n  - key: control\n",
    )
    repository.adopt(inclusions=False)
    assert document(repository)["variants"][0] == {
        "key": "treatment", "name": "New", "payload": {}, "inclusions": {"users": ["declared"]},
    }  # fmt: skip


def test_several_environments_get_overlays(tmp_path: Path) -> None:
    """A flag that is declared gets its differences as an overlay; the other environments see what they saw."""
    emulator = an_emulator(a_live_flag(rolloutPercentage=100, tags=["x"]))
    repository = a_repository(tmp_path, emulator, environment="staging", environments=("staging", "production"))
    base = (
        "key: new-checkout\nname: New checkout\nrolloutPercentage: 10 # careful\n"
        "variants:\n  - key: control\n  - key: treatment\n"
        "environments:\n  production: {rolloutPercentage: 5} # p\n"
    )
    repository.write("new-checkout.yaml", base)
    repository.adopt()
    found = document(repository)
    assert found["rolloutPercentage"] == 10
    assert found["environments"]["production"] == {"rolloutPercentage": 5}
    assert found["environments"]["staging"]["rolloutPercentage"] == 100
    assert "# careful" in repository.texts()["new-checkout.yaml"]
    assert "# p" in repository.texts()["new-checkout.yaml"]
    assert repository.world.plan().is_empty


@pytest.mark.parametrize(
    ("said", "is_reordered"),
    [("control", False), ("control treatment", False), ("treatment control", True), ("gone treatment", False)],
)
def test_another_order_of_variants_is_told(tmp_path: Path, said: str, is_reordered: bool) -> None:
    """Of those that are in the file and live; what is new or gone is no other order."""
    repository = a_repository(tmp_path, an_emulator(a_live_flag()))
    variants = "".join(f"  - key: {key}\n" for key in said.split())
    repository.write("new-checkout.yaml", f"key: new-checkout\nvariants:\n{variants}")
    assert repository.adopt().reordered == (("new-checkout",) if is_reordered else ())
    assert repository.adopt().reordered == ()


def test_a_file_that_is_updated_gets_the_remarks_of_now(tmp_path: Path) -> None:
    """Also where nothing else changes."""
    repository = a_repository(tmp_path, an_emulator(a_live_flag(targetSegments=[a_segment(COUNTRY, COHORT)])))
    repository.write("new-checkout.yaml", "# read-only: old\n# mine\nkey: new-checkout\nname: Old\n")
    repository.adopt()
    text = repository.texts()["new-checkout.yaml"]
    repository.write("new-checkout.yaml", "".join(line for line in text.splitlines(True) if "read-only" not in line))
    repository.adopt()
    assert repository.texts()["new-checkout.yaml"] == text
    assert text.count("# read-only: targetSegments are not declared: ") == 1
    assert "old" not in text
    assert "# mine\n" in text


def test_an_overlay_of_a_map_says_what_differs_from_the_default(tmp_path: Path) -> None:
    """The rest comes from there."""
    repository = a_repository(
        tmp_path,
        an_emulator(a_live_flag(rolloutWeights={"control": 1, "treatment": 5})),
        environment="staging",
        environments=("staging", "production"),
        defaults={"rolloutWeights": {"control": 1, "treatment": 1}},
    )
    repository.write(
        "new-checkout.yaml",
        "key: new-checkout\nname: Old\nenvironments:\n  staging: {rolloutWeights: {treatment: 4}}\n",
    )
    repository.adopt()
    assert document(repository)["environments"]["staging"]["rolloutWeights"] == {"treatment": 5}


@pytest.mark.parametrize(
    ("environments", "is_overlaid", "overlay"),
    [
        (("one", "two"), False, "two"),
        (("two",), False, None),
        (("two",), True, "two"),
    ],
)
def test_where_the_values_of_an_environment_are_written(
    tmp_path: Path, environments: tuple[str, ...], is_overlaid: bool, overlay: str | None
) -> None:
    """A document that serves one environment says them itself."""
    repository = a_repository(tmp_path, an_emulator(), environment="two", environments=environments)
    repository.write("f.yaml", "key: f\n" + ("environments: {two: {enabled: true}}\n" if is_overlaid else ""))
    declared = find_declared_flags(repository.config)["f"]
    assert overlay_of(repository.config, declared) == overlay


def test_what_other_environments_declare_is_not_taken_for_live(tmp_path: Path) -> None:
    """What is not read is not said of an environment that the flag is declared for now; nor is what is new."""
    variants = [{"key": "control"}, {"key": "treatment", "users": ["live"]}]
    repository = a_repository(
        tmp_path,
        an_emulator(a_live_flag(variants=variants, enabled=False, description="")),
        environment="staging",
        environments=("staging", "production"),
    )
    repository.write(
        "new-checkout.yaml",
        "key: new-checkout\nonlyIn: [production]\nname: New checkout\nenabled: false\nvariants:\n  - key: control\n"
        "  - key: treatment\n    inclusions: {users: [declared]}\n",
    )
    repository.adopt(inclusions=False, minimal=True)
    assert document(repository)["environments"] == {
        "production": {
            "enabled": False,
            "variants": [{"key": "control"}, {"key": "treatment", "inclusions": {"users": ["declared"]}}],
        },
        "staging": {
            "evaluationMode": "remote",
            "bucketingKey": "amplitude_id",
            "bucketingSalt": "bbd64548",
            "rolloutPercentage": 100,
            "rolloutWeights": {"control": 1, "treatment": 1},
            "variants": [{"key": "control"}, {"key": "treatment"}],
        },
    }


def test_what_others_take_from_their_defaults_counts_as_theirs(tmp_path: Path) -> None:
    """What all say alike then stands on top."""
    weights = {"control": 1, "treatment": 4}
    repository = a_repository(
        tmp_path,
        an_emulator(a_live_flag(rolloutWeights=weights)),
        environment="staging",
        environments=("staging", "production"),
    )
    repository.write(
        "new-checkout.yaml",
        "key: new-checkout\nonlyIn: [production]\nenvironments:\n  production: {rolloutWeights: {treatment: 4}}\n",
    )
    production = replace(
        repository.config, environment="production", defaults={"rolloutWeights": {"control": 1, "treatment": 1}}
    )
    _, flags = repository.read()
    declared = find_declared_flags(repository.config)
    result = build_import(flags, declared, repository.config, keys={}, minimal=False, neighbours=[production])
    (file,) = result.files
    found = yaml.safe_load(file.text)
    assert (found["rolloutWeights"], file.keys, file.is_new) == (weights, ("new-checkout",), False)
    assert "production" not in found["environments"]
    assert "onlyIn" not in found


@pytest.mark.parametrize("length", [240, 241])
def test_a_long_key_is_cut_in_the_name_of_its_file(tmp_path: Path, length: int) -> None:
    """With a digest of the whole: names of files have 255 bytes."""
    key = "k" * length
    imported(tmp_path, a_live_flag(key))
    name = key if length == 240 else f"{'k' * 200}-74bb436be223189a"
    assert [path.name for path in (tmp_path / "flags").iterdir()] == [f"{name}.yaml"]


def test_a_key_that_is_the_name_of_another_file_gets_a_file_of_its_own(tmp_path: Path) -> None:
    """The name that a long key is cut to is a key as well."""
    long = "k" * 241
    other = f"{'k' * 200}-74bb436be223189a"
    imported(tmp_path, a_live_flag(long), a_live_flag(other))
    names = sorted(path.name for path in (tmp_path / "flags").iterdir())
    assert names == [f"{other}.2.yaml", f"{other}.yaml"]
    assert {yaml.safe_load((tmp_path / "flags" / name).read_text())["key"] for name in names} == {long, other}


def test_files_that_cannot_be_read_stop_the_import(tmp_path: Path) -> None:
    """It is unknown what a broken file declares, so that nothing is written beside it; a backup declares nothing."""
    repository = a_repository(tmp_path, an_emulator(a_live_flag()))
    for name in ("broken.yaml", "broken-too.yaml", "new-checkout.yaml~"):
        repository.write(name, "key: [\n")
    with pytest.raises(InvalidInputError, match=r"^Flag files cannot be read: correct them first\.") as caught:
        repository.adopt()
    assert {item.position.file for item in caught.value.diagnostics} == {"flags/broken.yaml", "flags/broken-too.yaml"}
    assert len(repository.texts()) == 3


@pytest.mark.parametrize("text", ["- a list\n", "key: 7\n", "name: no key\n", "text\n"])
def test_documents_that_declare_no_flag_are_passed_over(tmp_path: Path, text: str) -> None:
    """What is wrong with them is said where files are loaded."""
    repository = a_repository(tmp_path, an_emulator(a_live_flag()))
    repository.write("odd.yaml", text)
    repository.write("new-checkout.yaml~", "key: [\n")
    repository.adopt()
    assert document(repository)["key"] == "new-checkout"


def test_reading_costs_the_fewest_requests(tmp_path: Path) -> None:
    """One page of the list, one read of variants a flag, two of inclusions a variant; GET only."""
    emulator = an_emulator(*(a_live_flag(f"flag-{number}") for number in range(5)))
    repository = a_repository(tmp_path, emulator)
    repository.read()
    assert len(emulator.log) == 1 + 5 * (1 + 2 * 2)
    assert {entry.method for entry in emulator.log} == {"GET"}


def test_another_editor_is_no_obstacle(tmp_path: Path) -> None:
    """What others changed since is what the next import writes."""
    repository = imported(tmp_path, a_live_flag())
    flag = next(iter(repository.emulator.store.flags.values()))
    repository.emulator.store.commit({**flag, "rolloutPercentage": 7}, OTHER_USER)
    repository.adopt()
    assert document(repository)["rolloutPercentage"] == 7


def read_declared(emulator: Emulator, *specs: FlagSpec, progress: Progress | None = None) -> Any:
    """The live state and its flags, those that are declared among them."""

    async def work() -> Any:
        async with a_world(emulator).client(read_only=True) as client:
            desired = a_desired_state(*specs)
            return await read_importable(client, targets=(), desired=desired, inclusions=True, progress=progress)

    return run_now(work())


def test_a_flag_of_which_an_answer_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a warning, unless a target names it: then the import ends."""
    emulator = an_emulator(a_live_flag("broken"), a_live_flag("fine"))
    repository = a_repository(tmp_path, emulator)
    (broken,) = (flag_id for flag_id, flag in emulator.store.flags.items() if flag["key"] == "broken")
    answer = emulator.api.answer

    def changed(request: RawRequest) -> ApiResponse:
        is_odd = request.path.endswith(f"/{broken}/variants/control/users")
        return replace(answer(request), body=b"7") if is_odd else answer(request)

    monkeypatch.setattr(emulator.api, "answer", changed)
    live, flags = repository.read()
    assert [flag.key for flag in flags] == ["fine"]
    assert sorted(live.flags) == ["broken", "fine"]
    (warning,) = live.warnings
    assert warning == (
        f'The flag "broken" (id {broken}) cannot be read. GET /api/1/flags/{broken}/variants/control/users: '
        "Invalid response from the API: expected a list at answer, got a number. It is left out."
    )
    live, flags = repository.read("fine")
    assert ([flag.key for flag in flags], live.warnings) == (["fine"], ())
    with pytest.raises(InvalidResponseError, match=r"Invalid response from the API: "):
        repository.read("b*")
    variants = (a_variant("control", users=("u",)), a_variant("treatment"))
    live, flags = read_declared(emulator, a_flag("broken", variants=variants))
    assert ([flag.key for flag in flags], live.warnings) == (["fine"], (warning,))


def test_what_is_declared_is_read_once_and_looked_up(tmp_path: Path) -> None:
    """Also where it is archived, and no list shows it. Every read is counted."""
    emulator = an_emulator(a_live_flag("gone", archived=True), a_live_flag("gone-too", archived=True), a_live_flag())
    progress = Progress()
    live, flags = read_declared(emulator, a_flag("gone"), a_flag("new-checkout"), progress=progress)
    assert [flag.key for flag in flags] == ["gone", "new-checkout"]
    assert live.warnings == ()
    assert all(not isinstance(variant.users, Unset) for flag in flags for variant in flag.spec.variants)
    parts = [entry.path for entry in emulator.log if entry.path.endswith(("/variants", "/users", "/cohorts"))]
    assert len(parts) == len(set(parts)) == 2 * (1 + 2 * 2)
    assert (progress.what, progress.done, progress.total) == ("Reading variants and inclusions", 12, 12)


@pytest.mark.parametrize("key", ["two words", "a/b", "..", "a.b", "é"])
def test_odd_variant_keys_stop_nothing(tmp_path: Path, key: str) -> None:
    """Variants whose keys no file can hold are left out with what names them; the flag is written without."""
    flag = a_live_flag(variants=[{"key": key}, {"key": "fine"}], rolloutWeights={key: 1, "fine": 1})
    repository = a_repository(tmp_path, an_emulator(flag, a_live_flag("other")))
    result = repository.adopt()
    users = [entry.path for entry in repository.emulator.log if entry.path.endswith("/users")]
    assert [path.split("/")[-2] for path in sorted(users)] == ["fine", "control", "treatment"]
    assert [item.key for item in result.partial] == ["new-checkout"]
    assert {"variants", "rolloutWeights"}.isdisjoint(document(repository))
    assert repository.world.plan().is_empty
