"""One flag of the project that cannot be read: it is set aside with a warning, and fails what needs it only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag, flag_of, seeded

from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Repository

MARK = "replace-me"
TEXTS = {
    "half of a surrogate pair": rb'"\ud83d"',
    "the other half": rb'"x\uDE00y"',
    "bytes that are no UTF-8": b'"\xed\xa0\x80"',
    "other bytes that are no UTF-8": b'"\xff"',
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "a number beyond all": b"1e999",
    "a number of 5,000 digits": b"1" * 5000,
    "a key twice": b'{"a": 1, "a": 2}',
    "too deep": b"[" * 150 + b"]" * 150,
    "far too deep": b"[" * 200_000 + b"]" * 200_000,
    "objects far too deep": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "a raw control character": b'"a\x01b"',
    "a raw line break": b'"a\nb"',
    "a number": b"7",
    "true": b"true",
    "an object": b"{}",
}
"""What stands where the flag's name should be."""

FIELDS: dict[str, Any] = {
    "variants": [{"key": "on"}, {"key": "on"}],
    "enabled": "yes",
    "rolloutPercentage": -1,
    "rolloutWeights": {"on": "much"},
    "targetSegments": [{"name": "S", "conditions": [{"prop": 1}]}],
    "deployments": "67",
    "tags": [None],
    "parentDependencies": [],
    "deleted": 0,
}


ROWS = {
    "null": b"null",
    "a number": b"7",
    "NaN": b"NaN",
    "a string": b'"other-flag"',
    "a list": b"[]",
    "deep lists": b"[" * 200_000 + b"]" * 200_000,
    "a broken string": b'"\x00\xff"',
    "an object with a member twice": b'{"id": "9", "key": "other-flag", "projectId": "7", "name": "", "name": ""}',
    "an object with its key twice": b'{"id": "9", "key": "a", "projectId": "7", "key": "b"}',
    "an object with its project twice": b'{"id": "9", "key": "a", "projectId": "7", "projectId": "7"}',
}
"""What stands where the flag should be."""

IDS: dict[str, Any] = {
    "empty": "",
    "a way up": "../x",
    "two dots": "..",
    "a dot": ".",
    "a slash": "1/users",
    "a space": "1 2",
    "a query": "1?x=1",
    "an escape": "%2e%2e",
    "a line break": "1\n",
    "other digits": "\u0661",
    "very long": "1" * 5000,
}


