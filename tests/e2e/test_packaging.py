"""Where the tool is run: GitLab, pre-commit, Kubernetes, an image, and the completion of three shells."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
import yaml
from emulators import KEY, a_live_flag, seeded
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reconciler import __version__
from reconciler.cli.checkout import checkout_of
from reconciler.cli.main import COMMANDS

if TYPE_CHECKING:
    from conftest import World

ROOT = Path(__file__).parents[2]
CI = ROOT / "examples" / "ci"


def load(path: Path) -> Any:
    """The only document of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def shell(world: World, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the repository."""
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=world.root, env={**world.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("file", [ROOT / ".pre-commit-hooks.yaml", CI / "pre-commit" / ".pre-commit-config.yaml"])
def test_hooks_for_pre_commit_run_as_they_stand(world: World, file: Path) -> None:
    """All hooks pass on what is right, change or refuse what is not, and ask for the files that matter."""
    document = load(file)
    hooks = {hook["id"]: hook for hook in (document if isinstance(document, list) else document["repos"][0]["hooks"])}
    assert set(hooks) == {"reconciler-fmt", "reconciler-validate", "reconciler-test"}
    assert all(hook["language"] == "python" and hook["name"] for hook in hooks.values())
    form, check = hooks["reconciler-fmt"], hooks["reconciler-validate"]
    for name, matches in [("flags/a.yaml", True), ("flags/b/c.yml", True), ("other/a.yaml", False)]:
        assert bool(re.search(form["files"], name)) is matches
    assert re.search(check["files"], "reconciler.yaml")
    world.write("flags/new-checkout.yaml", "rolloutPercentage: 50\nkey: new-checkout\n")
    assert shell(world, f"{form['entry']} flags/new-checkout.yaml").returncode == 0
    assert (world.root / "flags/new-checkout.yaml").read_text().startswith("key:")
    assert shell(world, check["entry"]).returncode == 0
    assert shell(world, hooks["reconciler-test"]["entry"]).returncode == 0
    world.write("flags/a.test.yaml", "tests: [{name: x, flag: new-checkout, never: treatment}]\n")
    assert shell(world, hooks["reconciler-test"]["entry"]).returncode == 3
    world.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 500\n")
    assert shell(world, check["entry"]).returncode == 3


def containers(document: Any) -> list[dict[str, Any]]:
    """The containers of a job or a cron job, with the pod they stand in checked."""
    spec = document["spec"]
    job = spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec
    pod = job["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "value" not in container["env"][0], "the key comes from a secret"
    return list(pod["containers"])


def test_the_cron_job_looks_for_drift_and_remembers(world: World) -> None:
    """Its arguments are those of `drift`; a second run knows what the first one found."""
    (container,) = containers(load(ROOT / "examples" / "kubernetes" / "drift-cronjob.yaml"))
    arguments = " ".join(container["args"]).replace("/state/", "")
    world.edit_by_hand(rolloutPercentage=99)
    environ = {"AMPLITUDE_MANAGEMENT_API_KEY": KEY}
    assert shell(world, f"reconciler {arguments}", **environ).returncode == 2
    assert (world.root / "drift.json").stat().st_mode & 0o777 == 0o600
    world.edit_by_hand(rolloutPercentage=10)
    assert shell(world, f"reconciler {arguments}", **environ).returncode == 0


def test_the_cron_job_of_rollouts_advances_them(world: World) -> None:
    """Its arguments are those of `advance`; the checkout is only read, and git trusts it though others own it."""
    (container,) = containers(load(ROOT / "examples" / "kubernetes" / "advance-cronjob.yaml"))
    assert [mount["readOnly"] for mount in container["volumeMounts"]] == [True]
    arguments = " ".join(container["args"]).replace("/checkout/", "")
    done = shell(world, f"reconciler {arguments}", AMPLITUDE_MANAGEMENT_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (0, "No rollouts.\n")
    environ = {item["name"]: item["value"].replace("/checkout", str(world.root)) for item in container["env"][1:]}
    subprocess.run(["git", "init", "--quiet"], cwd=world.root, check=True)
    foreign = environ | {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    with patch.dict(os.environ, foreign):
        assert checkout_of(world.root).top == world.root.resolve()
    assert "install --yes --no-install-recommends git" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_indexes_of_the_job_cover_every_flag_once(world: World) -> None:
    """What the indexes apply together is what one apply would do, and no flag is touched by two."""
    job = load(ROOT / "examples" / "kubernetes" / "apply-shards-job.yaml")
    (container,) = containers(job)
    interpreter, option, script = container["command"]
    assert (interpreter, option) == ("sh", "-c")
    seeded(world.emulator, [a_live_flag(f"flag-{number}", rolloutPercentage=10) for number in range(8)])
    for number in range(8):
        world.write(f"flags/flag-{number}.yaml", f"key: flag-{number}\nrolloutPercentage: 20\n")
    for index in range(job["spec"]["completions"]):
        environ = {"AMPLITUDE_MANAGEMENT_API_KEY": KEY, "JOB_COMPLETION_INDEX": str(index)}
        done = shell(world, script, **environ)
        assert done.returncode == 0, done.stderr
    paths = [entry.path for entry in world.emulator.writes]
    assert len(paths) == len(set(paths)) == 8


def test_the_image_is_small_pinned_and_not_root() -> None:
    """Two stages on a slim base of a named version, a user by number, no secret, nothing fetched by address."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    bases = [value for word, value in steps if word == "FROM"]
    assert [re.match(r"python:3\.\d+-slim( AS \w+)?$", base) is not None for base in bases] == [True, True]
    (user,) = [value for word, value in steps if word == "USER"]
    assert all(int(part) > 0 for part in user.split(":"))
    assert [value for word, value in steps if word == "ENTRYPOINT"] == ['["reconciler"]']
    assert {word for word, _ in steps} <= {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    copied = [value.split()[:-1] for word, value in steps if word == "COPY" and "--from" not in value]
    assert all((ROOT / name).exists() for names in copied for name in names)
    text = "\n".join(lines)
    assert "://" not in text
    assert "KEY=" not in text
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*", "what is not named does not get into the build"
    assert {f"!{name.removeprefix('./')}" for names in copied for name in names} <= set(ignored)


LOCKS = ROOT / "requirements"
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; [^-]+?)?(?: +--hash=sha256:[0-9a-f]{64})+ *")


def pins(name: str) -> dict[str, str]:
    """The versions that a requirement file pins by version and hash; the file holds nothing else."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {line: _PIN.fullmatch(line) for line in text.splitlines() if not line.startswith("#")}
    assert [line[:80] for line, pin in found.items() if pin is None] == []
    return {canonicalize_name(pin["name"]): pin["version"] for pin in found.values() if pin}


@pytest.mark.parametrize(("name", "extra"), [("run", None), ("demo", "emulator"), ("dev", "dev")])
def test_what_is_declared_is_pinned_with_hashes(name: str, extra: str | None) -> None:
    """Each dependency of pyproject.toml, in a version that it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [
        *project["dependencies"],
        *(extras["emulator"] if extra else []),
        *(extras["dev"] if extra == "dev" else []),
    ]
    pinned = pins(name)
    for line in declared:
        requirement = Requirement(line)
        if requirement.name != project["name"]:
            assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), line


