"""Files that `serve` takes flags from, and how it follows them when they change."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from serving import ADA, CHECKOUT, CONFIG, REMOTE, a_repository, a_session, events, variants, wait_for, write_flag

from reconciler.cli.commands.serve import _say_why_it_ended, start_session
from reconciler.cli.options import Settings
from reconciler.cli.output import Output
from reconciler.cli.serving import _WATCH
from reconciler.cli.sources import Source
from reconciler.errors import UsageError

if TYPE_CHECKING:
    import httpx


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of a local and a remote flag."""
    return a_repository(tmp_path, CHECKOUT, REMOTE)


def write_and_wait(root: Path, flag: dict[str, Any], happens: Any) -> None:
    """Write a flag and wait until something is so."""
    write_flag(root, flag)
    wait_for(happens)


def is_off(client: httpx.Client) -> bool:
    """Whether the flag of the files is off."""
    return variants(client, ADA)["new-checkout"] == "off"


def test_an_edit_is_streamed(root: Path) -> None:
    """The stream begins with all flags, and has them again when a file has changed."""
    with a_session(root, watches=True) as (_, client), client.stream("GET", "/sdk/stream/v1/flags") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        seen = events(stream.iter_lines())
        assert next(seen) == client.get("/sdk/v2/flags").json()
        write_and_wait(root, CHECKOUT | {"enabled": False}, lambda: is_off(client))
        assert next(seen)[0]["segments"] == [{"metadata": {"segmentName": "default"}, "variant": "off"}]
        (root / "flags" / "new-checkout.yaml").unlink()
        assert [flag["key"] for flag in next(seen)] == ["search"]


