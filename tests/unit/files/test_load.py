"""Loading: which files are read, what becomes of them, and what several environments share."""

from __future__ import annotations

import errno
import gc
import os
import re
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from flag_projects import PLAIN_CONFIG, a_loaded_config, a_project, findings_of

from reconciler.errors import InvalidInputError, UsageError
from reconciler.files import listing as files
from reconciler.files import load
from reconciler.files.config_file import load_config, load_configs
from reconciler.files.load import check_desired, load_desired
from reconciler.files.tested import load_tested
from reconciler.files.yaml.reader import Document
from reconciler.files.yaml.scalars import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_NUMBER_LENGTH
from reconciler.model.flag import UNSET, Condition, FlagSpec, TargetSegment, Variant, Weights
from reconciler.model.rollout import PlacedRollout, Rollout, Step

ENVIRONMENTS = """\
version: 1
environments:
  staging: {projectId: "1", deployments: {web: "11"}}
  production: {projectId: "2", deployments: {web: "22", ios: "23"}}
"""
USERS = ("ada@example.com", "00123")
EXAMPLES = Path(__file__).parents[3] / "examples"
FULL = Path(__file__).parents[3] / "tests" / "unit" / "files" / "full_flag.yaml"
ROLLOUTS = """\
windows: {office: {days: mon, hours: "09:00-16:00", zone: UTC}}
guards: {errors: {command: CHECK}}
"""


def test_every_field_that_plans_know_is_decoded(tmp_path: Path) -> None:
    """The contract's own example, with its comments."""
    config = a_loaded_config(tmp_path, {"full.yaml": FULL.read_bytes()}, PLAIN_CONFIG + ROLLOUTS)
    flag = load_desired(config).flags["new-checkout"]
    assert flag.spec == FlagSpec(
        key="new-checkout", name="New checkout", description="One-page checkout", enabled=True, archived=False,
        evaluation_mode="remote", bucketing_key="amplitude_id", bucketing_salt="mHdQDzeE", bucketing_unit="User",
        rollout_percentage=25, rollout_weights=Weights.of({"control": 1, "treatment": 1}),
        variants=(
            Variant(key="control", name="Control", description="Today's flow", payload={"layout": "classic"}),
            Variant(key="treatment", renamed_from="variant-b", cohorts=("abc123",), users=USERS),
        ),
        target_segments=(
            TargetSegment(
                name="Beta", conditions=(Condition(prop="country", op="is", values=("US", "CA")),), percentage=100,
                bucketing_key="amplitude_id", rollout_weights=Weights.of({"treatment": 1}),
            ),
        ),
        deployments=("12345", "67890"), tags=("checkout",),
    )  # fmt: skip
    assert str(flag.source) == "flags/full.yaml:2:1"
    assert flag.expires == date(2030, 6, 30)
    assert flag.frozen_until == datetime(2030, 1, 7, 9, tzinfo=timezone.utc)  # noqa: UP017 - as it reads
    assert (flag.known_until, flag.known_reason) == (date(2030, 1, 6), "The incident of Tuesday.")
    steps = (Step(5, timedelta(hours=2)), Step(10, timedelta(minutes=90)), Step(25))
    start = datetime(2030, 1, 7, 9, tzinfo=timezone.utc)  # noqa: UP017 - as it reads
    (placed,) = flag.rollouts
    assert (placed.path, placed.end) == ("/rolloutPercentage", 25)
    assert placed.rollout == Rollout(
        steps=steps, start=start, guards=("errors",), on_fail="hold", attempt=2, window="office"
    )


def test_what_is_absent_is_unset_and_what_is_empty_is_empty(tmp_path: Path) -> None:
    """Not managed is not the same as nothing."""
    content = (
        'key: a\n---\nkey: b\nname: ""\ntags: []\ntargetSegments: []\ndeployments: []\n'
        "variants: [{key: x, inclusions: {users: []}}]\n"
    )
    flags = load_desired(a_loaded_config(tmp_path, {"a.yaml": content})).flags
    assert flags["a"].spec == FlagSpec(key="a")
    spec = flags["b"].spec
    assert (spec.name, spec.tags, spec.target_segments, spec.deployments) == ("", (), (), ())
    assert spec.variants == (Variant(key="x", users=(), cohorts=UNSET),)


