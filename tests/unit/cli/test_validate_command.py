"""`validate`: every finding, in every form, without a network or a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from emulators import seeded
from jsonschema import Draft4Validator, Draft202012Validator

from reconciler.files.schema import load_schema

VALID = b"key: ok\narchived: true\n"
WHOLE = "key: new-checkout\nenabled: true\nrolloutPercentage: 50\ntargetSegments: []\n"

if TYPE_CHECKING:
    from conftest import Repository

BROKEN = "key: new-checkout\nrolloutPercentag: 50\nenabled: maybe\n"


@pytest.fixture(autouse=True)
def whole(repository: Repository) -> None:
    """The flag of the repository says everything that `validate` would miss."""
    repository.write("flags/new-checkout.yaml", WHOLE)


def test_valid_files_are_valid(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0, offline, with no key set."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    ran = repository.run("validate")
    assert (ran.code, ran.out) == (0, "No findings; read 1 flag in 1 file.\n")
    assert repository.emulator.log == []


def test_all_findings_are_shown(repository: Repository) -> None:
    """Exit code 3 and every finding with its place, not the first."""
    repository.write("flags/new-checkout.yaml", BROKEN)
    repository.write("flags/other.yaml", "key: Other Flag\n")
    ran = repository.run("validate")
    assert ran.code == 3
    lines = ran.out.splitlines()
    assert [line.split(":")[0] for line in lines if ": error: " in line] == [
        "flags/new-checkout.yaml",
        "flags/new-checkout.yaml",
        "flags/other.yaml",
    ]
    assert lines[-1] == "3 errors; read 2 flags in 2 files."


def test_json_is_the_document_of_the_contract(repository: Repository) -> None:
    """Valid, with severity, rule, message, file, line, column and path."""
    repository.write("flags/new-checkout.yaml", BROKEN)
    ran = repository.run("validate", "--format", "json")
    document = json.loads(ran.out)
    Draft202012Validator(load_schema("findings")).validate(document)
    assert (ran.code, document["ok"], len(document["findings"])) == (3, False, 2)
    assert document["findings"][0]["file"] == "flags/new-checkout.yaml"
    assert document["findings"][0]["line"] == 2
    repository.write("flags/new-checkout.yaml", WHOLE)
    assert json.loads(repository.run("validate", "--format", "json").out) == {
        "formatVersion": 1,
        "ok": True,
        "findings": [],
    }


def test_a_broken_configuration_is_a_finding(repository: Repository) -> None:
    """What is wrong with reconciler.yaml comes in the same form."""
    repository.write("reconciler.yaml", "version: 1\nprojectId: 7\nhost: example.com\n")
    document = json.loads(repository.run("validate", "--format", "json").out)
    assert {finding["file"] for finding in document["findings"]} == {"reconciler.yaml"}
    assert len(document["findings"]) == 2


def test_paths_narrow_what_is_checked(repository: Repository) -> None:
    """Only the given files count."""
    repository.write("flags/other.yaml", "key: Other Flag\n")
    assert repository.run("validate", "flags/new-checkout.yaml").code == 0
    assert repository.run("validate", "flags/other.yaml").code == 3


def test_github_annotates_from_the_root_of_the_checkout(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration in a subdirectory annotates the file where the pull request shows it."""
    sub = repository.root / "config"
    repository.write("config/reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    repository.write("config/flags/a.yaml", "key: A\n")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository.root))
    monkeypatch.chdir(sub)
    ran = repository.run("validate", "--format", "github")
    assert ran.code == 3
    assert ran.out.startswith("::error file=config/flags/a.yaml,line=1,col=")


def test_sarif_is_a_log(repository: Repository) -> None:
    """A SARIF 2.1.0 log with a result per finding."""
    repository.write("flags/new-checkout.yaml", BROKEN)
    log = json.loads(repository.run("validate", "--format", "sarif").out)
    assert log["version"] == "2.1.0"
    assert len(log["runs"][0]["results"]) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"key: a\nkey: b\n", b"- 1\n- {2: 3\n", b"\xef\xbb\xbfkey: a\n", b"\x1b", VALID],
    ids=["empty", "no UTF-8", "twice", "no YAML", "BOM", "a control", "valid"],
)  # fmt: skip
def test_sarif_is_valid_with_any_findings(repository: Repository, content: bytes) -> None:
    """The log keeps to the published schema, in files and directories of any name."""
    (repository.root / "flags" / "ein Häuflein #1 {x}.yaml").write_bytes(content)
    log = json.loads(repository.run("validate", "--format", "sarif").out)
    schema = json.loads((Path(__file__).parents[2] / "vectors" / "sarif-2.1.0.schema.json").read_text("utf-8"))
    Draft4Validator(schema).validate(log)
    assert bool(log["runs"][0]["results"]) == (content != VALID)