def test_an_invalid_edit(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last valid state is served on; stderr and the page say why; the next valid edit is served."""
    with a_session(root, watches=True) as (session, client):
        write_and_wait(root, CHECKOUT | {"rolloutPercentage": 500}, lambda: session.problem)
        assert not is_off(client)
        page = client.get("/").text
        assert "the last valid state is served" in page
        assert "flags/new-checkout.yaml:" in page
        reads, read = [], session._source.read
        session._source.read = lambda: reads.append(1) or read()  # type: ignore[method-assign]
        write_and_wait(root, REMOTE | {"name": "Search"}, lambda: reads)  # the same is wrong as before
        write_and_wait(root, CHECKOUT | {"nmae": "x"}, lambda: "nmae" in str(session.problem))
        assert capsys.readouterr().err.count("A percentage must be") == 1
        write_and_wait(root, CHECKOUT | {"enabled": False}, lambda: is_off(client))
        assert "the last valid state is served" not in client.get("/").text


def test_another_configuration_is_served(root: Path) -> None:
    """Its changes are served as those of flag files: an invalid one is not, a new deployment is."""
    with a_session(root, watches=True) as (session, client):
        content = (root / "reconciler.yaml").read_text()
        for _ in range(2):  # by rename, as editors do
            (root / "new").write_text(content + "deployment: 1\n")
            (root / "new").rename(root / "reconciler.yaml")
            wait_for(lambda: session.problem)
            (root / "new").write_text(content)
            (root / "new").rename(root / "reconciler.yaml")
            wait_for(lambda: not session.problem)
        (root / "reconciler.yaml").write_text(content.replace("{", '{shop: "67", tv: "70", '))
        wait_for(lambda: client.get("/sdk/v2/flags", headers={"Authorization": "Api-Key tv"}).status_code == 200)
        assert len(client.get("/sdk/v2/flags", headers={"Authorization": "Api-Key shop"}).json()) == 2


def test_another_directory_of_flags_is_served(root: Path) -> None:
    """As when another branch is checked out: what is watched goes, and comes back with other files."""
    with a_session(root, watches=True) as (session, client):
        (root / "flags").rename(root / "gone")
        wait_for(lambda: session.problem)
        assert not is_off(client)
        (root / "flags").mkdir()
        write_and_wait(root, CHECKOUT | {"enabled": False}, lambda: is_off(client))
        wait_for(lambda: "search" not in variants(client, ADA))
        write_and_wait(root, CHECKOUT, lambda: not is_off(client))


@pytest.mark.parametrize("name", ["node_modules", ".idea"])
def test_a_directory_that_other_tools_look_past(tmp_path: Path, name: str) -> None:
    """Flag files are watched there as anywhere."""
    (tmp_path / name).mkdir()
    root = a_repository(tmp_path / name, CHECKOUT)
    with a_session(root, watches=True) as (session, client):
        reads, read = [], session._source.read
        session._source.read = lambda: reads.append(1) or read()  # type: ignore[method-assign]
        wait_for(lambda: reads)  # the watch has begun
        write_and_wait(root, CHECKOUT | {"enabled": False}, lambda: is_off(client))


def test_a_link_that_comes_to_mean_another_directory(root: Path) -> None:
    """As when another branch is checked out that has another link: its flags are served, and its edits."""
    (root / "flags").rename(root / "first")
    (root / "flags").symlink_to("first")
    (root / "second").mkdir()
    with a_session(root, watches=True) as (_, client):
        assert variants(client, ADA).keys() == {"new-checkout", "search"}
        text = (root / "first" / "new-checkout.yaml").read_text()
        (root / "second" / "new-checkout.yaml").write_text(text)
        (root / "new").symlink_to("second")
        (root / "new").rename(root / "flags")
        wait_for(lambda: variants(client, ADA).keys() == {"new-checkout"})
        write_and_wait(root, CHECKOUT | {"enabled": False}, lambda: is_off(client))


def test_places_that_are_named_from_where_one_stands(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are followed as any: each file that is put in the place of the one before, and each directory."""
    monkeypatch.chdir(root)
    cohorts, config, draft = Path("cohorts.json"), Path("reconciler.yaml"), Path("draft")
    cohorts.write_text("{}")
    with a_session(Path(), watches=True, cohorts=cohorts) as (session, client):
        for member in ("ann", "bob", "eve"):
            draft.write_text(json.dumps({"beta": [member]}))
            draft.replace(cohorts)
            wait_for(lambda member=member: session.sdk.cohorts.of(member))
        for name in ("shop", "tv", "car"):
            draft.write_text(CONFIG.replace("{", f'{{{name}: "67", '))
            draft.replace(config)
            wait_for(lambda name=name: name in session.deployment_names)
        for number, is_enabled in enumerate((False, True, False)):
            Path("flags").rename(f"gone-{number}")
            a_repository(Path(), {**CHECKOUT, "enabled": is_enabled})
            wait_for(lambda is_enabled=is_enabled: is_off(client) is not is_enabled)


def test_what_changed_files_tell_alone(root: Path) -> None:
    """Their flags as they are now; nothing where a file is new, gone, invalid, or declares a flag of another one."""
    source = Source("files", Settings(config=root / "reconciler.yaml"), None, Output(quiet=True))
    file, other = root / "flags" / "new-checkout.yaml", root / "flags" / "search.yaml"
    assert source.read_again({str(file)}) is None, "nothing was read before"
    first = source.read()
    assert source.read_again({str(file)}) == first
    write_flag(root, CHECKOUT | {"enabled": False})
    again = source.read_again({str(file)})
    assert again is not None
    assert [flag.spec.enabled for flag in again.flags] == [False, True]
    assert again == source.read()
    write_flag(root, CHECKOUT | {"key": "new"})
    assert source.read_again({str(file), str(file.with_suffix(".new"))}) == again  # a draft, put in its place
    assert source.read_again({str(file.with_suffix(".new"))}) is None
    assert source.read_again({str(file), str(root / "flags" / "new.yaml")}) is None
    text = other.read_text()
    for wrong in (text.replace("key: search", "key: new-checkout"), "key: [", text + "unknown: 1\n"):
        other.write_text(wrong)
        assert source.read_again({str(other)}) is None
    other.unlink()
    assert source.read_again({str(other)}) is None


def test_the_management_api_stands_beside(root: Path) -> None:
    """One store: what is edited there is served, until the file says something else."""
    with a_session(root, watches=True) as (session, client):
        bearer = {"Authorization": f"Bearer {next(iter(session.emulator.store.keys))}"}
        (flag,) = client.get("/api/1/flags?key=new-checkout", headers=bearer).json()["flags"]
        assert client.get("/api/1/deployments", headers=bearer).json()["deployments"][0]["label"] == "web"
        client.patch(f"/api/1/flags/{flag['id']}", json={"enabled": False}, headers=bearer)
        assert is_off(client)
        write_and_wait(root, REMOTE | {"enabled": False}, lambda: variants(client, ADA)["search"] == "off")
        assert is_off(client)
        write_and_wait(root, CHECKOUT | {"name": "Checkout"}, lambda: not is_off(client))
        (again,) = client.get("/api/1/flags?key=new-checkout", headers=bearer).json()["flags"]
        assert (again["id"], again["name"]) == (flag["id"], "Checkout")
        assert again["lastModifiedBy"] == "serve@example.com"


def test_what_a_reload_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many flags are served where they are others than before; what is wrong once; and when it is put right."""
    session = start_session(Settings(config=root / "reconciler.yaml"), Output())
    file = str(root / "flags" / "new-checkout.yaml")

    def said(*names: str) -> list[str]:
        capsys.readouterr()
        asyncio.run(session._reload(names))
        return capsys.readouterr().err.splitlines()

    assert said(file) == []
    write_flag(root, CHECKOUT | {"enabled": False})
    assert said(file) == ["Serving 2 flags as the files are now."]
    write_flag(root, CHECKOUT | {"rolloutPercentage": 500})
    *problem, still = said(file)
    assert "flags/new-checkout.yaml:" in problem[0]
    assert (len(problem), still) == (2, "Still serving the last valid state.")
    assert session.problem == "\n".join(problem)
    assert said(file) == said() == []
    write_flag(root, CHECKOUT | {"enabled": False})
    assert said(file) == ["The files are valid again."]
    assert session.problem is None
    config = root / "reconciler.yaml"
    for text in (CONFIG.replace("{", '{tv: "70", '), CONFIG.replace("{", '{shop: "67", '), CONFIG):
        config.write_text(text)  # a deployment more, another name of one, both gone
        assert said(str(config)) == ["Serving 2 flags as the files are now."]
        assert said(str(config)) == []
    (root / "flags" / "search.yaml").unlink()
    assert said(str(root / "flags" / "search.yaml")) == ["Serving 1 flag as the files are now."]


def test_what_is_watched(root: Path) -> None:
    """What there is of flags, configuration and cohorts, by its whole path, and where that leads."""
    (root / "flags").rename(root / "real")
    (root / "flags").symlink_to("real")
    cohorts = root / "cohorts.json"
    cohorts.write_text("{}")
    session = start_session(Settings(config=root / "reconciler.yaml"), Output(quiet=True), cohorts=cohorts)
    config = {root / "reconciler.yaml": (root / "reconciler.yaml").resolve()}
    flags = {root / "flags": (root / "real").resolve()}
    assert session._places() == {**flags, **config, cohorts: cohorts.resolve()}
    cohorts.unlink()
    assert session._places() == {**flags, **config}
    (root / "real").rename(root / "gone")
    assert session._places() == config


def test_a_changed_file_is_served_before_all_are_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it alone tells what is to be served; not while another one is invalid."""
    session = start_session(Settings(config=root / "reconciler.yaml"), Output(quiet=True))

    def reloaded(flag: dict[str, Any]) -> list[object]:
        write_flag(root, flag)
        asyncio.run(session._reload([str(root / "flags" / f"{flag['key']}.yaml")]))
        return [item.spec.enabled for item in session.content.flags]

    def fail() -> None:
        raise UsageError("not now")

    with monkeypatch.context() as patched:
        patched.setattr(session._source, "read", fail)
        assert reloaded(CHECKOUT | {"enabled": False}) == [False, True]
        assert session.problem == "Error: not now"
        assert reloaded(CHECKOUT) == [False, True]
    assert reloaded(CHECKOUT) == [True, True]
    assert reloaded(CHECKOUT | {"rolloutPercentage": 500}) == [True, True]
    assert reloaded(REMOTE | {"enabled": False}) == [True, True]
    assert reloaded(CHECKOUT) == [True, False]


def test_a_reload_of_deployments_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another project is served, and a reset comes back to it, where no flag is declared."""
    root = a_repository(tmp_path)
    with a_session(root) as (session, client):
        session._output = Output()
        (root / "reconciler.yaml").write_text(CONFIG.replace('"7"', '"8"'))
        asyncio.run(session._reload([]))
        assert capsys.readouterr().err == "Serving 0 flags as the files are now.\n"
        assert client.post("/_emulator/reset").status_code == 204
        assert [item.project_id for item in session.feed.served.deployments] == ["8", "8"]


def test_what_a_reload_of_cohorts_says(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That they are others now, once, and nothing of flags that stay the same."""
    file = tmp_path / "cohorts.json"
    file.write_text('{"beta": ["lin"]}')
    session = start_session(Settings(config=root / "reconciler.yaml"), Output(), cohorts=file)
    file.write_text('{"beta": ["ann"]}')
    capsys.readouterr()
    for said in ("Serving the cohorts as their file is now.\n", ""):
        asyncio.run(session._reload([str(file)]))
        assert capsys.readouterr() == ("", said)


def test_a_deployment_that_gets_one_more_name(tmp_path: Path) -> None:
    """It is known by it at once, without any change of a flag or of what the deployment is."""
    root = a_repository(tmp_path, CHECKOUT | {"deployments": ["67"]})
    with a_session(root) as (session, client):

        def found() -> list[int]:
            keys = ("also", "67", "web", "tv")
            return [
                client.get("/sdk/v2/flags", headers={"Authorization": f"Api-Key {key}"}).status_code for key in keys
            ]

        assert found() == [401, 200, 200, 401]
        config = root / "reconciler.yaml"
        config.write_text(config.read_text().replace("web:", 'also: "67", web:'))
        asyncio.run(session._reload([str(config)]))
        assert found() == [200, 200, 200, 401]


def test_a_deployment_that_is_gone(tmp_path: Path) -> None:
    """From the configuration: it is unknown until it is back. One that moves to another project is in that alone."""
    root = a_repository(tmp_path, {name: value for name, value in CHECKOUT.items() if name != "deployments"})
    config = root / "reconciler.yaml"
    first = config.read_text()
    with a_session(root) as (session, client):

        def found(text: str) -> list[int]:
            config.write_text(text)
            asyncio.run(session._reload([str(config)]))
            keys = ("web", "67", "mobile", "68")
            return [
                client.get("/sdk/v2/flags", headers={"Authorization": f"Api-Key {key}"}).status_code for key in keys
            ]

        assert found(first) == [200, 200, 200, 200]
        assert found(first.replace(', mobile: "68"', "")) == [200, 200, 401, 401]
        assert found(first) == [200, 200, 200, 200]
        assert found(first.replace('"7"', '"8"')) == [200, 200, 200, 200]
        assert [item.project_id for item in session.feed.served.deployments] == ["8", "8"]
        value = client.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "ada@example.com"}})
        assert value.json()["flags"][0]["value"] == {"layout": "classic"}