@pytest.mark.parametrize("payload", ["null", "{}", "[]", '""', "0", "false", "[1, {a: null}]"])
def test_a_payload_is_any_json_value(tmp_path: Path, payload: str) -> None:
    """Null is a payload, and not the absence of one."""
    content = f"key: a\nvariants: [{{key: x, payload: {payload}}}]\n"
    (variant,) = load_desired(a_loaded_config(tmp_path, {"a.yaml": content})).flags["a"].spec.variants or ()
    assert variant.payload is not UNSET


def test_whole_numbers_are_integers_however_they_are_written(tmp_path: Path) -> None:
    """25.0 is 25: what is sent does not depend on the spelling."""
    content = "key: a\nrolloutPercentage: 25.0\nrolloutWeights: {x: 1.0}\n"
    spec = load_desired(a_loaded_config(tmp_path, {"a.yaml": content})).flags["a"].spec
    assert repr((spec.rollout_percentage, spec.rollout_weights)) == "(25, Weights(pairs=(('x', 1),)))"


def test_flags_are_sorted_by_key_with_any_file_names(tmp_path: Path) -> None:
    """Output does not depend on the file system."""
    state = load_desired(
        a_loaded_config(tmp_path, {"1.yaml": "key: z\n---\nkey: m\n", "b/2.yml": "key: a\n", "a/3.yaml": "key: b\n"})
    )
    assert list(state.flags) == ["a", "b", "m", "z"]
    assert state.files == 3


def test_only_yaml_files_outside_of_hidden_directories_are_read(tmp_path: Path) -> None:
    """Notes, templates and what editors leave behind are no flags."""
    names = {"a.yaml": "key: a\n", "README.md": "key: [", ".hidden.yaml": "key: [", ".git/x.yaml": "key: [",
             "a.yaml.bak": "key: [", "b.json": "{", "x/y/z.yml": "key: z\n"}  # fmt: skip
    assert list(load_desired(a_loaded_config(tmp_path, names)).flags) == ["a", "z"]


def test_keys_that_may_stand_in_files_that_are_not_read_are_known(tmp_path: Path) -> None:
    """Of files of tests too: nothing that they declare is taken for gone."""
    names = {"a.yaml": "key: a\n", "b.ymal": "key: x\n", "c.test.yaml": "key: y\n", ".d.yaml": "key: z\n"}
    config = a_loaded_config(tmp_path, names)
    told = {str(item.position): item.rule for item in load_desired(config).warnings}
    assert told == {
        "flags/b.ymal:1:1": "unread-file", "flags/c.test.yaml:1:1": "unread-file", "flags/.d.yaml:1:1": "hidden-file",
    }  # fmt: skip
    assert load_desired(config).unread == {
        "x": "flags/b.ymal", "b": "flags/b.ymal", "y": "flags/c.test.yaml", "z": "flags/.d.yaml",
        "d": "flags/.d.yaml",
    }  # fmt: skip


