"""`serve` over what is live, this branch on top of it, or a saved plan."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag
from msgspec.structs import replace
from serving import ADA, a_session, variants

from reconciler.api.client import Client
from reconciler.cli.commands.serve import start_session
from reconciler.cli.emulation import EMULATOR_KEY
from reconciler.cli.main import run
from reconciler.cli.options import Settings
from reconciler.cli.output import Output
from reconciler.cli.sources import Source
from reconciler.errors import StalePlanError, UsageError

if TYPE_CHECKING:
    from conftest import Repository


def seed(repository: Repository, key: str, **fields: Any) -> dict[str, Any]:
    """A live flag that is on for all, and attached."""
    given = {"projectId": "7", "enabled": True, "evaluationMode": "local", "deployments": ["67"]}
    variants = [{"key": "a", "payload": {"x": 1}, "users": ["ada@example.com"]}, {"key": "b"}]
    rest = {"bucketingKey": "user_id", "rolloutPercentage": 100, "rolloutWeights": {"b": 1}, "variants": variants}
    return dict(repository.emulator.store.seed_flag({"key": key} | given | rest | fields))


def served(repository: Repository, source: str) -> list[Any]:
    """What the deployment gets of what the source gives."""
    with a_session(repository.root, source=source) as (_, client):
        client.headers["Authorization"] = "Api-Key 67"
        return list(client.get("/sdk/v2/flags").json())


def test_what_is_live(repository: Repository) -> None:
    """Read with GET only, inclusions and keys of deployments included; files are not needed."""
    repository.emulator.store.seed_flag(
        a_live_flag("search", deployments=["67"], projectId="7", evaluationMode="local") | {"bucketingKey": "user_id"}
    )
    repository.emulator.log.clear()
    shutil.rmtree(repository.root / "flags")
    with a_session(repository.root, source="live") as (_, client):
        client.headers["Authorization"] = "Api-Key client-67"
        assert set(variants(client, ADA)) == {"search"}
        assert "Live" in client.get("/").text
    assert {entry.method for entry in repository.emulator.log} == {"GET"}


def test_flags_stand_in_the_order_of_their_keys(repository: Repository) -> None:
    """Those that are live and those that are new."""
    repository.write("flags/a.yaml", "key: a-new\nenabled: true\nvariants: [{key: a}]\n")
    settings, output = Settings(config=repository.root / "reconciler.yaml"), Output(quiet=True)
    for source in ("live,files", "files,live"):
        found = start_session(settings, output, source=source).content.flags
        assert [flag.spec.key for flag in found] == ["a-new", "new-checkout", "other-flag"]


def test_a_branch_on_top_of_what_is_live(repository: Repository) -> None:
    """Undeclared fields and flags are as they are live, the salt among them; declared ones as the branch says."""
    flag_id = next(iter(repository.emulator.store.flags))
    repository.emulator.edit_as("x@example.com", "POST", f"/flags/{flag_id}/deployments", {"deployments": ["67"]})
    repository.emulator.edit_as("x@example.com", "PATCH", f"/flags/{flag_id}", {"bucketingKey": "user_id"})
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 100\n")
    people = [{"user_id": f"user-{number}"} for number in range(200)]

    def shown(source: str) -> list[str]:
        with a_session(repository.root, source=source) as (session, client):
            assert list(session.warnings()) == []
            client.headers["Authorization"] = "Api-Key 67"
            return [variants(client, user)["new-checkout"] for user in people]

    live, planned = shown("live"), shown("live,files")
    assert live.count("off") > 150
    assert planned.count("off") == 0
    assert all(before in {"off", after} for before, after in zip(live, planned, strict=True))
    assert run(["plan", "--out", "plan.json", "--quiet"]) == 0
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 1\n")
    assert shown("plan.json") == planned
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 100\n")
    assert run(["apply", "--auto-approve", "--quiet"]) == 0
    assert shown("live") == planned


def test_a_plan_that_no_longer_fits(repository: Repository) -> None:
    """One of another project, and one whose flag is gone, are refused; so is what is no plan."""
    repository.write("flags/other.yaml", "key: other\nvariants: [{key: 'on'}]\n")
    assert run(["plan", "--out", "plan.json", "--quiet", "--target", "new-checkout"]) == 0
    repository.emulator.store.remove(list(repository.emulator.store.flags))
    settings, output = Settings(config=repository.root / "reconciler.yaml"), Output(quiet=True)
    with pytest.raises(StalePlanError) as stale:
        start_session(settings, output, source="plan.json")
    assert str(stale.value).startswith('The plan cannot be made of what is live: flag "new-checkout": ')
    assert str(stale.value).endswith(" Make a new one.")
    for config, environment, wanted in (
        ('environments: {prod: {projectId: "7"}}\n', "prod", "7, prod"),
        ('projectId: "8"\n', None, "8, none"),
    ):
        repository.write("reconciler.yaml", f"version: 1\n{config}")
        with pytest.raises(UsageError) as error:
            start_session(replace(settings, environment=environment), output, source="plan.json")
        assert str(error.value) == (
            f"The plan is for project 7, environment none: not for {wanted}. Choose it with --env."
        )
    for name in ("other.json", "life", "files,life"):
        with pytest.raises(UsageError, match="is neither files, live, live,files nor a saved plan"):
            start_session(settings, output, source=name)
        assert run(["serve", "--from", name]) == 64


def test_a_new_flag_takes_no_id_of_a_live_one(repository: Repository) -> None:
    """Whichever of the two comes first by its key, on top of what is live and after a plan."""
    assert "1001" in repository.emulator.store.flags
    text = "key: KEY\nenabled: true\nvariants: [{key: 'on'}]\ndeployments: ['67']\n"
    for key in ("a-new", "z-new"):
        repository.write(f"flags/{key}.yaml", text.replace("KEY", key))
    assert run(["plan", "--out", "plan.json", "--quiet"]) == 0
    for source in ("live,files", "plan.json"):
        assert [flag["key"] for flag in served(repository, source)] == ["a-new", "z-new"]


def test_a_flag_that_a_plan_holds_is_served_as_it_is_live(repository: Repository) -> None:
    """Nothing of it would be sent; a flag that is new and held is not there. Which they are is said."""
    seed(repository, "gone", archived=True)
    seed(repository, "old")
    for key in ("gone", "old"):
        repository.write(f"flags/{key}.yaml", f"key: {key}\nenabled: false\nbucketingKey: device_id\n")
    repository.write("flags/new.yaml", "key: new\nenabled: true\n")
    assert run(["plan", "--out", "plan.json", "--quiet"]) == 0
    before = served(repository, "live")
    repository.capture.readouterr()
    with a_session(repository.root, source="plan.json") as (session, client):
        client.headers["Authorization"] = "Api-Key 67"
        assert client.get("/sdk/v2/flags").json() == before
        assert {flag.key for flag in session.content.flags} == {"new-checkout", "other-flag", "old"}
    start_session(Settings(config=repository.root / "reconciler.yaml"), Output(), source="plan.json")
    assert (
        "Held by safety checks, so served as they are live: gone, new, old.\n" in repository.capture.readouterr().err
    )


def test_a_flag_that_comes_back_from_the_archive(repository: Repository) -> None:
    """Is served with all that it had, on top of what is live and after a plan, as after the apply."""
    seed(repository, "gone", archived=True)
    repository.write("flags/gone.yaml", "key: gone\narchived: false\n")
    assert run(["plan", "--unarchive", "--out", "plan.json", "--quiet"]) == 0
    planned = [served(repository, source) for source in ("plan.json", "live,files")]
    assert planned[0][0]["variants"]["a"]["payload"] == {"x": 1}
    assert served(repository, "live") == []
    assert run(["apply", "--unarchive", "--auto-approve", "--quiet"]) == 0
    assert planned == [served(repository, "live")] * 2


def test_a_flag_that_depends_on_an_archived_one(repository: Repository) -> None:
    """Is off, as `evaluate` says, for all that the archived one would let through."""
    parent = seed(repository, "parent", archived=True, deployments=[])
    needs = {"flags": {parent["id"]: ["a", "b"]}, "operator": "all"}
    seed(repository, "child", parentDependencies=needs)
    shown = dict(next(flag for flag in repository.emulator.store.flags.values() if flag["key"] == "child"))
    assert '"off"' in repository.run("evaluate", "child", "--user-id", "eve", "--format", "json").out
    for source in ("live", "live,files"):
        with a_session(repository.root, source=source) as (_, client):
            client.headers["Authorization"] = "Api-Key 67"
            assert variants(client, {"user_id": "eve"}) == {"child": "off"}
            (child,) = client.get(
                "/api/1/flags?projectId=7&key=child", headers={"Authorization": f"Bearer {EMULATOR_KEY}"}
            ).json()["flags"]
            assert child["parentDependencies"] == shown["parentDependencies"]


def test_a_configured_name_counts_more_than_a_label(repository: Repository) -> None:
    """Of a live deployment that happens to be called as another one is here; its key is not told."""
    seed(repository, "search")
    for number, label in (("67", "backend"), ("68", "web")):
        key = f"server-secret-{number}"
        store = repository.emulator.store
        store.put_deployment({"id": number, "projectId": "7", "label": label, "key": key, "deleted": False})
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\ndeployments: {web: "67"}\n')
    with a_session(repository.root, source="live") as (_, client):
        for name in ("web", "67", "server-secret-67"):
            found = client.get("/sdk/v2/flags", headers={"Authorization": f"Api-Key {name}"})
            assert [flag["key"] for flag in found.json()] == ["search"]
        unknown = client.get("/sdk/v2/flags", headers={"Authorization": "Api-Key none"})
    assert (unknown.status_code, "secret" in unknown.text) == (401, False)


def test_deployments_that_cannot_be_listed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are those that the live flags name."""
    seed(repository, "search", deployments=["99"])

    async def no_list(_: Client) -> None:
        return None

    monkeypatch.setattr(Client, "list_all_deployments", no_list)
    with a_session(repository.root, source="live") as (session, client):
        assert session.deployment_names == ["99"]
        client.headers["Authorization"] = "Api-Key 99"
        assert [flag["key"] for flag in client.get("/sdk/v2/flags").json()] == ["search"]


