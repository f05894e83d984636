"""`import`: files, refusals, words; GET only."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
import yaml
from emulators import KEY, seeded

if TYPE_CHECKING:
    from conftest import Repository


def test_import_writes_a_file_for_each_flag(repository: Repository) -> None:
    """New files below the configured directory, named on stdout; then the plan is empty."""
    (repository.root / "flags" / "new-checkout.yaml").unlink()
    repository.emulator.store.seed_flag({"projectId": "7", "key": "no-tag", "variants": [{"key": "on"}]})
    ran = repository.run("import", "--target", "n*")
    assert (ran.code, ran.err) == (
        0,
        "1 of these flags does not carry `managedTag` yet: the next plan adds it.\n",
    )
    assert ran.out.splitlines() == [
        "+ flags/new-checkout.yaml",
        "+ flags/no-tag.yaml",
        "Imported 2 flags: 2 new, 0 updated, 0 unchanged.",
    ]
    assert repository.run("plan", "--target", "new-checkout").out.splitlines()[-1] == "No changes."
    assert {entry.method for entry in repository.emulator.log} == {"GET"}
    assert repository.run("fmt", "--check").code == 0
    assert repository.run("validate").code == 0


def test_import_makes_the_directory(repository: Repository) -> None:
    """A repository that has no directory of flags yet gets one."""
    (repository.root / "flags" / "new-checkout.yaml").unlink()
    (repository.root / "flags").rmdir()
    assert repository.run("import", "--target", "other-*").code == 0
    assert [path.name for path in (repository.root / "flags").iterdir()] == ["other-flag.yaml"]


def test_out_names_another_directory(repository: Repository) -> None:
    """With --out the configured directory is neither read nor written."""
    ran = repository.run("import", "--out", "elsewhere/deep")
    assert ran.code == 0
    assert ran.out.startswith("+ elsewhere/deep/new-checkout.yaml\n")
    assert len(list((repository.root / "elsewhere" / "deep").iterdir())) == 2


def test_declared_flags_are_refused_without_force(repository: Repository) -> None:
    """Nothing is overwritten or written, the declared ones are named with their files; exit code 1."""
    repository.write("flags/new-checkout.yaml", "---\nname: x\nkey: new-checkout\n")
    repository.write("flags/other.yaml", "key: other-flag\n")
    ran = repository.run("import")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-4:] == [
        "Error: Nothing was written, because files declare some of these flags already:",
        "  new-checkout  flags/new-checkout.yaml",
        "  other-flag  flags/other.yaml",
        "--force updates them, comments kept; --target chooses others.",
    ]
    assert {path.name for path in (repository.root / "flags").iterdir()} == {"new-checkout.yaml", "other.yaml"}


def test_force_updates_in_place(repository: Repository) -> None:
    """Comments and the file's mode stay; the values are the live ones."""
    path = repository.write("flags/new-checkout.yaml", "# ours\nkey: new-checkout\nrolloutPercentage: 50 # soon\n")
    path.chmod(0o640)
    ran = repository.run("import", "--force", "--target", "new-checkout")
    assert ran.code == 0
    assert "~ flags/new-checkout.yaml  new-checkout" in ran.out
    text = path.read_text()
    assert text.startswith("# ours\nkey: new-checkout\n")
    assert "rolloutPercentage: 10 # soon\n" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "0 new, 0 updated, 1 unchanged" in repository.run("import", "--force", "--target", "new-checkout").out


def test_an_order_of_variants_that_changes_is_a_warning(repository: Repository) -> None:
    """It decides bucketing; another one of what is new, or gone, is none."""
    said = "new-checkout: its file gets the live order of variants: it decides bucketing, and no call changes it."
    for keys, is_said in ((("treatment", "control"), True), (("control", "gone", "treatment"), False)):
        variants = "".join(f"  - key: {key}\n" for key in keys)
        path = repository.write("flags/new-checkout.yaml", f"key: new-checkout\nvariants:\n{variants}")
        ran = repository.run("import", "--force", "--target", "new-checkout")
        assert (ran.code, said in ran.err) == (0, is_said)
        assert [item["key"] for item in yaml.safe_load(path.read_text())["variants"]] == ["control", "treatment"]


def test_what_is_left_out_is_a_warning(repository: Repository) -> None:
    """A flag that no file can hold and a field that none can are named on stderr; the exit code is 0."""
    repository.emulator.store.seed_flag({"projectId": "7", "key": "Odd.Key", "variants": [{"key": "on"}]})
    repository.emulator.store.seed_flag(
        {"projectId": "7", "key": "odd-rollout", "variants": [{"key": "on"}], "rolloutPercentage": 12.5}
    )
    ran = repository.run("import", "--target", "[oO]dd*")
    assert ran.code == 0
    assert "Warning: Odd.Key: no file can hold this flag: A flag key is lower-case" in ran.err
    assert "Warning: odd-rollout: left out rolloutPercentage; comments in the file say why." in ran.err
    assert ran.out.endswith("Imported 1 flag: 1 new, 0 updated, 0 unchanged, 1 skipped.\n")


