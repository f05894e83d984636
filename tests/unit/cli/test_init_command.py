"""`init`: what it writes, and that what it writes is sound."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

BASE = ["reconciler.yaml", "flags/example.yaml", ".pre-commit-config.yaml", ".gitignore"]
GITHUB = [f".github/workflows/flags-{name}.yml" for name in ("plan", "apply", "drift", "advance")]
ALLOWED = {
    ("contents", "read"), ("issues", "write"), ("pull-requests", "read"), ("pull-requests", "write"),
    ("deployments", "read"), ("actions", "read"),
}  # fmt: skip
STEPS = {
    "github": "In the settings of the repository make the environments flags-plan and flags-undo with reviewers, "
    "flags-apply and flags-drift, all but flags-plan limited to the default branch, each with the secret "
    "AMPLITUDE_MANAGEMENT_API_KEY.",
    "gitlab": "In the project's settings store AMPLITUDE_MANAGEMENT_API_KEY as a masked variable for the "
    "environments flags-plan, flags-apply and flags-drift, and schedule a pipeline for drift and rollouts.",
    "none": "Run `reconciler validate` and `reconciler plan` on every change, `reconciler apply` on what is merged.",
}
_is_pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}").fullmatch


@pytest.fixture
def empty(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A directory without a repository."""
    directory = tmp_path / "empty"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return repository


def written(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): path.read_text() for path in directory.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ((), BASE + GITHUB),
        (("--ci", "github"), BASE + GITHUB),
        (("--ci", "gitlab"), [*BASE, ".gitlab-ci.yml"]),
        (("--ci", "none"), BASE),
    ],
)
def test_init_writes_what_a_repository_needs(
    empty: Repository, tmp_path: Path, arguments: tuple[str, ...], files: list[str]
) -> None:
    """The files are named on stdout, then the next steps; they are valid, formatted, and free of placeholders."""
    ran = empty.run("init", *arguments)
    assert (ran.code, ran.err) == (0, "")
    assert [line.removeprefix("+ ") for line in ran.out.splitlines() if line.startswith("+ ")] == files
    next_steps = ran.out.partition("\nNext:\n")[2].splitlines()
    assert next_steps[:4] == [
        "  1. Put the project's id into reconciler.yaml.",
        "  2. Set AMPLITUDE_MANAGEMENT_API_KEY to a management key; `reconciler doctor` says whether it works.",
        "  3. Look at flags/example.yaml and delete it.",
        "  4. Write the live flags as files: `reconciler import`. The next plan only puts `managedTag` on them.",
    ]
    assert next_steps[4:] == [f"  5. {STEPS[arguments[-1] if arguments else 'github']}"]
    found = written(tmp_path / "empty")
    assert sorted(found) == sorted(files)
    usual = empty.write("usual.txt", "").stat().st_mode
    assert {(tmp_path / "empty" / name).stat().st_mode for name in files} == {usual}
    assert not [name for name, text in found.items() if "@VERSION@" in text]
    validated = empty.run("validate")
    assert validated.code == 0
    assert validated.out.startswith(
        'reconciler.yaml:1:1: warning: `projectId` is still the placeholder "000000": commands that ask the server '
        "refuse it. [placeholder]\n"
    )
    assert "\n    hint: Put the project's id there: Amplitude shows it in the settings of the project.\n" in (
        validated.out
    )
    assert validated.out.endswith("1 warning; read 1 flag in 1 file.\n")
    assert empty.run("fmt", "--check").code == 0


