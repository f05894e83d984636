"""No file of a run is written over by another one of it, and none that it or the next run reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from reconciler.cli.main import COMMANDS
from reconciler.cli.options import OutputPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Repository

PAIRS = (
    ("apply --auto-approve", "--report", "--output"),
    ("apply --auto-approve", "--report", "--out"),
    ("apply --auto-approve", "--out", "--output"),
    ("plan", "--out", "--output"),
    ("plan", "--out", "--record"),
    ("plan", "--output", "--record"),
    ("drift", "--output", "--state"),
)


def spelled(path: Path) -> Path:
    """The same path with detours."""
    return Path("flags") / ".." / path


def linked(path: Path) -> Path:
    """A symbolic link to it, whether it exists or not."""
    Path("link").symlink_to(path)
    return Path("link")


def linked_hard(path: Path) -> Path:
    """Another name of the same file, which exists."""
    path.touch()
    Path("hard").hardlink_to(path)
    return Path("hard")


WAYS: tuple[Callable[[Path], Path], ...] = (Path, Path.absolute, spelled, linked, linked_hard)


def contents() -> dict[str, bytes]:
    """Every file of the repository."""
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


def check_refused(repository: Repository, *arguments: str) -> None:
    """Wrong usage, before anything is sent or written."""
    before = contents()
    ran = repository.run(*arguments)
    assert ran.code == 64, ran.err
    assert (repository.emulator.log, contents()) == ([], before)
    assert "same file" in ran.err or "overwrite" in ran.err or "read as a flag file" in ran.err


@pytest.mark.parametrize(("command", "one", "other"), PAIRS)
@pytest.mark.parametrize("way", WAYS)
def test_two_outputs_are_two_files(
    repository: Repository, command: str, one: str, other: str, way: Callable[[Path], Path]
) -> None:
    """By any name of the second."""
    again = str(way(Path("out.json")))
    check_refused(repository, *command.split(), one, "out.json", other, again)


@pytest.mark.parametrize("option", ["--output", "--out", "--report"])
@pytest.mark.parametrize("name", ["reconciler.yaml", "flags/new-checkout.yaml", "plan.json", "key"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_read_is_not_written(
    repository: Repository, option: str, name: str, way: Callable[[Path], Path]
) -> None:
    """The configuration, a flag file, the plan that is applied, the key."""
    repository.run("plan", "--out", "plan.json")
    repository.emulator.log.clear()
    repository.write("key", "k" * 32)
    plan = ["plan.json"] if name == "plan.json" else []
    path = way(Path(name))
    check_refused(repository, "apply", *plan, "--auto-approve", "--api-key-file", "key", option, str(path))


@pytest.mark.parametrize("config", ["version: 1\n", "nonsense: [\n", "version: 1\nprojectId: '7'\nflags: nowhere\n"])
def test_a_flag_file_is_kept_where_the_configuration_is_not_valid(repository: Repository, config: str) -> None:
    """The failure that would be written in place of the report is not written over the configuration or a flag."""
    repository.write("reconciler.yaml", config)
    before = contents()
    for name in ("reconciler.yaml", *(["flags/new-checkout.yaml"] if "nowhere" not in config else [])):
        assert repository.run("apply", "--auto-approve", "--report", name).code == 64
    assert contents() == before


WRITING = (
    ("plan", "--output"), ("plan", "--out"), ("plan", "--page"), ("plan", "--record"), ("plan", "--cache"),
    ("show plan.json", "--output"), ("apply --auto-approve", "--report"), ("drift", "--state"), ("drift", "--output"),
    ("advance", "--report"),
    ("export --format sdk", "--output"), ("test", "--output"), ("serve", "--record"), ("emulator", "--state"),
)  # fmt: skip


@pytest.mark.parametrize(("command", "option"), WRITING)
@pytest.mark.parametrize("name", ["flags/report.yaml", "flags/deep/report.yml", "flags/plan.json", "flags/report"])
def test_a_new_file_among_flags_would_be_read(repository: Repository, command: str, option: str, name: str) -> None:
    """The next run would take a report for a flag, or warn of it, and what it names as declared."""
    repository.run("plan", "--out", "plan.json")
    repository.emulator.log.clear()
    (repository.root / name).parent.mkdir(exist_ok=True)
    check_refused(repository, *command.split(), option, name)


def test_every_path_of_every_command_is_an_output_or_is_read() -> None:
    """A new option says which of the two it is: what is written is looked at before the command begins."""
    found = {
        (name, param.opts[0]): isinstance(param.type, OutputPath)
        for name, entry in COMMANDS.items()
        for param in entry.load().params
        if isinstance(param.type, click.Path) and param.opts[0] not in {"--config", "--api-key-file"}
    }
    written = {(command.split()[0], option) for command, option in WRITING}
    written |= {("apply", "--output"), ("apply", "--out"), ("advance", "--output")}
    read = {
        ("apply", "--reviewed"), ("apply", "plan_file"), ("evaluate", "--users"), ("fmt", "paths"),
        ("serve", "--cohorts"), ("show", "plan_file"), ("test", "paths"), ("validate", "paths"),
    }  # fmt: skip
    own_check = {("import", "--out"), ("rollback", "--out")}
    assert found == dict.fromkeys(written, True) | dict.fromkeys(read | own_check, False)


@pytest.mark.parametrize(
    ("command", "other"),
    [
        (("plan", "--out"), "inclusions-7.json"),
        (("plan", "--output"), "sub/../inclusions-7.json"),
        (("plan", "--api-key-file"), "inclusions-7.json"),
    ],
)
def test_the_file_of_a_cache_is_one_of_its_own(repository: Repository, command: tuple[str, ...], other: str) -> None:
    """It is named after the project, in the directory that is given."""
    (repository.root / "sub").mkdir()
    repository.write("inclusions-7.json", "k" * 32)
    check_refused(repository, *command, other, "--cache", ".")


@pytest.mark.parametrize("other", ["plan.json", "sub/inclusions-7.json", "sub/plan.json"])
def test_beside_a_cache_there_is_room_for_more(repository: Repository, other: str) -> None:
    """A file of another name, or in another directory."""
    (repository.root / "sub").mkdir()
    assert repository.run("plan", "--cache", ".", "--out", other).code == 0
    assert {other, "inclusions-7.json"} <= contents().keys()


def test_what_serve_reads_is_kept(repository: Repository) -> None:
    """The saved plan that it serves, and the members of cohorts."""
    repository.run("plan", "--out", "plan.json")
    repository.write("cohorts.json", "{}")
    repository.emulator.log.clear()
    check_refused(repository, "serve", "--from", "plan.json", "--record", "plan.json")
    ran = repository.run("serve", "--from", "plan.json", "--record", "plan.json")
    assert ran.err == "Error: --record would overwrite 'plan.json', which --from names.\n"
    check_refused(repository, "serve", "--cohorts", "cohorts.json", "--record", "cohorts.json")


def test_show_drift_rollback_and_emulator_are_held_to_it(repository: Repository) -> None:
    """Every command that writes a file it is given."""
    repository.run("plan", "--out", "plan.json")
    repository.write("flags/b.yaml", "key: other-flag\n")
    repository.emulator.log.clear()
    check_refused(repository, "show", "plan.json", "--output", "plan.json")
    check_refused(repository, "drift", "--output", "flags/new-checkout.yaml")
    check_refused(repository, "drift", "--state", "reconciler.yaml")
    check_refused(repository, "apply", "--auto-approve", "--reviewed", "record.json", "--report", "record.json")
    check_refused(repository, "emulator", "--state", "reconciler.yaml")
    check_refused(repository, "rollback", "new-checkout", "--to", "1", "--out", "flags/b.yaml")
    assert "--out would overwrite the flag file 'flags/b.yaml'." in (
        repository.run("rollback", "new-checkout", "--to", "1", "--out", "flags/b.yaml").err
    )
    repository.write("key", "k" * 32)
    both = ("--out", "key", "--api-key-file", "key")
    ran = repository.run("rollback", "new-checkout", "--to", "1", *both)
    assert (ran.code, ran.err) == (64, "Error: --out would overwrite 'key', which --api-key-file names.\n")
    check_refused(repository, "rollback", "new-checkout", "--to", "1", "--out", "reconciler.yaml")
    assert repository.run("rollback", "new-checkout", "--to", "1", "--out", "flags/new-checkout.yaml").code == 0


AMONG_FLAGS = "where files are read as a flag file, or are taken for one that is not read."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "plan --out o.json --output o.json",
            "--out and --output name the same file, 'o.json': give each one of its own.",
        ),
        ("show plan.json --output plan.json", "--output would overwrite 'plan.json', which PLAN.json names."),
        ("apply plan.json --report plan.json", "--report would overwrite 'plan.json', which PLAN.json names."),
        ("test x.test.yaml --output x.test.yaml", "--output would overwrite 'x.test.yaml', which PATH names."),
        ("plan --output reconciler.yaml", "--output would overwrite the configuration, 'reconciler.yaml'."),
        ("plan --page flags/new-checkout.yaml", "--page would overwrite the flag file 'flags/new-checkout.yaml'."),
        (
            "plan --record flags/x.yaml",
            f"--record names 'flags/x.yaml', {AMONG_FLAGS}",
        ),
        (
            "plan --cache flags",
            f"--cache names 'flags', {AMONG_FLAGS}",
        ),
        (
            "plan --cache . --out inclusions-7.json",
            "--cache would overwrite 'inclusions-7.json', which --out names.",
        ),
        ("plan --output none/o.json", "There is no directory 'none' to write o.json to."),
        (f"plan --output {'n' * 300}", f"{'n' * 300} cannot be written: File name too long."),
    ],
)
def test_what_is_said_of_a_file_that_is_not_written(repository: Repository, arguments: str, words: str) -> None:
    """The option, or the argument as the help calls it, and the path as it was given."""
    repository.write("x.test.yaml", "")
    repository.write("plan.json", "")
    ran = repository.run(*arguments.split())
    assert (ran.code, ran.err) == (64, f"Error: {words}\n")


@pytest.mark.parametrize("flags", ["flags", "not-there-yet"])
def test_other_environments_flags_are_kept_too(repository: Repository, flags: str) -> None:
    """Also those that this run does not read, and where another directory is missing."""
    repository.write(
        "reconciler.yaml",
        f"version: 1\nprojectId: '7'\nenvironments: {{a: {{flags: {flags}}}, b: {{flags: others}}}}\n",
    )
    repository.write("others/x.yaml", "key: x\n")
    check_refused(repository, "plan", "--env", "a", "--output", "others/x.yaml")


def test_without_a_configuration_that_is_what_is_wrong(repository: Repository) -> None:
    """A file to write is no reason to say something else."""
    alone = repository.run("plan", "--config", "absent.yaml")
    beside = repository.run("plan", "--config", "absent.yaml", "--output", "o.json")
    assert (beside.code, beside.err) == (64, alone.err)
    assert "absent.yaml" in alone.err


def null_device(directory: Path) -> str:
    """Like /dev/null, made here where that is allowed: a fault in the code must not replace the machine's own."""
    own = directory / "null"
    try:
        os.mknod(own, stat.S_IFCHR | 0o666, Path(os.devnull).stat().st_rdev)
        own.write_text("")
    except OSError:
        return os.devnull
    return str(own)


def test_devices_may_be_named_often(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What goes there is not kept anyway."""
    device = null_device(tmp_path_factory.mktemp("devices"))
    ran = repository.run("plan", "--out", device, "--output", device, "--record", device)
    assert ran.code == 0, ran.err
    assert Path(device).is_char_device()