def test_a_reset_after_an_edit(root: Path) -> None:
    """Comes back to what the files say now, and not to what they said at the start."""
    with a_session(root) as (session, client):
        write_flag(root, CHECKOUT | {"enabled": False})
        asyncio.run(session._reload([str(root / "flags" / "new-checkout.yaml")]))
        assert is_off(client)
        assert client.post("/_emulator/reset").status_code == 204
        assert is_off(client)


def test_a_reset_after_a_reload_that_changes_nothing(root: Path) -> None:
    """Undoes edits through the Management API, also after a file was touched or made invalid."""
    with a_session(root) as (session, client):
        emulator = session.emulator
        (flag,) = (item for item in emulator.store.flags.values() if item["key"] == "new-checkout")
        emulator.edit_as("ada@example.com", "PATCH", f"/flags/{flag['id']}", {"enabled": False})
        asyncio.run(session._reload([str(root / "flags" / "new-checkout.yaml")]))
        write_flag(root, REMOTE | {"rolloutPercentage": 500})
        asyncio.run(session._reload([str(root / "flags" / "search.yaml")]))
        assert is_off(client)
        assert client.post("/_emulator/reset").status_code == 204
        assert not is_off(client)


def test_an_error_in_reading_a_few_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends nothing: all files are read, and say what is wrong."""

    def fails(*_: object) -> None:
        raise RecursionError

    session = start_session(Settings(config=root / "reconciler.yaml"), Output(quiet=True))
    monkeypatch.setattr("reconciler.cli.sources.load_contents", fails)
    write_flag(root, CHECKOUT | {"enabled": False})
    asyncio.run(session._reload([str(root / "flags" / "new-checkout.yaml")]))
    assert [flag.spec.enabled for flag in session.content.flags] == [False, True]


def test_a_watch_that_ends_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With its reason; the end of the command is none."""

    async def fail() -> None:
        raise OSError(28, "No space left on device", "/proc/x")

    async def end(task: asyncio.Task[None]) -> None:
        await asyncio.wait([task])
        _say_why_it_ended(task, Output())

    async def both() -> None:
        await end(asyncio.create_task(fail()))
        stopped = asyncio.create_task(asyncio.sleep(60))
        stopped.cancel()
        await end(stopped)

    asyncio.run(both())
    assert capsys.readouterr() == (
        "",
        "Error: Changes of files are seen no more: /proc/x: No space left on device. What was served goes on.\n",
    )


def test_a_watch_without_changes_reads_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed before the watch began is not told by it; after that a file is read when it has changed."""
    monkeypatch.setitem(_WATCH, "rust_timeout", 10)
    session = start_session(Settings(config=root / "reconciler.yaml"), Output(quiet=True))
    reads, read = [], session._source.read
    session._source.read = lambda: reads.append(1) or read()  # type: ignore[method-assign]
    write_flag(root, CHECKOUT | {"enabled": False})

    async def watch() -> None:
        task = asyncio.create_task(session.watch())
        while session.content.flags[0].spec.enabled and not task.done():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # some rounds without a change
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(watch())
    assert len(reads) == 1
    assert [flag.spec.enabled for flag in session.content.flags] == [False, True]