def test_init_keeps_what_exists(empty: Repository, tmp_path: Path) -> None:
    """It is named, with what would have been written; the others are written. --force overwrites."""
    (tmp_path / "empty" / ".pre-commit-config.yaml").write_text("repos: []\n")
    ran = empty.run("init", "--ci", "none")
    assert ran.code == 0
    assert "= .pre-commit-config.yaml" in ran.out.splitlines()
    assert ".pre-commit-config.yaml exists and was kept. What init would have written:" in ran.out
    assert "    - repo: local" in ran.out
    found = written(tmp_path / "empty")
    assert found[".pre-commit-config.yaml"] == "repos: []\n"
    assert {"reconciler.yaml", "flags/example.yaml"} <= set(found)
    again = empty.run("init", "--ci", "none")
    assert again.out.count("exists and was kept") == 1
    assert empty.run("init", "--ci", "none", "--force").code == 0
    assert "reconciler fmt" in (tmp_path / "empty" / ".pre-commit-config.yaml").read_text()


def test_a_branch_whose_name_is_no_text_is_not_named(empty: Repository, tmp_path: Path) -> None:
    """Workflows are then of `main`."""
    root = tmp_path / "empty"
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / ".git" / "HEAD").write_bytes(b"ref: refs/heads/\xff\n")
    assert empty.run("init").code == 0
    workflow = yaml.safe_load((root / ".github/workflows/flags-apply.yml").read_text())
    assert workflow[True]["push"]["branches"] == ["main"]


@pytest.mark.parametrize("branch", ["trunk", "release/1"])
@pytest.mark.parametrize("has_commit", [True, False])
def test_the_apply_workflow_runs_on_the_default_branch(
    empty: Repository, tmp_path: Path, branch: str, *, has_commit: bool
) -> None:
    """As git knows it; `main` outside of a repository."""
    root = tmp_path / "empty"
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    subprocess.run(["git", "init", "-q", "-b", branch], cwd=root, check=True)
    if has_commit:
        subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "begin"], cwd=root, check=True)
    assert empty.run("init").code == 0
    workflow = yaml.safe_load((root / ".github/workflows/flags-apply.yml").read_text())
    assert workflow[True]["push"]["branches"] == [branch]


def test_the_default_branch_of_the_remote_counts_more(empty: Repository, tmp_path: Path) -> None:
    """Not the branch on which somebody sets the workflows up."""
    root, ref = tmp_path / "empty", "refs/remotes/origin"
    for arguments in (
        ("init", "-q", "-b", "set-up"),
        ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "--allow-empty", "-m", "begin"),
        ("update-ref", f"{ref}/trunk", "HEAD"),
        ("symbolic-ref", f"{ref}/HEAD", f"{ref}/trunk"),
    ):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    assert empty.run("init").code == 0
    workflow = yaml.safe_load((root / ".github/workflows/flags-apply.yml").read_text())
    assert workflow[True]["push"]["branches"] == ["trunk"]