def test_all_environments_are_checked_unless_one_is_chosen(repository: Repository) -> None:
    """An overlay that is wrong in one environment is found; another environment alone is fine."""
    repository.write(
        "reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n  two: {projectId: "7"}\n'
    )
    repository.write(
        "flags/new-checkout.yaml",
        "key: new-checkout\nvariants: [{key: a}]\nenvironments:\n  two: {rolloutWeights: {b: 1}}\n",
    )
    assert repository.run("validate").code == 3
    assert repository.run("validate", "--env", "one").code == 0


def test_the_configuration_may_be_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config from anywhere; without one, parents are searched."""
    monkeypatch.chdir(repository.root / "flags")
    assert repository.run("validate").code == 0
    monkeypatch.chdir(repository.root.parent)
    assert repository.run("validate").code == 3
    assert repository.run("validate", "-c", str(repository.root / "reconciler.yaml")).code == 0


def test_no_hint_repeats_its_message(repository: Repository) -> None:
    """A hint adds something: the value that was meant, or the values there are where the message names none."""
    repository.write(
        "flags/new-checkout.yaml",
        "key: ~\nevaluationMode: nowhere\nvariants: [{key: a, inclusions: {users: [12]}}]\n"
        "targetSegments: [{name: s, conditions: [{prop: x, op: same, values: [a]}], percentage: 1}]\n",
    )
    findings = json.loads(repository.run("validate", "--format", "json").out)["findings"]
    hints = {finding["rule"]: finding.get("hint") for finding in findings}
    assert hints["unquoted-id"] is None
    assert hints["unknown-value"] is None
    assert hints["unknown-op"].startswith("Known are: is, is not, ")


def test_every_form_says_how_much_was_read(repository: Repository) -> None:
    """No findings is no good news where nothing was read; what forms cannot hold stands on stderr."""
    repository.write(
        "flags/sub/two.yml", f"{WHOLE}---\n{WHOLE}".replace("new-checkout", "a", 1).replace("new-checkout", "b")
    )
    assert repository.run("validate").out == "No findings; read 3 flags in 2 files.\n"
    assert repository.run("validate", "flags/sub").out == "No findings; read 2 flags in 1 file.\n"
    for form in ("json", "github", "sarif"):
        assert repository.run("validate", "--format", form).err == "Read 3 flags in 2 files.\n"
        assert repository.run("validate", "--format", form, "--quiet").err == ""
    repository.write("flags/a.test.yaml", "tests: [{name: x, flag: new-checkout, never: gone}]\n")
    assert repository.run("validate").out == "No findings; read 3 flags in 3 files.\n"
    for name in ("new-checkout.yaml", "sub/two.yml", "a.test.yaml"):
        (repository.root / "flags" / name).unlink()
    assert repository.run("validate").out == "No findings; read 0 flags in 0 files.\n"


@pytest.mark.parametrize("name", ["b.YAML", "UP.YML", "Mixed.Yaml", "sub/c.yML", "space.yaml "])
def test_a_suffix_in_capitals_is_an_error(repository: Repository, name: str) -> None:
    """The file would be left out, and its flags count as deleted."""
    repository.write(f"flags/{name}", "key: b\n")
    ran = repository.run("validate")
    assert ran.code == 3
    assert f"flags/{name}:1:1: error: " in ran.out
    right = name.rsplit("/", 1)[-1].strip().rsplit(".", 1)
    assert f"Rename it to {right[0]}.{right[1].lower()}." in ran.out
    assert repository.run("validate", f"flags/{name}").code == 3
    for command in (["plan"], ["apply", "--auto-approve"], ["drift"], ["import"], ["fmt"]):
        assert repository.run(*command).code == 3
    assert repository.emulator.log == []


@pytest.mark.parametrize(
    "name",
    [
        "k.yaml\u200b", "k.yaml\ufeff", "k.ya\u00adml", "k.yaml\u2800", "k.yaml.", "k.yml..", "k.yaml .",
        "k.\uff59\uff41\uff4d\uff4c", "k\uff0eyaml", "k\u2024yml", "k.y\u0301aml", "k.yaml\ufe0f", "k.YML.",
        "sub/k.yaml\n", "k.yaml\u3164", "k.yaml\u00a0",
    ],
)  # fmt: skip
def test_a_name_that_looks_like_a_flag_files_is_an_error(repository: Repository, name: str) -> None:
    """It is not noticed that the file is left out; `--prune` would archive what it alone declares."""
    seeded(repository.emulator, [{"key": "only-there", "tags": ["managed"]}])
    repository.write(f"flags/{name}", "key: only-there\n")
    ran = repository.run("validate", "--format", "json")
    (finding,) = json.loads(ran.out)["findings"]
    assert (ran.code, finding["rule"], finding["severity"]) == (3, "file-suffix", "error")
    assert finding["hint"] in {"Rename it to k.yaml.", "Rename it to k.yml."}
    assert finding["message"].startswith(ascii(name.removeprefix("sub/")))
    assert repository.run("plan", "--prune").code == 3
    assert repository.emulator.log == []


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a.yaml.bak", "backup-file"),
        ("a.yaml~", "backup-file"),
        ("a.yml.orig", "backup-file"),
        ("sub/a.yaml.swp", "backup-file"),
        ("a.YAML.BAK", "backup-file"),
        ("#a.yaml#", "backup-file"),
        ("a.yaml (copy)", "backup-file"),
        ("a.yaml\n.bak", "backup-file"),
        (".a.yaml.swp", "hidden-file"),
        ("a.yaml.json", "json-file"),
        ("a.json.", "json-file"),
        (".hidden.yaml", "hidden-file"),
        (".team/a.yaml", "hidden-file"),
        ("sub/.team/deep/a.yml", "hidden-file"),
        (".team/.A.YML", "hidden-file"),
        (".team/a.json", "hidden-file"),
        ("c.json", "json-file"),
        ("sub/c.JSON", "json-file"),
        ("b.ymal", "unread-file"),
        ("b.yam", "unread-file"),
        ("sub/b.YAM", "unread-file"),
        ("b.yl", "unread-file"),
        ("b.yaml2", "unread-file"),
        ("b.toml", "unread-file"),
        ("b.jsonc", "unread-file"),
        ("b.txt", "unread-file"),
        ("b", "unread-file"),
        ("yaml", "unread-file"),
        ("b.bak", "unread-file"),
    ],
)
def test_what_is_not_read_is_told(repository: Repository, name: str, rule: str) -> None:
    """A warning with its place, for each command that reads flags; nothing fails."""
    repository.write(f"flags/{name}", "key: not-read\n")
    ran = repository.run("validate")
    assert (ran.code, ran.out.count(f"[{rule}]")) == (0, 1)
    shown = name.replace("\n", "\\n")
    assert f"flags/{shown}:1:1: warning: This file is not read: " in ran.out
    assert ran.out.endswith("1 warning; read 1 flag in 1 file.\n")
    assert repository.run("validate", f"flags/{name}").out.count(f"[{rule}]") == 1
    for command in ("plan", "fmt", "drift"):
        ran = repository.run(command)
        assert ran.code in {0, 2}
        assert f"flags/{shown}:1:1: This file is not read" in ran.err


def test_what_is_no_flag_file_is_not_told(repository: Repository) -> None:
    """Git's own files, and what is not YAML or JSON; beside reconciler.yaml, what other tools keep there."""
    for name in (
        "flags/.git/config.yaml",
        "flags/sub/.git/b.json",
        "flags/.keep",
        "flags/.gitattributes",
        "flags/README.md",
        "flags/sub/README",
        "flags/CODEOWNERS",
        "flags/LICENSE.txt",
        "flags/overview.svg",
        "flags/check.sh",
        "flags/.x/notes",
    ):
        repository.write(name, "key: a-flag\n")
    assert repository.run("validate").out == "No findings; read 1 flag in 1 file.\n"
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nflags: sub\n')
    (repository.root / "flags").rename(repository.root / "sub")
    for name in (".github/workflows/a.yml", ".pre-commit-config.yaml", "package.json", "poetry.toml", "Procfile"):
        repository.write(name, "{}\n")
    assert repository.run("validate").out == "No findings; read 1 flag in 1 file.\n"