def test_a_directory_that_cannot_be_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own name, whichever it is; that of the configuration is `.`. A hidden one is not spoken of."""
    for name in ("open", "a~", "b/c", ".hidden"):
        (tmp_path / "flags" / name).mkdir(parents=True)
    config = a_loaded_config(tmp_path, {"a.yaml": "key: a\n"})
    scan = os.scandir

    def refused(path: str) -> object:
        if Path(path).name in {"a~", "c", ".hidden"}:
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("reconciler.files.listing.os.scandir", refused)
    found = check_desired((config,)).findings
    assert [(str(item.position), item.rule, item.message) for item in found] == [
        (f"flags/{name}:1:1", "unreadable-file", "Permission denied.") for name in ("a~", "b/c")
    ]
    monkeypatch.setattr("reconciler.files.listing.os.scandir", lambda _: refused("c"))
    (found_on_top,) = files.list_flag_files(tmp_path, tmp_path).diagnostics
    assert str(found_on_top.position) == ".:1:1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("b.ymal", "Rename it to b.yaml."), ("b.yl", "Rename it to b.yml."), ("x.b.YAM", "Rename it to x.b.yaml."),
        ("yaml", None), ("ymal", None), ("b.toml", None), ("b.json", None), ("b.yaml~", None),
    ],
)  # fmt: skip
def test_a_name_that_is_nearly_right_is_told_how_it_should_be(tmp_path: Path, name: str, hint: str | None) -> None:
    """Nothing is said of others, and of those that are hidden, they must end nearly right at the least."""
    (finding,) = findings_of(tmp_path, {name: "key: a\n"})
    assert (finding.is_error, finding.hint, str(finding.position)) == (False, hint, f"flags/{name}:1:1")


def test_what_is_said_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that stand in a directory, and of one that is asked for by its path."""
    said = {
        "a.yaml": None, "b.yml": None, "README": None, "c.png": None, ".notes": None, ".c.txt": None,
        "d.yaml.bak": "backup-file", "e.json": "json-file", ".f.yaml": "hidden-file", ".g.json": "hidden-file",
        ".h.yaml~": "hidden-file", "i.YAML": "file-suffix", "j.txt": "unread-file", ".k.ymal": "unread-file",
        "l.yaml/m.yaml": None, "l.yaml": "unread-file", "o.ya\u200bml": "file-suffix", "p.yaml ": "file-suffix",
        "q.yaml.": "file-suffix", "r.ya\u0301ml": "file-suffix", ".s.YAML ": "hidden-file",
        ".n/o.yaml": "hidden-file", ".n/p.txt": None, ".u.yaml/v.txt": None,
        ".git/q.yaml": None,
    }  # fmt: skip
    content = {name: f"key: f{number}\n" for number, name in enumerate(said) if name != "l.yaml"}
    config = a_loaded_config(tmp_path, content)
    found = check_desired((config,))
    assert {str(item.position): item.rule for item in found.findings} == {
        f"flags/{name}:1:1": rule for name, rule in said.items() if rule
    }
    assert (found.files, found.flags) == (3, 3)
    monkeypatch.chdir(tmp_path / "flags")
    for name, hint in (("d.yaml.bak", None), ("i.YAML", "Rename it to i.yaml.")):
        (finding,) = check_desired((config,), paths=[Path(name)]).findings
        assert (finding.rule, finding.hint) == (said[name], hint)
    warnings = [name for name, rule in said.items() if rule and rule != "file-suffix"]
    monkeypatch.setattr(files, "MAX_LEFT_OUT", len(warnings))
    assert len(check_desired((config,)).findings) == len([rule for rule in said.values() if rule])
    monkeypatch.setattr(files, "MAX_LEFT_OUT", 2)
    for name, rule in said.items():
        if rule == "file-suffix":
            (tmp_path / "flags" / name).unlink()
    assert [(str(item.position), item.message) for item in check_desired((config,)).findings] == [
        ("flags:1:1", "8 more files below this directory are not read."),
        ("flags/.f.yaml:1:1", "This file is not read: names that begin with a dot are left out."),
        ("flags/.g.json:1:1", "This file is not read: names that begin with a dot are left out."),
    ]


def test_no_flag_files_are_no_flags(tmp_path: Path) -> None:
    """Whether that is meant is for the guards of planning to ask."""
    state = load_desired(a_loaded_config(tmp_path))
    assert (dict(state.flags), state.files, state.warnings) == ({}, 0, ())


def test_warnings_do_not_stop_loading(tmp_path: Path) -> None:
    """They are handed on beside the flags."""
    config = a_loaded_config(tmp_path, {"a.yaml": "key: a\nexpires: 2020-01-01\n"})
    state = load_desired(config, today=date(2024, 1, 1))
    assert [item.rule for item in state.warnings] == ["expired"]
    assert load_desired(config).warnings == ()


def test_names_that_differ_by_case_only_are_refused(tmp_path: Path) -> None:
    """A checkout on another file system would silently lose one of the two."""
    (finding,) = findings_of(tmp_path, {"A/x.yaml": "key: a\n", "a/x.yaml": "key: b\n"})
    assert (finding.rule, str(finding.position)) == ("ambiguous-file-name", "flags/a/x.yaml:1:1")