class Spoiling:
    """An emulator whose lists show one flag with something in the place of a field."""

    def __init__(self, app: Any, key: str, change: Any) -> None:
        self._app = app
        self._key = key
        self._change = change

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        parts: list[dict[str, Any]] = []

        async def gather(message: dict[str, Any]) -> None:
            parts.append(message)

        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, gather)
        body = b"".join(part.get("body", b"") for part in parts)
        body = self._spoiled(body)
        headers = [item for item in parts[0]["headers"] if item[0] != b"content-length"]
        await send({**parts[0], "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    def _spoiled(self, body: bytes) -> bytes:
        document = json.loads(body)
        rows = document.get("flags", document.get("versions", [])) if isinstance(document, dict) else []
        for index, row in enumerate(rows):
            flag = row.get("flagConfig", row)
            if flag["key"] == self._key and self.is_whole:
                rows[index] = MARK
            elif flag["key"] == self._key:
                self._change(flag)
        name = json.dumps(MARK).encode()
        return json.dumps(document).encode().replace(name, self.text) if rows else body

    text = b'""'
    is_whole = False


@pytest.fixture
def spoilt(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Spoil a flag of the project: `spoilt(key, text=…)`, `spoilt(key, row=…)` or `spoilt(key, field=value, …)`."""
    servers = []

    def spoil(key: str, /, *, text: bytes | None = None, row: bytes = b"", drop: str = "", **fields: Any) -> None:
        def change(flag: dict[str, Any]) -> None:
            flag.update({"description": MARK} if text is not None else fields)
            flag.pop(drop, None)

        app = Spoiling(repository.emulator.app, key, change)
        app.text = row or text or b'""'
        app.is_whole = bool(row)
        server = serve(app)
        servers.append(server)
        monkeypatch.setenv("RECONCILER_API_URL", server.__enter__())

    yield spoil
    for server in servers:
        server.__exit__(None, None, None)


@pytest.mark.parametrize("why", TEXTS)
def test_what_is_no_json_spoils_one_flag(repository: Repository, spoilt: Any, why: str) -> None:
    """The plan is made of the others; the warning names the flag, in JSON as on paper."""
    spoilt("other-flag", text=TEXTS[why])
    ran = repository.run("plan", "--format", "json")
    document = json.loads(ran.out)
    assert (ran.code, document["summary"]["update"]) == (0, 1)
    (warning,) = document["warnings"]
    assert f'"other-flag" (id {flag_of(repository.emulator, "other-flag")["id"]}) cannot be read' in warning
    assert "other-flag" in repository.run("plan").out


@pytest.mark.parametrize("field", FIELDS)
def test_a_wrong_field_spoils_one_flag(repository: Repository, spoilt: Any, field: str) -> None:
    """The warning names the field."""
    spoilt("other-flag", **{field: FIELDS[field]})
    ran = repository.run("apply", "--auto-approve")
    assert (ran.code, repository.live("new-checkout")["rolloutPercentage"]) == (0, 50)
    assert field in ran.out
    assert '"other-flag"' in ran.out


@pytest.mark.parametrize("why", ROWS)
@pytest.mark.parametrize("command", [["plan"], ["import", "--out", "out"], ["drift", "--since", "2h"], ["doctor"]])
def test_a_row_that_is_no_flag_is_set_aside(
    repository: Repository, spoilt: Any, why: str, command: list[str]
) -> None:
    """The warning names its place; every other flag is read."""
    repository.emulator.edit_as(
        "grace@example.com", "PATCH", f"/flags/{repository.live('other-flag')['id']}", {"enabled": True}
    )
    spoilt("other-flag", row=ROWS[why])
    ran = repository.run(*command)
    assert ran.code in {0, 2}, ran.err
    assert "flags/0" in " ".join((ran.out + ran.err).split())


@pytest.mark.parametrize("why", IDS)
@pytest.mark.parametrize("field", ["id", "key"])
def test_an_id_or_key_that_cannot_be_used_is_refused_when_it_is_read(
    repository: Repository, spoilt: Any, field: str, why: str
) -> None:
    """Every other flag is imported, and no request names it."""
    spoilt("other-flag", **{field: IDS[why]})
    ran = repository.run("import", "--out", "out")
    assert ran.code == 0, ran.err
    assert f"the {field} at flags/0/{field} cannot be used" in " ".join(ran.err.split())
    assert [path.name for path in (repository.root / "out").iterdir()] == ["new-checkout.yaml"]
    says = {"empty": "it is empty", "very long": "it has 5000 characters, more than"}
    assert says.get(why, "it is no word of letters, digits") in " ".join(ran.err.split())
    assert len(ran.err) < 1000


@pytest.mark.parametrize("body", [b"[null]", b'[{"key": "on", "payload": NaN}]', b'[{"key": ["on"]}]', b"{}", b"["])
@pytest.mark.parametrize("path", ["variants", "users", "cohorts"])
def test_a_flag_whose_variants_cannot_be_read_is_not_imported(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes
) -> None:
    """The others are; a target that names it fails."""
    flag_id = repository.live("new-checkout")["id"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if f"/flags/{flag_id}/" not in scope.get("path", "") or not scope["path"].endswith(f"/{path}"):
            await repository.emulator.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with serve(app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        ran = repository.run("import", "--out", "out")
        assert ran.code == 0, ran.err
        assert f'The flag "new-checkout" (id {flag_id}) cannot be read' in ran.err
        assert [path.name for path in (repository.root / "out").iterdir()] == ["other-flag.yaml"]
        assert repository.run("import", "--out", "elsewhere", "--target", "new-*").code == 1
        assert not (repository.root / "elsewhere").exists()


@pytest.mark.parametrize("row", [b"null", b'{"id": "9", "id": "9"}', b'{"id": "9", "projectId": "7", "label": NaN}'])
def test_a_deployment_that_cannot_be_read_is_set_aside(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, row: bytes
) -> None:
    """The doctor warns; a deployment of the configuration that is there is found, and one that is not fails."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/api/1/deployments":
            await repository.emulator.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        sound = b'{"id": "11", "projectId": "7", "label": "web"}'
        await send({"type": "http.response.body", "body": b'{"deployments": [%s, %s]}' % (row, sound)})

    with serve(app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        for number, code in (("11", 0), ("12", 1)):
            repository.write("reconciler.yaml", f'version: 1\nprojectId: "7"\ndeployments: {{web: "{number}"}}\n')
            ran = repository.run("doctor")
            assert ran.code == code, ran.out
            assert "deployment" in ran.out
            assert "deployments/0" in " ".join(ran.out.split())


@pytest.mark.parametrize("missing", ["id", "key", "projectId"])
def test_a_flag_that_does_not_say_who_it_is(repository: Repository, spoilt: Any, missing: str) -> None:
    """It is set aside as well, where every declared flag is found."""
    spoilt("other-flag", drop=missing)
    ran = repository.run("plan")
    assert ran.code == 0
    assert f"flags/0/{missing}" in " ".join(ran.out.split())


@pytest.mark.parametrize("text", [TEXTS["half of a surrogate pair"], TEXTS["a number"]])
@pytest.mark.parametrize(
    "command",
    [
        ["plan"],
        ["apply", "--auto-approve"],
        ["drift"],
        ["drift", "--since", "2h"],
        ["evaluate", "new-checkout", "--user-id", "ada@example.com"],
        ["import", "--target", "new-checkout", "--out", "out"],
    ],
    ids=" ".join,
)
def test_a_command_that_needs_the_flag_fails(
    repository: Repository, spoilt: Any, command: list[str], text: bytes
) -> None:
    """It is declared, or asked for: the failure names it, and nothing is sent."""
    spoilt("new-checkout", text=text)
    ran = repository.run(*command)
    assert ran.code == 1
    assert 'Error: The flag "new-checkout"' in ran.err
    assert repository.emulator.writes == []


@pytest.mark.parametrize(
    "command",
    [
        ["drift", "--target", "new-checkout"],
        ["drift"],
        ["drift", "--since", "2h"],
        ["evaluate", "new-checkout", "--user-id", "ada@example.com"],
        ["history", "new-checkout"],
        ["import", "--target", "new-checkout", "--out", "out"],
        ["import", "--out", "out"],
        ["doctor"],
        ["plan", "--prune"],
    ],
    ids=" ".join,
)
def test_a_command_that_does_not_need_it_goes_on(repository: Repository, spoilt: Any, command: list[str]) -> None:
    """What is foreign stops nothing."""
    repository.emulator.edit_as(
        "grace@example.com", "PATCH", f"/flags/{repository.live('other-flag')['id']}", {"enabled": True}
    )
    spoilt("other-flag", text=TEXTS["half of a surrogate pair"])
    ran = repository.run(*command)
    assert ran.code in {0, 2}, ran.err


def test_a_target_narrows_what_is_needed(repository: Repository, spoilt: Any) -> None:
    """A declared flag that is not targeted is foreign to this run, and one that matches a pattern is not."""
    repository.write("flags/other.yaml", "key: other-flag\nenabled: false\n")
    spoilt("other-flag", enabled="yes")
    assert repository.run("plan", "--target", "new-checkout").code == 0
    assert repository.run("plan", "--target", "new-*").code == 0
    for target in ("other-flag", "other-*", "*"):
        assert repository.run("plan", "--target", target).code == 1


def test_a_flag_that_may_be_the_one_is_needed(repository: Repository, spoilt: Any) -> None:
    """Where a declared flag is not found, and one does not say its key, it is not taken for absent."""
    repository.write("flags/new.yaml", "key: other-flag\nvariants: [{key: on}]\n")
    spoilt("other-flag", drop="key")
    ran = repository.run("apply", "--auto-approve")
    assert ran.code == 1
    assert "A flag (id" in ran.err
    assert repository.emulator.writes == []


def test_an_id_that_two_flags_share_is_no_flags(repository: Repository, spoilt: Any) -> None:
    """No call goes to an id under which the server shows several keys."""
    spoilt("other-flag", id=repository.live("new-checkout")["id"])
    ran = repository.run("apply", "--auto-approve")
    assert ran.code == 1
    assert "under the same id" in ran.err
    assert repository.emulator.writes == []


def test_what_is_wrong_outside_of_flags_is_an_error(repository: Repository, spoilt: Any) -> None:
    """The answer itself must be one."""
    seeded(repository.emulator, [a_live_flag("third")])
    spoilt("other-flag", text=b'"" }')
    ran = repository.run("plan")
    assert ran.code == 1
    assert "Invalid response from the API" in ran.err