@pytest.mark.parametrize(("files", "more"), [(100, ""), (101, "1 more file"), (150, "50 more files")])
def test_many_files_that_are_not_read_fill_no_report(repository: Repository, files: int, more: str) -> None:
    """The first are named and the rest counted; the flags that are read stay read."""
    for number in range(files):
        repository.write(f"flags/.old/{number:03}.yaml", "key: a\n")
    ran = repository.run("validate")
    assert ran.out.count("[hidden-file]") == min(files, 101)
    assert "flags/.old/000.yaml" in ran.out
    assert (f"{more} below this directory are not read" in ran.out) is bool(more)
    assert ran.out.endswith("read 1 flag in 1 file.\n")


@pytest.mark.parametrize(
    "names",
    [
        ("caf\u00e9.yaml", "cafe\u0301.yaml"),
        ("sub/\u212b.yaml", "sub/A\u030a.yaml"),
        ("caf\u00e9/a.yaml", "cafe\u0301/a.yaml"),
        ("\u00c9.yaml", "e\u0301.yaml"),
        ("a.yaml", "A.yaml"),
    ],
)
def test_names_that_some_file_systems_take_for_one_are_reported(
    repository: Repository, names: tuple[str, str]
) -> None:
    """They differ by case or Unicode form only: a checkout elsewhere would have one of the two files."""
    for number, name in enumerate(names):
        repository.write(f"flags/{name}", f"key: f{number}\n")
    ran = repository.run("validate")
    assert (ran.code, ran.out.count("[ambiguous-file-name]")) == (3, 1)