def test_an_edit_that_no_plan_can_make(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a flag that is not live yet: the last valid state is served on, and later edits are seen."""
    text = "key: new\nenabled: true\nvariants: [{key: 'on'}]\ndeployments: ['67']\n"
    file = repository.write("flags/new.yaml", text)
    session = start_session(Settings(config=repository.root / "reconciler.yaml"), Output(), source="live,files")
    before = session.content.flags

    def reload(content: str) -> str:
        file.write_text(content)
        capsys.readouterr()
        asyncio.run(session._reload([str(file)]))
        return capsys.readouterr().err

    said = reload(text.replace("variants: [{key: 'on'}]\n", ""))
    assert "declare `variants`" in said
    assert said.endswith("Still serving the last valid state.\n")
    assert session.content.flags == before
    assert reload(text) == "The files are valid again.\n"
    assert reload(text.replace("true", "false")).startswith("Serving 3 flags")


def test_a_key_that_several_live_flags_carry(repository: Repository) -> None:
    """None of them is served, and the declared one neither: a plan would hold it. That is said."""
    for _ in range(2):
        seed(repository, "twice")
    repository.write("flags/twice.yaml", "key: twice\nenabled: true\nvariants: [{key: 'on'}]\ndeployments: ['67']\n")
    for source in ("live", "live,files"):
        repository.capture.readouterr()
        session = start_session(Settings(config=repository.root / "reconciler.yaml"), Output(), source=source)
        assert {flag.key for flag in session.content.flags} == {"new-checkout", "other-flag"}
        said = "twice: several live flags carry this key (ids 1003, 1004): none is served.\n"
        assert said in repository.capture.readouterr().err


def test_a_key_that_looks_like_a_live_one(repository: Repository) -> None:
    """It is a flag of its own, and said, as a plan does."""
    seed(repository, "Search")
    repository.write("flags/search.yaml", "key: search\nenabled: true\nvariants: [{key: 'on'}]\n")
    start_session(Settings(config=repository.root / "reconciler.yaml"), Output(), source="live,files")
    assert 'The declared flag "search" does not exist, but "Search" does' in repository.capture.readouterr().err


def test_another_project_after_the_start(repository: Repository) -> None:
    """Is not served with what is live in the first one."""
    source = Source("live,files", Settings(config=repository.root / "reconciler.yaml"), None, Output(quiet=True))
    first = source.read()
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "8"\n')
    with pytest.raises(UsageError) as caught:
        source.read()
    assert str(caught.value) == (
        "What is live was read of project 7, and reconciler.yaml now names 8: start the command again."
    )
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nmanagedTag: managed\n')
    assert source.read() == first


def test_the_page_says_what_sdks_get_of_flags_that_depend_on_others(repository: Repository) -> None:
    """With overrides, too: one of a parent counts for its children, one of a user is for that user alone."""
    parent = seed(repository, "parent")
    seed(repository, "child", parentDependencies={"flags": {parent["id"]: ["b"]}, "operator": "all"})

    def row(page: str, key: str) -> tuple[str, str]:
        """The variant that is shown, and the one that is chosen for everyone."""
        (text,) = re.findall(rf"<code>{key}</code>.*?</tr>", page, re.DOTALL)
        shown = re.findall(r"<td><code>(.*?)</code></td>", text)
        return shown[0], "".join(re.findall(r"<option selected>(.*?)</option>", text))

    with a_session(repository.root, source="live") as (_, client):
        client.headers["Authorization"] = "Api-Key 67"
        for user, set_for, shown in (
            ("eve", None, {"parent": ("b", ""), "child": ("b", "")}),
            ("eve", {"variant": "a", "user": "eve"}, {"parent": ("a", ""), "child": ("off", "")}),
            ("lin", None, {"parent": ("b", ""), "child": ("b", "")}),
            ("lin", {"variant": "off"}, {"parent": ("off", "off"), "child": ("off", "")}),
            ("eve", None, {"parent": ("a", "off"), "child": ("off", "")}),
        ):
            if set_for:
                client.put("/_serve/overrides/parent", json=set_for)
            page = client.get("/", params={"user_id": user}).text
            assert {key: row(page, key) for key in shown} == shown
            assert variants(client, {"user_id": user}) == {key: variant for key, (variant, _) in shown.items()}
