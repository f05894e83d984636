"""`import`: files, refusals, words; GET only."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from emulators import KEY

if TYPE_CHECKING:
    import pytest
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
    ran = repository.run("import")
    assert (ran.code, ran.out) == (1, "")
    assert "new-checkout  flags/new-checkout.yaml" in ran.err
    assert "--force" in ran.err
    assert [path.name for path in (repository.root / "flags").iterdir()] == ["new-checkout.yaml"]


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