UNREAD = {
    "b.ymal": "key: gone\n",
    "b.yam": "# the flag\nkey: 'gone'  # of ours\n",
    "b.toml": 'key = "gone"\n',
    "b.json": '{"name": "x", "key": "gone"}',
    ".b.yaml": '"key": gone\n',
    "b.yaml~": "key: a\n---\nkey: gone\r\n",
    "b": "{key: gone, enabled: true}",
    "sub/b.yaml/b.txt": "\ufeffkey: gone\n",
    "gone.ymal": "what is this",
    "b.test.yaml": "key: gone\nvariants: [{key: on}]\n",
    "gone.test.yml": "enabled: true\nkey: gone\n",
}
"""Files that are not read as flag files, by name, and how each of them declares a flag."""


@pytest.mark.parametrize("name", UNREAD)
def test_what_a_file_that_is_not_read_declares_is_not_archived(repository: Repository, name: str) -> None:
    """It is held, and the others go on; the same file under its right name declares it."""
    flags = [{"key": key, "tags": ["managed"]} for key in ("gone", "also-gone")]
    seeded(repository.emulator, flags)
    repository.write(f"flags/{name}", UNREAD[name])
    ran = repository.run("apply", "--prune", "--auto-approve")
    assert (repository.live("gone")["archived"], repository.live("also-gone")["archived"]) == (False, True)
    assert f"flags/{name} may declare it" in " ".join(ran.out.split())
    assert f"flags/{name}" in repository.run("plan").err
    repository.run("apply", "--prune", "--auto-approve", "--allow", "unread-file:gone")
    assert repository.live("gone")["archived"] is True