def test_the_placeholder_of_the_project_is_refused_before_a_request(
    empty: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read as a key without access. On this machine it is tried out: there it is a project like others."""
    empty.run("init", "--ci", "none")
    assert "placeholder" not in empty.run("plan").err
    empty.emulator.log.clear()
    monkeypatch.delenv("RECONCILER_API_URL")
    said = (
        'reconciler.yaml still has the placeholder "000000" as `projectId`. Put the id there: Amplitude shows it in '
        "the settings of the project.\n"
    )
    assert empty.run("plan").err == f"Error: {said}"
    for command in ("plan", "drift", "import", "doctor"):
        ran = empty.run(command)
        assert 'placeholder "000000"' in ran.err + ran.out, (command, ran)
        assert ran.code == 3, (command, ran)
    assert empty.emulator.log == []


def test_the_placeholders_of_environments_are_told_too(
    empty: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand in comments, which may be uncommented as they are."""
    empty.run("init", "--ci", "none")
    config = tmp_path / "empty" / "reconciler.yaml"
    before, _, environments = config.read_text().partition("# environments:")
    config.write_text(f"{before}environments:{environments.replace('#  ', '  ')}")
    told = empty.run("validate").out
    assert told.count("[placeholder]") == 2
    assert all(f'still the placeholder "{number}"' in told for number in ("000001", "000002"))
    assert empty.run("validate", "--env", "staging").out.count("[placeholder]") == 1
    assert "placeholder" not in empty.run("plan", "--env", "staging").err
    monkeypatch.delenv("RECONCILER_API_URL")
    for command in ("plan", "doctor"):
        ran = empty.run(command, "--env", "production")
        assert ran.code == 3, (command, ran)
        assert 'placeholder "000002"' in ran.err + ran.out, (command, ran)


def test_config_names_the_place(empty: Repository, tmp_path: Path) -> None:
    """With --config everything is written around that file."""
    assert empty.run("init", "--ci", "none", "--config", "service/flags.yaml").code == 0
    assert set(written(tmp_path / "empty" / "service")) == {
        "flags.yaml", "flags/example.yaml", ".pre-commit-config.yaml", ".gitignore",
    }  # fmt: skip
    hooks = yaml.safe_load((tmp_path / "empty" / "service" / ".pre-commit-config.yaml").read_text())["repos"][0][
        "hooks"
    ]
    assert {hook["entry"].partition(" --config ")[2] for hook in hooks} == {"flags.yaml"}


def test_the_commands_that_come_next_can_be_pasted(empty: Repository) -> None:
    """A path with a space is quoted in them."""
    ran = empty.run("init", "--ci", "none", "--config", "my service/flags.yaml")
    assert ran.code == 0
    assert "`reconciler doctor --config 'my service/flags.yaml'`" in ran.out


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize("started", ["", "team", "team/checkout"])
def test_ci_files_go_to_the_top_of_the_checkout(
    empty: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: str, ci: str
) -> None:
    """Wherever init is started: CI and hooks are read there only, and each names the configuration from there."""
    root, place = tmp_path / "empty", "team/checkout/flags.yaml"
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / started).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(root / started)
    config = os.path.relpath(root / place, root / started)
    assert empty.run("init", "--ci", ci, "--config", config).code == 0
    names = GITHUB if ci == "github" else [".gitlab-ci.yml"]
    found = {name: text for name, text in written(root).items() if not name.startswith(".git/")}
    assert set(found) == {place, "team/checkout/flags/example.yaml", ".pre-commit-config.yaml", ".gitignore", *names}
    for name in names:
        calls = re.findall(
            r"^[^#\n]*?reconciler (?:plan|apply|drift|advance|fmt|validate)\b.*", found[name], re.MULTILINE
        )
        assert calls
        assert all(f" --config {place}" in call for call in calls), name
        assert not re.search(r"@[A-Z_]+@", found[name])
    watched = "".join(re.findall(r"(?:paths|changes): .*", "".join(found[name] for name in names)))
    assert '"team/checkout/flags/**' in watched
    assert f'"{place}"' in watched
    for hook in yaml.safe_load(found[".pre-commit-config.yaml"])["repos"][0]["hooks"]:
        assert hook["entry"].endswith(f" --config {place}")
        assert re.search(hook["files"], "team/checkout/flags/a.yaml")
        assert not re.search(hook["files"], "flags/a.yaml")
    monkeypatch.chdir(root)
    assert empty.run("validate", "--config", place).code == 0


def test_what_is_there_already_is_said_to_be(empty: Repository, tmp_path: Path) -> None:
    """A second run prints no file that is as it would write it, nor patterns that .gitignore has among others."""
    empty.run("init")
    ignored = tmp_path / "empty" / ".gitignore"
    ignored.write_text("node_modules\n" + ignored.read_text())
    again = empty.run("init")
    assert again.out.count(" (unchanged)\n") == len([*BASE, *GITHUB])
    assert "exists and was kept" not in again.out


