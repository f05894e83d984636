"""`managedTag`: each repository has its own, and what may be another one's is said before it is archived."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from emulators import OTHER_USER, USER, seeded

from reconciler.files.config_file import load_config

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

DECLARED = {"key": "mine", "variants": [{"key": "on"}], "tags": ["managed"], "createdBy": USER}
LEFT = "were last edited by others than the declared ones: theirs."


@pytest.mark.parametrize(
    ("remote", "tag"),
    [
        ("https://github.com/acme/Flags Of_Web.git", "managed-by:reconciler/flags-of_web"),
        ("git@github.com:acme/web-flags.git", "managed-by:reconciler/web-flags"),
        ("ssh://git@example.com/web/", "managed-by:reconciler/web"),
        (None, "managed-by:reconciler/shop"),
    ],
)
def test_init_makes_a_tag_of_the_repositorys_own(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: str | None, tag: str
) -> None:
    """By its remote, else by its directory: two repositories of one project do not share it."""
    root = tmp_path / "shop"
    root.mkdir()
    monkeypatch.chdir(root)
    if remote:
        subprocess.run(["git", "init", "-q"], check=True)
        subprocess.run(["git", "config", "remote.origin.url", remote], check=True)
    assert repository.run("init", "--ci", "none").code == 0
    assert load_config(root / "reconciler.yaml").managed_tag == tag
    assert repository.run("init", "--ci", "none", "--config", "flags/web/reconciler.yaml").code == 0
    below = load_config(root / "flags/web/reconciler.yaml").managed_tag
    assert below == (f"{tag}-flags-web" if remote else "managed-by:reconciler/web")


@pytest.mark.parametrize("editor", [OTHER_USER, USER])
def test_doctor_and_prune_warn_of_another_repositorys_flags(repository: Repository, editor: str) -> None:
    """Where flags carry the tag, no file here declares them, and another user edited them last."""
    repository.write("flags/new-checkout.yaml", "key: mine\nvariants: [{key: 'on'}]\n")
    seeded(repository.emulator, [DECLARED, {**DECLARED, "key": "theirs", "createdBy": editor}])
    repository.emulator.store.flags.pop("1001")
    is_foreign = editor == OTHER_USER
    assert (LEFT in repository.run("plan", "--prune").out) is is_foreign
    assert LEFT not in repository.run("plan").out
    doctor = repository.run("doctor")
    assert ("give each a `managedTag` of its own" in doctor.out) is is_foreign
    assert doctor.code == 0


def test_taking_flags_in_is_no_update_that_limits_are_about(repository: Repository) -> None:
    """After an import of many flags the plan adds the tag to all of them, and is not refused."""
    flags = [{"key": f"f{number}", "variants": [{"key": "on"}], "tags": ["x"]} for number in range(12)]
    (repository.root / "flags/new-checkout.yaml").unlink()
    seeded(repository.emulator, flags)
    assert repository.run("import", "--target", "f*").code == 0
    ran = repository.run("apply", "--auto-approve")
    assert (ran.code, "12 updates" in ran.out + ran.err) == (0, False)
    for number in range(12):
        path = repository.root / f"flags/f{number}.yaml"
        path.write_text(path.read_text().replace("tags: [x]", "tags: [y]"))
    assert "maxUpdates" in repository.run("plan").out