@pytest.mark.parametrize("name", ["gone.yaml", "gone.yml", "sub/gone.YAML"])
def test_a_directory_that_is_called_like_a_flag_file_is_told(repository: Repository, name: str) -> None:
    """The flag that it seems to be is not archived; files in it are read as in any other."""
    seeded(repository.emulator, [{"key": "gone", "tags": ["managed"]}])
    repository.write(f"flags/{name}/other.yaml", "key: new-checkout-2\n")
    ran = repository.run("validate")
    assert f"flags/{name}:1:1: warning: This is a directory, and no flag file" in ran.out
    assert ran.out.endswith("read 2 flags in 2 files.\n")
    assert f"flags/{name} may declare it" in " ".join(repository.run("plan", "--prune").out.split())


@pytest.mark.parametrize("name", ["gone.ymal", "gone", "gone.toml"])
def test_a_link_under_another_name_is_told(repository: Repository, name: str) -> None:
    """It is not followed: what it leads to is unknown, and its name may be that of a flag."""
    seeded(repository.emulator, [{"key": "gone", "tags": ["managed"]}])
    (repository.root / "flags" / name).symlink_to("nowhere")
    assert f"flags/{name}:1:1: warning: This file is not read" in repository.run("validate").out
    assert f"flags/{name} may declare it" in " ".join(repository.run("plan", "--prune").out.split())


def test_tests_of_a_flag_hold_no_archive(repository: Repository) -> None:
    """A file of tests names flags, and declares none."""
    seeded(repository.emulator, [{"key": "gone", "tags": ["managed"]}])
    repository.write(
        "flags/gone.test.yaml",
        'tests:\n  - name: never\n    flag: gone\n    users: {country: US}\n    never: "on"\n',
    )
    assert "unread-file" not in repository.run("plan", "--prune").out


def test_prune_says_what_it_does_not_know(repository: Repository) -> None:
    """In the plan itself, where a reviewer looks."""
    seeded(repository.emulator, [{"key": "declared-in-json", "tags": ["managed"]}])
    repository.write("flags/b.json", '{"key": "declared-in-json"}')
    repository.write("flags/.c.yaml", "key: c\n")
    repository.write("flags/d.yaml.bak", "key: d\n")
    for form in ("text", "markdown", "json"):
        ran = repository.run("plan", "--prune", "--format", form)
        assert "flags/.c.yaml and 2 more" in ran.out.replace("&#46;", ".")
        assert "declared-in-json" in ran.out
    assert "--prune takes" not in repository.run("plan").out


@pytest.mark.parametrize("kind", ["to a file", "to a directory", "to nothing", "to itself", "to the configuration"])
def test_a_path_that_is_a_link_is_refused_as_one(repository: Repository, kind: str) -> None:
    """The finding about it, and about it alone; it is neither followed nor a file that is not there."""
    outside = repository.write("outside/secret.yaml", "key: [\n")
    target = {
        "to a file": outside,
        "to a directory": outside.parent,
        "to nothing": repository.root / "gone",
        "to itself": Path("link"),
        "to the configuration": repository.root / "reconciler.yaml",
    }[kind]
    name = "link" if kind in {"to a directory", "to itself"} else "link.yaml"
    repository.write("flags/broken.yaml", "key: A\n")
    (repository.root / "flags" / name).symlink_to(target)
    ran = repository.run("validate", f"flags/{name}", "--format", "json")
    findings = json.loads(ran.out)["findings"]
    assert (ran.code, [(item["rule"], item["file"]) for item in findings]) == (
        3, [("irregular-file", f"flags/{name}")],
    )  # fmt: skip