def test_what_differs_from_what_init_writes_is_shown(empty: Repository, tmp_path: Path) -> None:
    """More or less than that, a link to nothing, a directory; of .gitignore a pattern that it lacks."""
    root = tmp_path / "empty"
    empty.run("init", "--ci", "gitlab")
    for name in ("reconciler.yaml", ".gitlab-ci.yml", ".pre-commit-config.yaml"):
        text = (root / name).read_text()
        for other in (f"{text}# more\n", text.partition("\n")[2]):
            (root / name).write_text(other)
            ran = empty.run("init", "--ci", "gitlab")
            assert [line for line in ran.out.splitlines() if line.startswith("= ") and "(unch" not in line] == [
                f"= {name}"
            ]
            assert ran.out.count("exists and was kept. What init would have written:") == 1
            assert f"\n{name} exists and was kept. What init would have written:\n\n    " in ran.out
        (root / name).write_text(text)
    ignored = root / ".gitignore"
    comment, *patterns = ignored.read_text().splitlines(keepends=True)
    ignored.write_text("".join(patterns))
    assert "= .gitignore (unchanged)\n" in empty.run("init", "--ci", "gitlab").out
    for at in range(len(patterns)):
        ignored.write_text("".join([comment, *patterns[:at], *patterns[at + 1 :]]))
        assert "= .gitignore\n" in empty.run("init", "--ci", "gitlab").out
    ignored.unlink()
    ignored.mkdir()
    (root / ".gitlab-ci.yml").unlink()
    (root / ".gitlab-ci.yml").symlink_to("nowhere")
    ran = empty.run("init", "--ci", "gitlab")
    assert (ran.code, ran.err) == (0, "")
    assert [line for line in ran.out.splitlines() if line.startswith(("= ", "+ "))] == [
        "= reconciler.yaml (unchanged)",
        "= flags/example.yaml (unchanged)",
        "= .pre-commit-config.yaml (unchanged)",
        "= .gitignore",
        "= .gitlab-ci.yml",
    ]
    assert not (root / "nowhere").exists()


@pytest.mark.parametrize(
    "name", ["my flags/reconciler.yaml", "a'b/reconciler.yaml", "-x/reconciler.yaml", "$x/r.yaml"]
)
def test_a_path_that_no_workflow_can_name_is_refused(empty: Repository, tmp_path: Path, name: str) -> None:
    """Before anything is written."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "empty", check=True)
    ran = empty.run("init", f"--config={name}")
    wanted = (
        f"Error: The path {name!r} has a character that workflows cannot name as it is: rename the directories, "
        "to letters, digits, -, _ and . alone; or use --ci none, for hooks alone."
    )
    assert (ran.code, ran.err.splitlines()[0]) == (64, wanted)
    assert [path.name for path in (tmp_path / "empty").iterdir()] == [".git"]


@pytest.mark.parametrize(
    "name", ["my flags/reconciler.yaml", "a'b/r.yaml", "$x/r.yaml", 'ü "b"/r.yaml', "a\\b/r.yaml"]
)
def test_hooks_alone_quote_the_path(empty: Repository, tmp_path: Path, name: str) -> None:
    """As pre-commit reads them: an entry is split as a shell does, and files are a pattern."""
    root = tmp_path / "empty"
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    assert empty.run("init", "--ci", "none", "--config", name).code == 0
    for hook in yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]:
        assert shlex.split(hook["entry"])[-2:] == ["--config", name]
        assert re.search(hook["files"], f"{os.path.dirname(name)}/flags/a.yaml")  # noqa: PTH120
    for wrong in ("a: b/r.yaml", "a#b/r.yaml", "a\nb/r.yaml", "a\x7fb/r.yaml"):
        ran = empty.run("init", "--ci", "none", "--config", wrong)
        wanted = (
            f"Error: The path {wrong!r} has a character that hooks cannot name as it is: rename the directories, "
            "to letters, digits, -, _ and . alone."
        )
        assert (ran.code, ran.err.splitlines()[0]) == (64, wanted)


@pytest.mark.parametrize("place", [".git", ".git/hooks", "sub/.git/x"])
def test_nothing_is_written_into_what_is_gits_own(
    empty: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Neither when it is started there, nor by --config."""
    root = tmp_path / "empty"
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / place).mkdir(parents=True, exist_ok=True)
    before = written(root)
    assert empty.run("init", "--config", f"{place}/reconciler.yaml").code == 64
    monkeypatch.chdir(root / place)
    ran = empty.run("init", "--ci", "none")
    assert (ran.code, written(root)) == (64, before)
    assert "git's own" in ran.err