@pytest.mark.parametrize(
    "names", [("caf\u00e9.yaml", "cafe\u0301.yaml"), ("\u00c9.yaml", "e\u0301.yaml"), ("a.yml", "A.yml")]
)
def test_names_that_differ_by_their_unicode_form_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    """So are those that differ in capitals besides."""
    found = findings_of(tmp_path, {name: f"key: f{number}\n" for number, name in enumerate(names)})
    assert [item.rule for item in found] == ["ambiguous-file-name"]


@pytest.mark.parametrize("name", ["conditions", "everyone", "percentage", "rolloutWeights", "bucketingKey", "name"])
def test_what_a_segment_has_to_say_it_says_even_where_it_is_ignored(tmp_path: Path, name: str) -> None:
    """A new segment begins with it; anything else is declared or ignored, not both."""
    config = f"{PLAIN_CONFIG}ignore: [{{flags: a, paths: [/targetSegments/s/{name}, /targetSegments/t/{name}]}}]\n"
    rest = "bucketingKey: user_id, percentage: 5, rolloutWeights: {x: 1}"
    content = (
        "key: a\ntargetSegments:\n"
        f"  - {{name: s, conditions: [{{prop: p, op: is, values: [x]}}], {rest}}}\n"
        f"  - {{name: t, everyone: true, {rest}}}\n"
    )
    if name == "name":
        with pytest.raises(InvalidInputError):
            findings_of(tmp_path, {"a.yaml": content}, config)
        return
    rules = [item.rule for item in findings_of(tmp_path, {"a.yaml": content}, config)]
    assert rules == (["ignored-field"] * 2 if name == "bucketingKey" else [])


def test_other_names_of_any_script_are_read(tmp_path: Path) -> None:
    """Letters with signs and without them are two."""
    names = ("\u00e9.yaml", "e.yaml", "\u00e8.yaml", "\u00df.yaml", "\u00e4/\u00e9.yaml")
    config = a_loaded_config(tmp_path, {name: f"key: f{number}\n" for number, name in enumerate(names)})
    assert sorted(load_desired(config).flags) == ["f0", "f1", "f2", "f3", "f4"]


def test_overlays_wait_for_environments_where_there_are_none(tmp_path: Path) -> None:
    """A warning: nothing is wrong with the flag, and nothing comes of the overlay."""
    config = a_loaded_config(tmp_path, {"a.yaml": "key: a\nenvironments: {staging: {enabled: true}}\n"})
    state = load_desired(config)
    assert [item.rule for item in state.warnings] == ["unknown-environment"]
    assert state.flags["a"].spec.enabled is UNSET