def test_a_refused_key_is_exit_code_4(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written with a key that the server does not know."""
    monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", f"{KEY}-other")
    assert repository.run("import", "--out", "elsewhere").code == 4
    assert not (repository.root / "elsewhere").exists()


def test_invalid_files_stop_it_before_any_request(repository: Repository) -> None:
    """Exit code 3 with the findings; nothing is asked and nothing written."""
    repository.write("flags/broken.yaml", "key: a\nkey: b\n")
    ran = repository.run("import", "--force")
    assert ran.code == 3
    assert "[duplicate-key]" in ran.err
    assert list(repository.emulator.log) == []


@pytest.mark.parametrize("names", [("staging",), ("staging", "production")])
def test_an_overlay_stays_one(repository: Repository, names: tuple[str, ...]) -> None:
    """Where the file overlays the chosen environment, differences go there, and the rest keeps what it says."""
    environments = "".join(f"  {name}: {{projectId: '{7 + index}'}}\n" for index, name in enumerate(names))
    repository.write("reconciler.yaml", f"version: 1\nenvironments:\n{environments}")
    path = repository.write(
        "flags/new-checkout.yaml",
        "key: new-checkout\nrolloutPercentage: 99\nenvironments:\n  staging: {rolloutPercentage: 98}\n",
    )
    where = ("--env", "staging", "--target", "new-checkout")
    assert repository.run("import", "--force", *where).code == 0
    document = yaml.safe_load(path.read_text())
    assert document["rolloutPercentage"] == 99
    assert document["environments"]["staging"]["rolloutPercentage"] == 10
    assert repository.run("plan", *where).out.splitlines()[-1] == "No changes."


@pytest.mark.parametrize("length", [240, 241, 250, 251, 255])
def test_a_long_key_gets_a_file_too(repository: Repository, length: int) -> None:
    """As long as keys may be; a second import knows the flag again, and the plan is empty."""
    key = "k" * length
    seeded(repository.emulator, [{"key": key, "variants": [{"key": "on"}], "tags": ["managed"]}])
    ran = repository.run("import", "--target", "k*")
    assert ran.code == 0
    assert ran.out.endswith("Imported 1 flag: 1 new, 0 updated, 0 unchanged.\n")
    (file,) = (repository.root / "flags").glob("k*.yaml")
    assert f"key: {key}\n" in file.read_text()
    assert f"+ flags/{file.name}\n" in ran.out
    assert repository.run("plan", "--target", "k*").out.splitlines()[-1] == "No changes."
    assert "1 unchanged" in repository.run("import", "--force", "--target", "k*").out
    assert repository.run("fmt").code == 0


def test_long_keys_with_one_beginning_get_files_of_their_own(repository: Repository) -> None:
    """The rest of the key is not lost in the name."""
    keys = ["k" * 250 + end for end in "ab"]
    keys.append(f"{'k' * 200}-{sha256(keys[0].encode()).hexdigest()[:16]}")  # as the file of the first one is called
    seeded(repository.emulator, ({"key": key, "variants": [{"key": "on"}]} for key in keys))
    assert repository.run("import", "--target", "k*").code == 0
    texts = [path.read_text() for path in sorted((repository.root / "flags").glob("k*.yaml"))]
    assert all(sum(f"key: {key}\n" in text for text in texts) == 1 for key in keys)


@pytest.mark.parametrize("name", ["other-flag.yaml", "Other-Flag.yaml"])
def test_a_file_of_that_name_is_not_overwritten(repository: Repository, name: str) -> None:
    """What stands in it is another flag: the new one gets another file."""
    path = repository.write(f"flags/{name}", "key: declared-here\n")
    (repository.root / "flags" / "other-flag.2.yaml").mkdir()
    ran = repository.run("import", "--target", "other-flag")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "+ flags/other-flag.3.yaml")
    assert path.read_text() == "key: declared-here\n"
    assert repository.run("validate").out.endswith("; read 3 flags in 3 files.\n")


def test_a_key_that_is_too_long_is_said(repository: Repository) -> None:
    """No file can hold it; the others are imported."""
    seeded(repository.emulator, [{"key": "k" * 256, "variants": [{"key": "on"}]}])
    ran = repository.run("import", "--target", "other-flag", "--target", "k*")
    assert ran.code == 0
    assert f"{'k' * 256}: no file can hold this flag" in ran.err
    assert ran.out.endswith("Imported 1 flag: 1 new, 0 updated, 0 unchanged, 1 skipped.\n")


def test_a_disk_that_is_full_leaves_whole_files_and_says_which(repository: Repository) -> None:
    """A file that does not fit is not there, or as it was; those after it are written, and the code is 1."""
    payload = "p" * 20_000
    seeded(
        repository.emulator,
        [
            {"key": "a-small", "variants": [{"key": "on"}]},
            {"key": "b-large", "variants": [{"key": "on", "payload": payload}]},
            {"key": "c-large", "variants": [{"key": "on", "payload": payload}]},
            {"key": "d-small", "variants": [{"key": "on"}]},
        ],
    )
    before = repository.write("flags/b-large.yaml", "# ours\nkey: b-large\nvariants: [{key: 'on', payload: {}}]\n")
    text = before.read_text()
    command = 'ulimit -f 16; exec "$0" -B -m reconciler import --force --target "?-*"'
    ran = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], cwd=repository.root, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stdout.splitlines() == [
        "+ flags/a-small.yaml",
        "+ flags/d-small.yaml",
        "Imported 2 flags: 2 new, 0 updated, 0 unchanged, 2 files not written.",
    ]
    assert ran.stderr.splitlines()[-3:] == [
        "Error: Not all files were written; those that exist stay as they were:",
        f"  {repository.root}/flags/b-large.yaml cannot be written: File too large.",
        f"  {repository.root}/flags/c-large.yaml cannot be written: File too large.",
    ]
    assert before.read_text() == text
    names = {"a-small.yaml", "b-large.yaml", "d-small.yaml", "new-checkout.yaml"}
    assert {path.name for path in (repository.root / "flags").iterdir()} == names


def test_out_below_a_file_is_said(repository: Repository) -> None:
    """A directory that cannot be made: nothing is written, and both streams say so."""
    ran = repository.run("import", "--out", "reconciler.yaml/deep", "--target", "other-flag")
    assert ran.code == 1
    assert "cannot be made: Not a directory." in ran.err
    assert ran.out.endswith("0 new, 0 updated, 0 unchanged, 1 file not written.\n")


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize("taken", ["other-flag.yaml", "Other-Flag.yaml"])
def test_a_file_that_declares_another_flag_is_never_replaced(
    repository: Repository, force: tuple[str, ...], taken: str
) -> None:
    """It keeps every byte; the flag gets another name, and that is said."""
    text = "# about v2\nkey: other-flag-v2\nvariants: [{key: 'on'}]\n"
    path = repository.write(f"flags/{taken}", text)
    ran = repository.run("import", "--target", "other-flag", *force)
    assert ran.code == 0
    assert path.read_text() == text
    assert "+ flags/other-flag.2.yaml\n" in ran.out
    assert f"{taken} exists and does not declare other-flag, which goes into other-flag.2.yaml." in ran.err
    assert repository.run("plan", "--target", "other-flag").code == 0


def test_files_for_git_are_no_secrets(repository: Repository) -> None:
    """What `import`, `rollback` and `init` write gets the mode that other new files of the user get."""
    (repository.root / "flags/new-checkout.yaml").unlink()
    before = os.umask(0o027)
    try:
        assert repository.run("import", "--target", "new-checkout").code == 0
        assert repository.run("rollback", "new-checkout", "--to", "1", "--out", "old.yaml").code == 0
        assert repository.run("init", "--ci", "none", "--config", "sub/r.yaml").code == 0
    finally:
        os.umask(before)
    for name in ("flags/new-checkout.yaml", "old.yaml", "sub/r.yaml", "sub/flags/example.yaml"):
        assert stat.S_IMODE((repository.root / name).stat().st_mode) == 0o640, name


def test_what_is_not_there_to_import_is_said(repository: Repository) -> None:
    """A flag that is declared alone, a pattern of no flag, and a key of several flags; the others are imported."""
    seeded(repository.emulator, [{"key": "twice", "variants": [{"key": "on"}]} for _ in range(2)])
    ids = sorted(flag["id"] for flag in repository.emulator.store.flags.values() if flag["key"] == "twice")
    repository.write("flags/here.yaml", "---\n".join(f"key: {key}\n" for key in ("here", *"abcde")))
    options = [f"--target={key}" for key in ("here", "ther*", "twice", "other-flag", *"edcba")]
    ran = repository.run("import", *options)
    assert (ran.code, ran.out.splitlines()) == (
        0,
        ["+ flags/other-flag.yaml", "Imported 1 flag: 1 new, 0 updated, 0 unchanged."],
    )
    assert ran.err.splitlines()[1:] == [
        *(f'Warning: "{key}" is declared, but not live: there is nothing to import.' for key in [*"abcde", "here"]),
        f"Warning: twice: several live flags carry this key (ids {', '.join(ids)}): none was imported.",
        "Warning: other-flag: left out variants; comments in the file say why.",
        "1 of these flags does not carry `managedTag` yet: the next plan adds it.",
    ]
    assert '"ther*"' in ran.err.splitlines()[0]