def workflows(empty: Repository, directory: Path) -> dict[str, Any]:
    """The GitHub workflows by name; YAML 1.1 reads the key `on` as true."""
    empty.run("init")
    return {name: yaml.safe_load(text) for name, text in written(directory / "empty").items() if name in GITHUB}


def test_workflows_pin_actions_and_ask_for_little(empty: Repository, tmp_path: Path) -> None:
    """Every action at a full commit id, no credentials left in the checkout, no permission to write contents."""
    for name, workflow in workflows(empty, tmp_path).items():
        assert workflow["permissions"] == {}, name
        assert "pull_request_target" not in workflow[True], name
        assert "workflow_run" not in workflow[True], name
        for job in workflow["jobs"].values():
            assert {*job["permissions"].items()} <= ALLOWED, name
            assert job["timeout-minutes"]
            for step in job["steps"]:
                assert "uses" not in step or _is_pinned(step["uses"]), name
                if step.get("uses", "").startswith("actions/checkout"):
                    assert step["with"]["persist-credentials"] is False


def test_the_key_is_only_in_protected_environments(empty: Repository, tmp_path: Path) -> None:
    """A job that has the key runs in an environment, and its command alone sees it; forks get validation only."""
    for name, workflow in workflows(empty, tmp_path).items():
        for job_name, job in workflow["jobs"].items():
            holders = [step for step in job["steps"] if "AMPLITUDE" in str(step)]
            assert bool(holders) == ("environment" in job), (name, job_name)
            assert all("reconciler " in step["run"] for step in holders)
            assert not holders or "write" not in job["permissions"].values(), (name, job_name)
            assert "AMPLITUDE" not in str(job.get("env")) + str(workflow.get("env"))
    jobs = workflows(empty, tmp_path)[GITHUB[0]]["jobs"]
    assert "AMPLITUDE" not in str(jobs["validate"])
    assert jobs["plan"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def test_no_expression_reaches_a_shell(empty: Repository, tmp_path: Path) -> None:
    """What a pull request can choose is in no script."""
    for workflow in workflows(empty, tmp_path).values():
        for job in workflow["jobs"].values():
            assert not [step for step in job["steps"] if "${{" in step.get("run", "")]


def test_every_file_installs_this_version(empty: Repository, tmp_path: Path) -> None:
    """The tool is pinned wherever it is installed, and never installed from the checkout."""
    empty.run("init", "--force")
    empty.run("init", "--force", "--ci", "gitlab")
    for name, text in written(tmp_path / "empty").items():
        for line in text.splitlines():
            if "amplitude-flag-reconciler" in line:
                assert f"amplitude-flag-reconciler=={__version__}" in line, name


def test_gitlab_plans_no_fork_and_applies_the_default_branch(empty: Repository, tmp_path: Path) -> None:
    """Jobs with a key have rules that leave forks out; apply is one at a time and never interrupted."""
    empty.run("init", "--ci", "gitlab")
    jobs = yaml.safe_load((tmp_path / "empty" / ".gitlab-ci.yml").read_text())
    rules = {name: jobs[jobs[f"flags {name}"]["extends"]]["rules"][0]["if"] for name in ("plan", "apply")}
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_PATH == $CI_PROJECT_PATH" in rules["plan"]
    assert "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rules["apply"]
    (install,) = jobs["default"]["before_script"]
    assert install.startswith("env -u AMPLITUDE_MANAGEMENT_API_KEY -u GITLAB_TOKEN python -I -m pip install")
    assert jobs["flags apply"]["resource_group"]
    assert jobs["flags apply"]["interruptible"] is False
    assert "environment" not in jobs["flags validate"]
    assert all("environment" in jobs[f"flags {name}"] for name in ("plan", "apply", "drift"))
