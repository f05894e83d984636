"""reconciler.yaml: found, read, refused with a place, and laid out per environment."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from flag_projects import a_project

from reconciler.errors import InvalidInputError, UsageError
from reconciler.files.config_file import find_config, load_config, load_configs, parse_config
from reconciler.model.config import IgnoreRule, Limit, Requests, Safety
from reconciler.model.rollout import GuardSource

if TYPE_CHECKING:
    from pathlib import Path

FULL = """\
version: 1
region: us
projectId: "217854"
flags: flags
deployments: {web: "12345"}
managedTag: managed-by:reconciler
ignore:
  - {flags: "ops-*", paths: [/enabled, /rolloutPercentage]}
safety: {maxUpdates: 12.5%, maxArchives: 0, minFlags: 1, maxTransient: 0%, maxExposureChange: 40%}
requests: {perSecond: 5, concurrency: 2, dailyBudget: 1000}
environments:
  staging:    {projectId: "1", deployments: {ios: "11"}, safety: {maxUpdates: 7}, ignore: []}
  production: {region: eu}
"""
HEAD = 'version: 1\nprojectId: "7"\n'


def test_every_key_is_read(tmp_path: Path) -> None:
    """The whole of the contract's example, with values that are no defaults."""
    config = load_config(a_project(tmp_path, config=FULL), "production")
    assert (config.region, config.project_id, config.environment) == ("eu", "217854", "production")
    assert config.environments == ("staging", "production")
    assert config.flags_dir == tmp_path / "flags"
    assert config.deployments == {"web": "12345"}
    assert config.managed_tag == "managed-by:reconciler"
    assert config.ignore == (IgnoreRule(flags="ops-*", paths=("/enabled", "/rolloutPercentage")),)
    assert config.safety == Safety(
        max_updates=Limit(share=Fraction(1, 8)), max_archives=Limit(count=0), min_flags=1,
        max_transient=Fraction(0), max_exposure_change=Fraction(2, 5),
    )  # fmt: skip
    assert config.requests == Requests(per_second=5, concurrency=2, daily_budget=1000)


def test_keys_of_an_environment_replace_those_of_the_top_level(tmp_path: Path) -> None:
    """Replaced, not merged: `safety` and `deployments` are those of the environment alone."""
    config = load_config(a_project(tmp_path, config=FULL), "staging")
    assert (config.region, config.project_id) == ("us", "1")
    assert config.deployments == {"ios": "11"}
    assert config.safety == Safety(max_updates=Limit(count=7))
    assert config.ignore == ()
    assert config.managed_tag == "managed-by:reconciler"


def test_windows_of_an_apply(tmp_path: Path) -> None:
    """Those of the environment, or else those of all."""
    window = "{days: mon, hours: '09:00-10:00', zone: UTC}"
    times = f"windows: {{a: {window}, b: {window}}}\n"
    file = a_project(tmp_path, config=f"{HEAD}{times}environments: {{one: {{windows: [b]}}, two: {{}}}}\n")
    assert [config.apply_windows for config in load_configs(file)] == [("b",), ()]
    file = a_project(tmp_path, config=file.read_text() + "applyWindows: [a, b]\n")
    assert [config.apply_windows for config in load_configs(file)] == [("b",), ("a", "b")]
    assert [[*config.windows] for config in load_configs(file)] == [["a", "b"]] * 2


def test_a_configuration_of_a_commit_needs_no_directory(tmp_path: Path) -> None:
    """What it said of the flags' is kept."""
    config = parse_config(tmp_path / "reconciler.yaml", f"{HEAD}flags: gone\n".encode(), None)
    assert (config.flags_dir, config.content) == (tmp_path / "gone", f"{HEAD}flags: gone\n".encode())


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    """A configuration of two lines is complete."""
    config = load_config(a_project(tmp_path, config=HEAD))
    assert (config.region, config.environment, config.environments) == ("us", None, ())
    assert config.safety == Safety(
        max_updates=Limit(share=Fraction(3, 10)), max_archives=Limit(count=5), min_flags=10,
        max_transient=Fraction(1, 20), max_exposure_change=Fraction(1),
    )  # fmt: skip
    assert config.requests == Requests(per_second=50, concurrency=16, daily_budget=100_000)