@pytest.mark.parametrize(
    "kind", ["link to a file", "link to a directory", "link to nothing", "link to itself", "pipe"]
)
def test_links_pipes_and_devices_are_refused_not_followed(tmp_path: Path, kind: str) -> None:
    """Neither their content nor a hang."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.yaml").write_text("key: [s3cr3t\n")
    config = a_loaded_config(tmp_path, {"a.yaml": "key: a\n"})
    target = config.flags_dir / "odd.yaml"
    match kind:
        case "link to a file":
            target.symlink_to(secret / "s.yaml")
        case "link to a directory":
            target = config.flags_dir / "odd"
            target.symlink_to(secret)
        case "link to itself":
            target = config.flags_dir / "odd"
            target.symlink_to(target)
        case "link to nothing":
            target.symlink_to(tmp_path / "nothing")
        case _:
            os.mkfifo(target)
    (finding,) = check_desired((config,)).findings
    assert (finding.rule, str(finding.position)) == ("irregular-file", f"flags/{target.name}:1:1")


def test_a_link_that_took_a_files_place_is_not_followed(tmp_path: Path) -> None:
    """Between listing and reading, too."""
    (tmp_path / "s.yaml").write_text("key: [")
    (tmp_path / "a.yaml").symlink_to(tmp_path / "s.yaml")
    with pytest.raises(OSError, match="symbolic links"):
        files.read_flag_file(tmp_path / "a.yaml")
    with pytest.raises(OSError, match="regular file"):
        files.read_flag_file("/dev/null")


def test_no_more_of_a_file_is_read_than_shows_that_it_is_too_large(tmp_path: Path) -> None:
    """One byte more than is allowed; and the file is closed."""
    file = tmp_path / "a.yaml"
    for size in (0, 1, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, MAX_BYTES + 2):
        file.write_bytes(b"x" * size)
        assert len(files.read_flag_file(file)) == min(size, MAX_BYTES + 1)


def test_why_a_file_is_refused() -> None:
    """With its name; what the system says of it, but of a link what it is."""
    file = files.FlagFile("/x/a.yaml", "flags/a.yaml")
    found = [
        files.refuse_file(file, OSError(errno.ELOOP, "Too many levels of symbolic links")),
        files.refuse_file(file, OSError(errno.EACCES, "Permission denied")),
        files.refuse_total(file),
    ]
    assert [(str(item.position), item.is_error, item.rule, item.message) for item in found] == [
        ("flags/a.yaml:1:1", True, "unreadable-file", "The file cannot be read: it is a symbolic link."),
        ("flags/a.yaml:1:1", True, "unreadable-file", "The file cannot be read: Permission denied."),
        ("flags/a.yaml:1:1", True, "too-large", "All flag files have more than 50 MiB."),
    ]


def test_a_file_is_closed_after_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is refused: there may be thousands."""
    (tmp_path / "a.yaml").write_text("key: a\n")
    opened, closed = list[int](), list[int]()
    open_it, close_it = os.open, os.close
    monkeypatch.setattr(os, "open", lambda *given: opened.append(open_it(*given)) or opened[-1])
    monkeypatch.setattr(os, "close", lambda number: closed.append(number) or close_it(number))
    files.read_flag_file(tmp_path / "a.yaml")
    with pytest.raises(OSError, match="regular file"):
        files.read_flag_file("/dev/null")
    monkeypatch.undo()
    assert len(opened) == 2
    assert opened == closed


def test_limits_are_those_that_were_decided() -> None:
    """As the decision about YAML has them, and what is named of them."""
    assert (MAX_BYTES, MAX_NODES, MAX_DEPTH, MAX_NUMBER_LENGTH) == (1_048_576, 100_000, 50, 64)
    assert (files.MAX_FILES, files.MAX_TOTAL_BYTES, files.MAX_LEFT_OUT) == (20_000, 52_428_800, 100)
    assert (load.MAX_FINDINGS_OF_FILE, load.MAX_FINDINGS) == (100, 10_000)


def test_rollouts_are_decoded_with_what_they_leave_out(tmp_path: Path) -> None:
    """Their own steps or those of a strategy, with its window unless they name one."""
    config = PLAIN_CONFIG + (
        "windows: {w: {days: mon, hours: '09:00-10:00', zone: UTC}, "
        "v: {days: tue, hours: '09:00-10:00', zone: UTC}}\n"
        "strategies: {s: {steps: [10% 1h, 100%], window: w}}\n"
        "guards: {a: {command: A}, b: {command: B}}\n"
    )
    segment = "conditions: [{prop: p, op: is, values: [x]}], percentage: 100, rolloutWeights: {a: 1}"
    content = (
        "key: a\nrolloutPercentage: 5\nrollout: {steps: ['2% 90m', '5%']}\ntargetSegments:\n"
        f"  - {{name: one, rollout: {{strategy: s, guards: [b, a, b]}}, {segment}}}\n"
        f"  - {{name: none, {segment}}}\n"
        f"  - {{name: two, rollout: {{strategy: s, window: v, attempt: 3, onFail: 'off'}}, {segment}}}\n"
    )
    steps = (Step(10, timedelta(hours=1)), Step(100))
    assert load_desired(a_loaded_config(tmp_path, {"a.yaml": content}, config)).flags["a"].rollouts == (
        PlacedRollout(rollout=Rollout(steps=(Step(2, timedelta(minutes=90)), Step(5))), end=5),
        PlacedRollout(rollout=Rollout(steps=steps, guards=("b", "a"), window="w"), end=100, segment="one"),
        PlacedRollout(rollout=Rollout(steps=steps, window="v", attempt=3, on_fail="off"), end=100, segment="two"),
    )
    assert Rollout(steps=()) == Rollout(steps=(), start=None, guards=(), on_fail="rollback", attempt=1, window=None)