def test_requirement_files_agree() -> None:
    """What one of them runs is what the suite ran with; and no file says where packages come from."""
    tested = pins("dev")
    for name in ("run", "demo", "build"):
        assert pins(name).items() <= tested.items(), name
    assert pins("bench")["octodns"]
    for file in LOCKS.iterdir():
        assert "://" not in file.read_text(encoding="utf-8"), file
        assert "--index" not in file.read_text(encoding="utf-8"), file


def test_versions_agree() -> None:
    """What pins a version of the tool pins this one."""
    kubernetes = sorted((ROOT / "examples" / "kubernetes").iterdir())
    for name in ("Dockerfile", "action.yml", "docs/guides/pull-requests.md", *kubernetes):
        versions = set(re.findall(r"(?<![\d.])\d+\.\d+\.\d+(?!\.)", (ROOT / name).read_text(encoding="utf-8")))
        assert versions == {__version__}, name


def complete(world: World, style: str, words: str, index: int | str) -> list[str]:
    """What a shell's completion offers."""
    environ = {"COMP_WORDS": words, "COMP_CWORD": str(index), "_RECONCILER_COMPLETE": f"{style}_complete"}
    done = shell(world, "reconciler", **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("style", "line"),
    [
        ("bash", "complete -o nosort -F"),
        ("zsh", "#compdef reconciler"),
        ("fish", "complete --no-files --command reconciler"),
    ],
)
def test_each_shell_gets_its_script(world: World, style: str, line: str) -> None:
    """The script that the guide has people load is printed, and nothing else happens."""
    done = shell(world, "reconciler", _RECONCILER_COMPLETE=f"{style}_source")
    assert done.returncode == 0
    assert done.stderr == ""
    assert line in done.stdout


def test_commands_options_and_choices_complete(world: World) -> None:
    """In all three protocols: names of commands, options, and what an option may be."""
    assert complete(world, "bash", "reconciler va", 1) == ["plain,validate"]
    assert set(complete(world, "bash", "reconciler ", 1)) == {f"plain,{name}" for name in COMMANDS}
    assert complete(world, "bash", "reconciler plan --format m", 3) == ["plain,markdown"]
    assert complete(world, "bash", "reconciler plan --format = m", 4) == ["plain,markdown"]
    assert complete(world, "zsh", "reconciler plan --detailed", 2)[:2] == ["plain", "--detailed-exitcode"]
    assert any("--on-error" in line for line in complete(world, "fish", "reconciler apply --on", "--on"))


def test_bash_completes_with_the_script(world: World) -> None:
    """Loaded as the guide says, bash itself asks the command and offers its answer."""
    script = """
        eval "$(_RECONCILER_COMPLETE=bash_source reconciler)"
        COMP_WORDS=(reconciler plan --form) COMP_CWORD=2
        _reconciler_completion reconciler
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = shell(world, script)
    assert done.stdout.splitlines() == ["--format"], done.stderr