def test_the_file_is_found_here_or_in_a_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands work from anywhere inside the repository."""
    file = a_project(tmp_path, {"deep/er/a.yaml": "key: a\n"})
    monkeypatch.chdir(tmp_path / "flags" / "deep")
    assert find_config() == file
    assert find_config(start=tmp_path) == file
    assert find_config(file) == file


def test_no_configuration(tmp_path: Path) -> None:
    """A repository without one is invalid, with the two ways out named; a chosen one that is no file is a misuse."""
    with pytest.raises(InvalidInputError, match="init"):
        find_config(start=tmp_path)
    with pytest.raises(UsageError, match="is not a file"):
        find_config(tmp_path / "other.yaml")


def test_an_environment_has_to_be_chosen_where_there_are_some(tmp_path: Path) -> None:
    """The message lists them; an unknown one comes with a suggestion."""
    file = a_project(tmp_path, config=FULL)
    with pytest.raises(UsageError, match="staging, production"):
        load_config(file)
    with pytest.raises(UsageError, match='Did you mean "production"'):
        load_config(file, "prodution")


def test_an_environment_cannot_be_chosen_where_there_are_none(tmp_path: Path) -> None:
    """A forgotten RECONCILER_ENV must not be ignored."""
    with pytest.raises(UsageError, match="no environments"):
        load_config(a_project(tmp_path, config=HEAD), "staging")


def test_validate_looks_at_all_environments_or_at_the_chosen_one(tmp_path: Path) -> None:
    """One configuration each, in the order of the file."""
    file = a_project(tmp_path, config=FULL)
    assert [config.environment for config in load_configs(file)] == ["staging", "production"]
    assert [config.environment for config in load_configs(file, "staging")] == ["staging"]
    assert [config.environment for config in load_configs(a_project(tmp_path, config=HEAD))] == [None]


REFUSALS: dict[str, tuple[str, str, int, int, str]] = {
    "project id that is a number": ("version: 1\nprojectId: 217854\n", "unquoted-id", 2, 12, "/projectId"),
    "project id with a slash": ('version: 1\nprojectId: "1/2"\n', "invalid-id", 2, 12, "/projectId"),
    "no project": ("version: 1\n", "missing-field", 1, 1, ""),
    "no project in an environment": (
        "version: 1\nenvironments:\n  a: {projectId: '1'}\n  b: {}\n", "missing-field", 4, 3, "/environments/b"),
    "no version": ('projectId: "7"\n', "missing-field", 1, 1, ""),
    "another version": ('version: 2\nprojectId: "7"\n', "unknown-version", 1, 10, "/version"),
    "a host": (HEAD + "url: https://example.com\n", "unknown-field", 3, 1, "/url"),
    "a key": (HEAD + "apiKey: x\n", "unknown-field", 3, 1, "/apiKey"),
    "unknown region": (HEAD + "region: asia\n", "unknown-value", 3, 9, "/region"),
    "region of an environment": (HEAD + "environments: {a: {region: EU}}\n", "unknown-value", 3, 28,
                                 "/environments/a/region"),
    "unknown key of an environment": (HEAD + "environments: {a: {region: eu, host: x}}\n", "unknown-field", 3, 32,
                                      "/environments/a/host"),
    "environments within environments": (HEAD + "environments: {a: {environments: {}}}\n", "unknown-field", 3, 20,
                                         "/environments/a/environments"),
    "no environments": (HEAD + "environments: {}\n", "empty-value", 3, 15, "/environments"),
    "name of an environment": (HEAD + "environments: {a b: {}}\n", "invalid-environment", 3, 16,
                               "/environments/a b"),
    "deployment id that is a number": (HEAD + "deployments: {web: 12}\n", "unquoted-id", 3, 20, "/deployments/web"),
    "deployment name that is digits": (HEAD + 'deployments: {"12": "1"}\n', "invalid-name", 3, 15, "/deployments/12"),
    "unknown limit": (HEAD + "safety: {maxUpdate: 5}\n", "unknown-field", 3, 10, "/safety/maxUpdate"),
    "limit in words": (HEAD + "safety: {maxUpdates: many}\n", "invalid-limit", 3, 22, "/safety/maxUpdates"),
    "limit above all": (HEAD + "safety: {maxUpdates: 101%}\n", "invalid-limit", 3, 22, "/safety/maxUpdates"),
    "share that is no percentage": (HEAD + "safety: {maxTransient: 5}\n", "invalid-percentage", 3, 24,
                                    "/safety/maxTransient"),
    "too many requests": (HEAD + "requests: {perSecond: 0}\n", "out-of-range", 3, 23, "/requests/perSecond"),
    "ignored field that no flag has": (HEAD + "ignore: [{flags: '*', paths: [/enabeld]}]\n", "unknown-field", 3, 31,
                                       "/ignore/0/paths/0"),
    "ignored path that is no pointer": (HEAD + "ignore: [{flags: '*', paths: [enabled]}]\n", "invalid-pointer", 3, 31,
                                        "/ignore/0/paths/0"),
    "ignored key": (HEAD + "ignore: [{flags: '*', paths: [/key]}]\n", "unknown-field", 3, 31, "/ignore/0/paths/0"),
    "flags outside": (HEAD + "flags: ../elsewhere\n", "flags-directory", 3, 8, "/flags"),
    "flags by an absolute path": (HEAD + "flags: /etc\n", "flags-directory", 3, 8, "/flags"),
    "flags that are not there": (HEAD + "flags: flgs\n", "flags-directory", 3, 8, "/flags"),
    "flags that are a file": (HEAD + "flags: reconciler.yaml\n", "flags-directory", 3, 8, "/flags"),
    "two documents": (HEAD + "---\nversion: 1\n", "several-documents", 4, 1, ""),
    "anchors": ('version: 1\nprojectId: &p "7"\n', "yaml-anchor", 2, 12, "/projectId"),
    "a list": ("- version: 1\n", "wrong-type", 1, 1, ""),
    "nothing": ("# later\n", "empty-file", 1, 1, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_has_its_place_and_exit_code_3(tmp_path: Path, name: str) -> None:
    """One finding, in reconciler.yaml, at line and column."""
    content, rule, line, column, path = REFUSALS[name]
    file = a_project(tmp_path, config=content)
    with pytest.raises(InvalidInputError) as caught:
        load_configs(file)
    assert (caught.value.exit_code, caught.value.directory) == (3, tmp_path)
    (finding,) = caught.value.diagnostics
    assert (finding.rule, str(finding.position), finding.path) == (rule, f"reconciler.yaml:{line}:{column}", path)


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    """Wherever they are in the file."""
    with pytest.raises(InvalidInputError) as caught:
        load_config(a_project(tmp_path, config="version: 2\nprojectId: 7\nregoin: eu\nsafety: &s {maxUpdates: x}\n"))
    found = {item.rule for item in caught.value.diagnostics}
    assert found == {"unknown-version", "unquoted-id", "unknown-field", "yaml-anchor", "invalid-limit"} - {
        "invalid-limit"
    }
    hints = {item.hint for item in caught.value.diagnostics}
    assert 'Did you mean "region"?' in hints


def test_flags_need_not_exist_for_commands_that_write_them(tmp_path: Path) -> None:
    """`import` fills the directory."""
    file = a_project(tmp_path, config=HEAD + "flags: later\n")
    assert load_config(file, needs_flags=False).flags_dir == tmp_path / "later"


def test_a_link_out_of_the_repository_is_no_directory_of_flags(tmp_path: Path) -> None:
    """A pull request cannot make the reconciler read elsewhere."""
    inside, outside = tmp_path / "repository", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "linked").symlink_to(outside)
    file = a_project(inside, config=HEAD + "flags: linked\n")
    with pytest.raises(InvalidInputError, match="inside the directory"):
        load_config(file)


def test_an_absolute_path_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    """It is another one on the next machine."""
    (tmp_path / "flags").mkdir(exist_ok=True)
    file = a_project(tmp_path, config=f"{HEAD}flags: {tmp_path / 'flags'}\n")
    with pytest.raises(InvalidInputError, match="inside the directory"):
        load_config(file)


def test_a_repository_may_be_reached_by_a_link(tmp_path: Path) -> None:
    """Where the repository itself lies is the user's business."""
    (tmp_path / "real").mkdir()
    a_project(tmp_path / "real", config=HEAD)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert load_config(tmp_path / "link" / "reconciler.yaml").project_id == "7"


def test_a_configuration_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    """What a link leads to could be quoted in a finding."""
    file = a_project(tmp_path, config=HEAD)
    (tmp_path / "linked.yaml").symlink_to(file)
    with pytest.raises(UsageError, match="symbolic link"):
        load_config(tmp_path / "linked.yaml")


def test_guards_are_read(tmp_path: Path) -> None:
    """Each of its kind; what it leaves out is empty."""
    guards = (
        "guards:\n  p: {prometheus: URL, failed: f, of: o, against: control}\n"
        "  j: {json: ADDRESS, failed: /f, of: /o, against: a}\n  c: {command: CHECK}\n"
    )
    assert load_config(a_project(tmp_path, config=HEAD + guards)).guards == {
        "p": GuardSource(kind="prometheus", variable="URL", failed="f", of="o", against="control"),
        "j": GuardSource(kind="json", variable="ADDRESS", failed="/f", of="/o", against="a"),
        "c": GuardSource(kind="command", variable="CHECK", failed="", of="", against=""),
    }