def test_a_file_that_vanishes_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a flag that is silently no longer declared."""
    config = a_loaded_config(tmp_path, {"a.yaml": "key: a\n"})
    monkeypatch.setattr(load, "read_flag_file", lambda path: files.read_flag_file(f"{path}.gone"))
    (finding,) = check_desired((config,)).findings
    assert (finding.rule, str(finding.position)) == ("unreadable-file", "flags/a.yaml:1:1")


def test_all_files_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in bytes."""
    config = a_loaded_config(tmp_path, {f"{n}.yaml": f"key: f{n}\n" for n in range(5)})
    monkeypatch.setattr(files, "MAX_FILES", 4)
    assert [item.rule for item in check_desired((config,)).findings] == ["too-many-files"]
    monkeypatch.setattr(files, "MAX_FILES", 5)
    monkeypatch.setattr(load, "MAX_TOTAL_BYTES", 40)
    assert check_desired((config,)).findings == ()
    for most in (39, 15):
        monkeypatch.setattr(load, "MAX_TOTAL_BYTES", most)
        assert [item.rule for item in check_desired((config,)).findings] == ["too-large"]


def test_findings_of_a_file_and_of_all_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is said."""
    content = "---\n".join(f"key: f{n}\nx: 1\n" for n in range(150))
    found = findings_of(tmp_path, {"a.yaml": content, "b.yaml": "key: B\n"})
    rules = [item.rule for item in found]
    assert rules.count("unknown-field") == 100
    assert rules.count("too-many-findings") == 1
    assert rules[-1] == "invalid-key"
    errors = sum(item.is_error for item in found) - 1
    for most, is_read in ((errors, False), (errors + 1, True)):
        monkeypatch.setattr(load, "MAX_FINDINGS", most)
        again = findings_of(tmp_path, {"a.yaml": content, "b.yaml": "key: B\n"})
        assert ("invalid-key" in {item.rule for item in again}) == is_read


def test_warnings_end_no_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: flags of files that were not read would count as deleted."""
    expired = "key: f{}\nexpires: 2020-01-01\n"
    names = {f"{n}.yaml": expired.format(n) for n in range(9)} | {
        "a.yaml": "---\n".join(map(expired.format, range(10, 250)))
    }
    monkeypatch.setattr(load, "MAX_FINDINGS", 5)
    desired = load_desired(a_loaded_config(tmp_path, names), today=date(2030, 1, 1))
    assert len(desired.flags) == 249
    assert len(desired.warnings) == 5


def test_plain_words_are_warned_of_by_a_check_alone(tmp_path: Path) -> None:
    """What plans is not interrupted by them: they mean here what they have always meant."""
    files = {"a.yaml": "key: f\nname: yes\n"}
    assert [item.rule for item in findings_of(tmp_path, files)] == ["ambiguous-word"]
    assert load_desired(a_loaded_config(tmp_path, files)).warnings == ()


def test_flags_that_are_tested_may_have_expired(tmp_path: Path) -> None:
    """That is a warning, as it is where they are planned."""
    config = a_loaded_config(tmp_path, {"a.yaml": "key: f\nexpires: 2029-12-31\n"})
    ((desired, claims),) = load_tested([config], None, today=date(2030, 1, 1), base_error=None)
    assert (list(desired.flags), claims) == (["f"], ())
    assert [item.rule for item in desired.warnings] == ["expired"]
    assert desired.texts == {"flags/a.yaml": b"key: f\nexpires: 2029-12-31\n"}


def test_a_test_may_name_the_variants_of_any_environment(tmp_path: Path) -> None:
    """Those of an overlay too."""
    flag = "key: f\nenvironments: {staging: {variants: [{key: a}]}, production: {variants: [{key: b}]}}\n"
    test = "tests: [{name: one, flag: f, always: [a, b, off]}, {name: two, flag: f, never: c}]\n"
    found = findings_of(tmp_path, {"a.yaml": flag, "a.test.yaml": test}, ENVIRONMENTS)
    assert [(item.rule, item.path) for item in found] == [("unknown-variant", "/tests/1/never")]