def test_a_placeholder_of_one_environment_is_told(repository: Repository) -> None:
    """Once, though the other environments have an id."""
    environments = '{a: {projectId: "7"}, b: {projectId: "000000"}, c: {projectId: "000000"}}'
    repository.write("reconciler.yaml", f"version: 1\nenvironments: {environments}\n")
    ran = repository.run("validate")
    assert (ran.code, ran.out.count("[placeholder]")) == (0, 1)
    assert "[placeholder]" not in repository.run("validate", "--env", "a").out
    assert "[placeholder]" in repository.run("validate", "--env", "b").out


def test_a_directory_that_is_a_link_to_itself_does_not_exist(repository: Repository) -> None:
    """A finding at the line that names it, in every release of Python."""
    (repository.root / "loop").symlink_to("loop")
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nflags: loop\n')
    ran = repository.run("validate")
    assert (ran.code, ran.err) == (3, "")
    assert ran.out.startswith(
        "reconciler.yaml:3:8: error: The directory of flag files does not exist. [flags-directory]\n"
    )


@pytest.mark.parametrize(
    "pointer",
    ["/name/New", "/name/0", "/enabled/true", "/rolloutPercentage/5", "/tags/team/a", "/variants/on/name/O"],
)
def test_an_ignored_path_below_a_value_without_parts_is_not_there(repository: Repository, pointer: str) -> None:
    """A part of a text, even one that occurs in it, is no field: nothing is found, and nothing breaks."""
    config = f'version: 1\nprojectId: "7"\nignore: [{{flags: "*", paths: [{pointer}, /description]}}]\n'
    repository.write("reconciler.yaml", config)
    flag = "key: new-checkout\nname: New 0\nenabled: true\nrolloutPercentage: 5\ntargetSegments: []\ntags: [team]\n"
    repository.write("flags/new-checkout.yaml", f"{flag}variants: [{{key: 'on', name: Onn}}]\n")
    assert repository.run("validate").out == "No findings; read 1 flag in 1 file.\n"
    repository.write("flags/new-checkout.yaml", f"{flag}description: x\n")
    assert repository.run("validate").out.count("[ignored-field]") == 1


@pytest.mark.parametrize("command", ["validate", "plan", "drift", "fmt"])
@pytest.mark.parametrize("started", ["", "flags"])
def test_findings_show_their_line(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, command: str, started: str
) -> None:
    """Of files and of the configuration, wherever the command is started; JSON has the place alone."""
    monkeypatch.chdir(repository.root / started)
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutWeights: {control: x}\n")
    ran = repository.run(command)
    assert f"    | rolloutWeights: {{control: x}}\n    | {' ' * 26}^\n" in ran.out + ran.err
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nregoin: eu\n')
    ran = repository.run(command)
    assert "    | regoin: eu\n    | ^\n" in ran.out + ran.err
    assert "regoin: eu" not in repository.run("validate", "--format", "json").out


@pytest.mark.parametrize(
    "text",
    [
        "key: f\nvariants:\n  - key: a\n    inclusions:\n      users:\n        - a,canary\n",
        "key: f\nvariants: [{key: a, inclusions: {users: [canary]}, bogus: 1}]\n",
        "key: f\ntargetSegments: [{name: S, percentage: 250, conditions: [{prop: user_id, values: [canary]}]}]\n",
        "key: f\nbogus: canary@example.com\n",
    ],
)
def test_lines_that_may_hold_users_are_not_shown(repository: Repository, text: str) -> None:
    """A finding never carries an id into a log."""
    repository.write("flags/f.yaml", text)
    for command in ("validate", "plan"):
        ran = repository.run(command)
        assert ran.code == 3
        assert "canary" not in ran.out + ran.err


@pytest.mark.parametrize("name", ["UP.YAML", ".hidden.yaml", "x.json"])
def test_a_finding_about_a_file_points_at_no_line(repository: Repository, name: str) -> None:
    """Its first line has nothing to do with it."""
    repository.write(f"flags/{name}", "key: f\n")
    ran = repository.run("validate")
    assert f"flags/{name}:1:1" in ran.out
    assert "key: f" not in ran.out