def test_flags_of_other_environments_are_counted(tmp_path: Path) -> None:
    """They are declared, and not here."""
    files = {"a.yaml": "key: a\n---\nkey: b\nonlyIn: [production]\n---\nkey: c\nenvironments: {staging: null}\n"}
    states = [load_desired(config) for config in load_configs(a_project(tmp_path, files, ENVIRONMENTS))]
    assert [([*state.flags], state.elsewhere) for state in states] == [(["a"], 2), (["a", "b", "c"], 0)]


def test_the_tests_of_some_paths_are_loaded(tmp_path: Path) -> None:
    """With every flag; a path without a test is a slip."""
    test = "tests:\n  - {{name: {0}, flag: f, always: a}}\n".format
    flags = {"a.yaml": "key: f\n", "plain/c.yaml": "key: g\n"}
    config = a_loaded_config(tmp_path, flags | {"a.test.yaml": test("one"), "sub/b.test.yaml": test("two")})
    for paths, names in ((None, ["one", "two"]), (["sub"], ["two"]), (["a.test.yaml", "plain"], ["one"])):
        chosen = None if paths is None else [tmp_path / "flags" / path for path in paths]
        ((desired, claims),) = load_tested([config], chosen, today=None, base_error=None)
        assert ([*desired.flags], [claim.name for claim in claims]) == (["f", "g"], names)
    plain = tmp_path / "flags" / "plain"
    with pytest.raises(UsageError, match=re.escape(f"There are no tests in {plain}: their files end in .test.yaml.")):
        load_tested([config], [plain], today=None, base_error=None)
    for path, said in (("gone", "gone does not exist."), ("../reconciler.yaml/x", "x does not exist.")):
        with pytest.raises(UsageError, match=rf"{re.escape(said)}$"):
            check_desired((config,), paths=[tmp_path / "flags" / path])


def test_tests_with_errors_claim_nothing(tmp_path: Path) -> None:
    """All that is wrong is told, in flags and tests."""
    test = "tests:\n  - {name: one, flag: f, user: {groups: 5}, is: a}\n"
    config = a_loaded_config(tmp_path, {"a.yaml": "key: f\nnmae: x\n", "a.test.yaml": test})
    with pytest.raises(InvalidInputError, match="2 errors in 2 files") as caught:
        load_tested([config], None, today=None, base_error=None)
    assert [item.rule for item in caught.value.diagnostics] == ["invalid-user", "unknown-field"]


def test_paths_choose_files_and_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pre-commit calls: some files, the configuration among them, relative to where the user stands."""
    config = a_loaded_config(tmp_path, {"a.yaml": "key: A\n", "sub/b.yaml": "key: B\n", "sub/c.yaml": "key: C\n"})
    monkeypatch.chdir(tmp_path / "flags")

    def chosen(*names: str) -> list[str]:
        found = check_desired((config,), paths=[Path(name) for name in names]).findings
        return [item.position.file.removeprefix("flags/") for item in found if item.position]

    assert chosen("a.yaml") == ["a.yaml"]
    assert chosen("sub") == ["sub/b.yaml", "sub/c.yaml"]
    assert chosen("sub/c.yaml", "../flags/a.yaml") == ["a.yaml", "sub/c.yaml"]
    assert chosen(".") == chosen("..") == chosen(str(tmp_path)) == ["a.yaml", "sub/b.yaml", "sub/c.yaml"]
    assert chosen("../reconciler.yaml") == []


@pytest.mark.parametrize("name", ["nothing.yaml", "../elsewhere.yaml", "../outside", "notes.md"])
def test_a_path_without_flag_files_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A typing error must not read as "all is well"."""
    config = a_loaded_config(tmp_path, {"a.yaml": "key: a\n", "notes.md": ""})
    (tmp_path / "elsewhere.yaml").write_text("key: x\n")
    (tmp_path / "outside").mkdir()
    monkeypatch.chdir(tmp_path / "flags")
    with pytest.raises(UsageError):
        check_desired((config,), paths=[Path(name)])


def test_overlays_and_deployments_are_those_of_the_environment(tmp_path: Path) -> None:
    """One document, two flags."""
    content = (
        "key: a\nrolloutPercentage: 5\ndeployments: [web]\nrolloutWeights: {x: 1, y: 1}\nenvironments:\n"
        "  staging: {rolloutPercentage: 100, rolloutWeights: {y: null}}\n  production: {deployments: [web, ios]}\n"
    )
    file = a_project(tmp_path, {"a.yaml": content}, ENVIRONMENTS)
    staging = load_desired(load_config(file, "staging")).flags["a"].spec
    production = load_desired(load_config(file, "production")).flags["a"].spec
    assert (staging.rollout_percentage, staging.deployments) == (100, ("11",))
    assert staging.rollout_weights == Weights.of({"x": 1})
    assert (production.rollout_percentage, production.deployments) == (5, ("22", "23"))
    assert production.rollout_weights == Weights.of({"x": 1, "y": 1})


def test_a_loaded_flag_keeps_no_text(tmp_path: Path) -> None:
    """What was needed to say where a warning stands is not kept with the flag."""
    config = a_loaded_config(tmp_path, {"a.yaml": "key: a\nexpires: 2020-01-01\n"})
    state = load_desired(config, today=date(2999, 1, 1))
    assert state.warnings
    assert not [item for item in reachable(state) if isinstance(item, Document)]


def reachable(start: object) -> list[object]:
    """Every value of ours that an object holds on to, however far."""
    found, left = dict[int, object](), [start]
    while left:
        item = left.pop()
        if id(item) not in found and not isinstance(item, type | ModuleType | FunctionType):
            found[id(item)] = item
            left += gc.get_referents(item)
    return list(found.values())


def test_findings_say_in_which_environment_they_hold_unless_in_all(tmp_path: Path) -> None:
    """Once each, at the place that has to change."""
    content = (
        "key: a\n"
        "deployments: [ios]\n"
        "rolloutWeights: {x: 1}\n"
        "variants: [{key: x}]\n"
        "tags: [b, b]\n"
        "environments:\n"
        "  staging:\n"
        "    rolloutWeights: {y: 1}\n"
        "    rolloutPercentage: 300\n"
        "  production:\n"
        "    variants: [{key: z}]\n"
    )
    found = findings_of(tmp_path, {"a.yaml": content}, ENVIRONMENTS)
    assert [(item.position.line, item.rule, item.path) for item in found if item.position] == [
        (2, "unknown-deployment", "/deployments/0"),
        (3, "unknown-variant", "/rolloutWeights"),
        (5, "duplicate-tag", "/tags/1"),
        (8, "unknown-variant", "/rolloutWeights"),
        (9, "whole-percentage", "/environments/staging/rolloutPercentage"),
    ]
    assert [item.message.partition(" (in ")[2] for item in found] == [
        "staging).", "production).", "", "staging).", "",
    ]  # fmt: skip


def test_an_overlay_can_make_an_environment_invalid(tmp_path: Path) -> None:
    """The result of the merge is held to the schema, too: taking a needed part away is found."""
    content = "key: a\nrolloutWeights: {x: 1}\nenvironments: {staging: {rolloutWeights: {x: null}}}\n"
    (finding,) = findings_of(tmp_path, {"a.yaml": content}, ENVIRONMENTS)
    assert (finding.rule, str(finding.position)) == ("zero-weights", "flags/a.yaml:2:17")
    assert finding.message.endswith("(in staging).")


def test_environments_with_directories_of_their_own_are_checked_apart(tmp_path: Path) -> None:
    """The same key in two environments' directories is no duplicate."""
    config = 'version: 1\nprojectId: "1"\nenvironments: {a: {flags: flags/a}, b: {flags: flags/b}}\n'
    file = a_project(tmp_path, {"a/x.yaml": "key: x\n", "b/x.yaml": "key: x\nfoo: 1\n"}, config)
    (finding,) = check_desired(load_configs(file)).findings
    assert (finding.rule, str(finding.position)) == ("unknown-field", "flags/b/x.yaml:2:1")
    assert " (in " not in finding.message
    assert [item.rule for item in check_desired(load_configs(file), paths=[tmp_path / "flags/b"]).findings] == [
        "unknown-field"
    ]
    assert check_desired(load_configs(file), paths=[tmp_path / "flags/a/x.yaml"]).findings == ()
