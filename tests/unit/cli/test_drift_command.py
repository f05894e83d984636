"""`drift`, `history` and `doctor` as commands: exit codes, documents, files, and what they send."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from emulators import OTHER_USER
from jsonschema import Draft202012Validator, ValidationError
from looks import edit, include
from published_schemas import closed

from reconciler.emulator.requests import text_response
from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from conftest import Ran, Repository  # type: ignore[import-not-found]

    from reconciler.emulator import ApiResponse, RawRequest

KEY = "new-checkout"
AS_LIVE = f"key: {KEY}\nenabled: true\nrolloutPercentage: 10\n"
WITH_USERS = (
    f"key: {KEY}\nrolloutPercentage: 10\nvariants:\n  - key: control\n    inclusions: {{users: []}}\n"
    "  - key: treatment\n    inclusions: {users: [ada@example.com]}\n"
)


def declare(repository: Repository, text: str = AS_LIVE) -> None:
    """Let the repository declare one flag, and the project be as declared."""
    for file in (repository.root / "flags").iterdir():
        file.unlink()
    repository.write("flags/new-checkout.yaml", text)
    repository.emulator.log.clear()


def document(ran: Ran) -> dict[str, Any]:
    """The JSON on stdout."""
    found: dict[str, Any] = json.loads(ran.out)
    return found


def assert_valid(found: dict[str, Any], name: str) -> None:
    """Hold a document against a published schema, of which no object takes more than it names."""
    Draft202012Validator(closed(load_schema(name))).validate(found)


def test_no_drift_is_0(repository: Repository) -> None:
    """A project as declared: exit code 0, and no document says drift."""
    declare(repository)
    ran = repository.run("drift", "--format", "json")
    assert (ran.code, document(ran)["drifted"], document(ran)["unmanaged"]) == (0, False, ["other-flag"])
    assert repository.run("drift").out.splitlines()[-1] == "No drift; 1 request"


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_drift_is_2_in_every_form(repository: Repository, form: str) -> None:
    """The exit code is the same for every format, and only GET is sent."""
    declare(repository)
    edit(repository.emulator, OTHER_USER, KEY, rolloutPercentage=99)
    ran = repository.run("drift", "--format", form)
    assert ran.code == 2
    assert OTHER_USER in ran.out
    assert {entry.method for entry in repository.emulator.log} == {"GET"}


def test_the_document_names_who_when_and_which_version(repository: Repository) -> None:
    """What the contract promises of a flag that differs."""
    declare(repository)
    version = edit(repository.emulator, OTHER_USER, KEY, rolloutPercentage=99)
    found = document(repository.run("drift", "--format", "json"))
    (flag,) = found["flags"]
    assert flag["key"] == KEY
    (change,) = flag["changes"]
    assert (change["path"], change["before"], change["after"]) == ("/rolloutPercentage", 99, 10)
    assert (flag["lastChangedBy"], flag["version"]) == (OTHER_USER, version)
    assert flag["lastChangedAt"] == repository.live(KEY)["lastModifiedAt"]
    assert found["requests"] == len(repository.emulator.log)


def test_a_missing_flag_is_drift(repository: Repository) -> None:
    """Declared and not live."""
    declare(repository, AS_LIVE + "---\nkey: gone\nvariants: [{key: 'on'}]\n")
    ran = repository.run("drift", "--format", "json")
    assert (ran.code, document(ran)["missing"], document(ran)["flags"]) == (2, ["gone"], [])


@pytest.mark.usefixtures("no_pauses")
def test_an_unreachable_api_is_neither(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    """Exit code 1, and a failure document that says nothing of drift."""
    declare(repository)
    monkeypatch.setenv("RECONCILER_API_URL", f"http://127.0.0.1:{closed_port}")
    ran = repository.run("drift", "--format", "json")
    assert ran.code == 1
    assert document(ran)["error"]["kind"] == "api"
    assert "drifted" not in document(ran)


@pytest.mark.parametrize(("text", "code"), [("key: Broken!\n", 3), (AS_LIVE, 4)])
def test_invalid_files_and_refused_keys(repository: Repository, text: str, code: int) -> None:
    """Invalid files are 3, a key that is refused is 4."""
    declare(repository, text)
    repository.emulator.store.keys.clear()
    ran = repository.run("drift", "--format", "json")
    assert (ran.code, document(ran)["error"]["exitCode"]) == (code, code)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--budget", "0"),
        ("--budget", "x"),
        ("--since", "soon"),
        ("--until", "2030-12-24"),
        ("--reason", "incident 12"),
    ],
)
def test_wrong_usage_is_64(repository: Repository, arguments: tuple[str, str]) -> None:
    """Options that mean nothing are refused before anything is sent."""
    declare(repository)
    assert repository.run("drift", *arguments).code == 64
    assert repository.emulator.log == []


@pytest.mark.parametrize("options", [("--until", "2099-12-24"), ("--reason", "x"), ("--until", "x", "--reason", "x")])
def test_what_is_said_of_known_drift_names_a_flag(repository: Repository, options: tuple[str, ...]) -> None:
    """Otherwise it is wrong usage, before anything is sent or written."""
    declare(repository)
    ran = repository.run("drift", *options)
    said = "Error: --until and --reason go with --acknowledge KEY.\n"
    assert (ran.code, ran.out, ran.err) == (64, "", said)
    assert repository.emulator.log == []
    assert (repository.root / "flags/new-checkout.yaml").read_text() == AS_LIVE


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("budget", "daily", "most"), [("2", None, 2), ("1", None, 1), ("3", 1, 1)])
def test_repetitions_count_in_a_budget(repository: Repository, budget: str, daily: int | None, most: int) -> None:
    """Of requests that fail, too; what the configuration allows in a day is a limit beside it."""
    declare(repository)
    if daily:
        config = (repository.root / "reconciler.yaml").read_text()
        repository.write("reconciler.yaml", f"{config}requests: {{dailyBudget: {daily}}}\n")
    asked: list[RawRequest] = []

    def fail(request: RawRequest) -> ApiResponse:
        asked.append(request)
        return text_response(503, "later")

    repository.emulator.api.answer = fail  # type: ignore[method-assign]
    ran = repository.run("drift", "--budget", budget)
    assert ran.code == 1
    assert len(asked) == most


def test_since_an_unchanged_project_is_one_request(repository: Repository) -> None:
    """The feed of versions, and nothing else."""
    declare(repository, WITH_USERS)
    found = document(repository.run("drift", "--since", "2099-01-01", "--format", "json"))
    assert (found["drifted"], found["requests"], found["since"]) == (False, 1, "2099-01-01T00:00:00Z")
    assert [entry.path for entry in repository.emulator.log] == ["/api/1/versions"]


def test_a_budget_is_kept_and_says_what_it_left_out(repository: Repository) -> None:
    """Two reads of inclusions do not fit beside the list: one is made, the other named."""
    declare(repository, WITH_USERS)
    ran = repository.run("drift", "--budget", "2", "--format", "json")
    assert ran.code == 0
    assert len(repository.emulator.log) == document(ran)["requests"] == 2
    assert document(ran)["unchecked"] == [{"key": KEY, "path": "/variants/treatment/inclusions/users"}]
    assert document(ran)["sweep"] == {"reads": 2, "done": 1, "runs": 2}


def test_a_state_file_remembers(repository: Repository) -> None:
    """New, the same, recovered; the file is private, and drift stays exit code 2."""
    declare(repository)
    state = repository.root / "drift.json"

    def notice() -> tuple[int, str]:
        ran = repository.run("drift", "--state", str(state), "--format", "json")
        return ran.code, document(ran)["notify"]

    assert notice() == (0, "none")
    edit(repository.emulator, OTHER_USER, KEY, enabled=False)
    assert [notice(), notice()] == [(2, "new"), (2, "same")]
    edit(repository.emulator, OTHER_USER, KEY, enabled=True)
    assert notice() == (0, "recovered")
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert json.loads(state.read_text())["formatVersion"] == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"not json", 1),
        (b"\xff\xfe", 1),
        (
            b'{"formatVersion":1,"projectId":"8","region":"us","environment":null,"differences":[],"sweptTo":null}',
            64,
        ),
    ],
)
def test_another_state_file_is_refused_and_left_alone(repository: Repository, content: bytes, code: int) -> None:
    """A file that is none of ours ends the run before anything is sent, and is not written over."""
    declare(repository)
    state = repository.root / "drift.json"
    state.write_bytes(content)
    assert repository.run("drift", "--state", str(state)).code == code
    assert state.read_bytes() == content
    assert repository.emulator.log == []


def test_a_failed_run_does_not_touch_the_memory(repository: Repository) -> None:
    """What could not be looked at is neither recovered nor forgotten."""
    declare(repository)
    state = repository.root / "drift.json"
    edit(repository.emulator, OTHER_USER, KEY, enabled=False)
    repository.run("drift", "--state", str(state))
    before = state.read_bytes()
    keys = dict(repository.emulator.store.keys)
    repository.emulator.store.keys.clear()
    assert repository.run("drift", "--state", str(state)).code == 4
    assert state.read_bytes() == before
    repository.emulator.store.keys.update(keys)
    assert "same as in the last run" in repository.run("drift", "--state", str(state)).out


def test_json_in_a_file_is_private(repository: Repository) -> None:
    """It holds user ids; stdout then stays empty."""
    declare(repository, WITH_USERS)
    include(repository.emulator, OTHER_USER, KEY, "control", "eve@example.com")
    output = repository.root / "drift.json"
    ran = repository.run("drift", "--format", "json", "--output", str(output))
    assert (ran.code, ran.out) == (2, "")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert "eve@example.com" in output.read_text()


def test_a_frozen_flag_is_reported_as_frozen(repository: Repository) -> None:
    """Its differences are drift all the same."""
    declare(repository, AS_LIVE + "frozenUntil: 2099-01-01\n")
    edit(repository.emulator, OTHER_USER, KEY, enabled=False)
    ran = repository.run("drift", "--format", "json")
    assert ran.code == 2
    assert document(ran)["flags"][0]["frozenUntil"] == "2099-01-01"


def test_history_of_a_flag_that_is_not_declared(repository: Repository) -> None:
    """Any live flag has a history; it takes a look-up and a read."""
    edit(repository.emulator, OTHER_USER, "other-flag", name="Other")
    repository.emulator.log.clear()
    ran = repository.run("history", "other-flag", "--format", "json")
    assert ran.code == 0
    assert [entry["version"] for entry in document(ran)["versions"]] == [2, 1]
    assert document(ran)["versions"][0]["changes"] == [{"path": "/name", "before": "other-flag", "after": "Other"}]
    assert len(repository.emulator.log) == document(ran)["requests"] == 2
    assert "version 2" in repository.run("history", "other-flag").out


def test_history_of_nothing_is_a_failure(repository: Repository) -> None:
    """A key that no flag has: exit code 1."""
    ran = repository.run("history", "nobody", "--format", "json")
    assert (ran.code, document(ran)["error"]["kind"]) == (1, "failed")
    said = 'Error: There is no flag with the key "new-chekout" in project 7.'
    assert repository.run("history", "new-chekout").err == f'{said} Did you mean "new-checkout"?\n'
    repository.write("flags/other.yaml", "key: new-chekout\n")
    assert repository.run("history", "new-chekout").err == f"{said}\n"


def test_the_doctor_finds_all_well(repository: Repository) -> None:
    """Exit code 0; the key is nowhere to be read."""
    ran = repository.run("doctor")
    assert ran.code == 0
    assert "0 failures" in ran.out
    key = next(iter(repository.emulator.store.keys))
    assert key not in ran.out + ran.err
    (repository.root / "flags" / "new-checkout.yaml").unlink()
    (repository.root / "flags").rmdir()
    assert repository.run("doctor").code == 0


def test_the_doctor_says_where_it_found_the_key(repository: Repository) -> None:
    """And which configuration and environment it looked at."""
    key = next(iter(repository.emulator.store.keys))
    repository.write("key", f"{key}\n")
    repository.write("reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n')
    for options, place in (((), "the environment"), (("--api-key-file", "key"), "key")):
        ran = repository.run("doctor", "--env", "one", "--format", "json", *options)
        checks = {check["name"]: check["message"] for check in document(ran)["checks"]}
        assert (ran.code, checks["key"]) == (0, f"found in {place}; it is never shown")
        assert checks["configuration"] == f"{repository.root / 'reconciler.yaml'}, environment one"
        assert checks["host"] == f"{repository.url} (region us)"


def test_the_doctor_finds_a_refused_key(repository: Repository) -> None:
    """Exit code 4, in a document of checks that carries the error too."""
    repository.emulator.store.keys.clear()
    ran = repository.run("doctor", "--format", "json")
    assert ran.code == 4
    assert (document(ran)["ok"], document(ran)["error"]["exitCode"]) == (False, 4)
    assert document(ran)["checks"][-1]["status"] == "fail"
    assert document(ran)["checks"][0]["message"] == str(repository.root / "reconciler.yaml")


def test_the_doctor_misses_a_key(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is sent; exit code 4."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    assert repository.run("doctor").code == 4
    assert repository.emulator.log == []


@pytest.mark.usefixtures("no_pauses")
def test_the_doctor_finds_no_server(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    """Exit code 1, with the checks that could be made."""
    monkeypatch.setenv("RECONCILER_API_URL", f"http://127.0.0.1:{closed_port}")
    ran = repository.run("doctor", "--format", "json")
    assert ran.code == 1
    assert [check["status"] for check in document(ran)["checks"]][-1] == "fail"


def test_the_doctor_finds_a_wrong_deployment(repository: Repository) -> None:
    """A deployment that the project does not have: exit code 1, and the line says which ones it has."""
    config = repository.root / "reconciler.yaml"
    config.write_text(config.read_text() + 'deployments: {tv: "99"}\n')
    ran = repository.run("doctor")
    assert ran.code == 1
    assert "tv (99)" in ran.out
    assert "web (67)" in ran.out


@pytest.fixture
def closed_port() -> int:
    """A port of this machine without a server."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def test_a_state_file_is_not_read_without_end(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a device that never ends."""
    monkeypatch.setattr("reconciler.cli.commands.drift._MOST_BYTES", 1_000)
    ran = repository.run("drift", "--state", "/dev/zero")
    assert (ran.code, "too big for a state file" in ran.err) == (1, True)
    repository.write("state.json", "x" * 1_000)
    assert "too big" not in repository.run("drift", "--state", "state.json").err
    (repository.root / "state.json").write_bytes(b"\xff")
    ran = repository.run("drift", "--state", "state.json")
    said = "Error: The state file 'state.json' is not a text file. Delete it to start over.\n"
    assert (ran.code, ran.out, ran.err) == (1, "", said)


def test_histories_and_checks_are_documents_of_their_schemas(repository: Repository) -> None:
    """With changes of every form, steps of a rollout, and none; of checks that are well, odd and failed."""
    steps = 'rolloutPercentage: 100\nrollout: {steps: ["10% 1d", "50% 1d", "100%"]}\n'
    repository.write("flags/new-checkout.yaml", f"key: new-checkout\nenabled: true\n{steps}")
    edit(repository.emulator, OTHER_USER, "new-checkout", rolloutPercentage=50)
    edit(repository.emulator, OTHER_USER, "new-checkout", tags=["a"], description="Other", enabled=False)
    segment = {"name": "S", "conditions": [], "percentage": 10, "rolloutWeights": {"control": 1}}
    edit(repository.emulator, OTHER_USER, "new-checkout", targetSegments=[segment])
    ran = repository.run("history", "new-checkout", "--format", "json")
    assert_valid(document(ran), "history")
    assert [bool(entry["changes"]) for entry in document(ran)["versions"]] == [True, True, True, False]
    assert "step 2 of 3" in [entry.get("step") for entry in document(ran)["versions"]]
    checks = [document(repository.run("doctor", "--format", "json"))]
    config = repository.root / "reconciler.yaml"
    config.write_text(config.read_text() + 'deployments: {tv: "99"}\n')
    checks.append(document(repository.run("doctor", "--format", "json")))
    repository.emulator.store.keys.clear()
    checks.append(document(repository.run("doctor", "--format", "json")))
    for found in checks:
        assert_valid(found, "doctor")
    assert [found["ok"] for found in checks] == [True, False, False]
    with pytest.raises(ValidationError):
        assert_valid(checks[0] | {"checks": [{}]}, "doctor")


@pytest.mark.parametrize(
    ("edited", "options"),
    [
        ({"archive": True}, "--unarchive"),
        ({"archive": True, "enabled": False}, "--unarchive --allow kill-switch:new-checkout"),
        ({"enabled": False}, "--allow kill-switch:new-checkout"),
        ({"rolloutPercentage": 0}, "--allow kill-switch:new-checkout"),
        ({"rolloutPercentage": 60}, ""),
    ],
)
def test_what_drift_says_undoes_it(repository: Repository, edited: dict[str, Any], options: str) -> None:
    """The command as it is shown, and no override that it does not need."""
    declared = "key: new-checkout\narchived: false\nenabled: true\nrolloutPercentage: 10\n"
    repository.write("flags/new-checkout.yaml", declared)
    edit(repository.emulator, OTHER_USER, "new-checkout", **edited)
    shown = repository.run("drift").out
    (line,) = [line for line in shown.splitlines() if "undo it: " in line]
    command = line.partition("undo it: reconciler ")[2]
    assert command == f"apply --target new-checkout {options}".rstrip()
    assert repository.run(*command.split(), "--auto-approve").code == 0
    assert repository.run("drift").code == 0


_STAFF = {"name": "Staff", "conditions": [{"prop": "country", "op": "is", "values": ["US"]}], "percentage": 100}


_STOP = _STAFF | {"name": "Stop", "percentage": 0}


@pytest.mark.parametrize(
    ("declared", "live", "options"),
    [
        pytest.param([_STAFF], [_STAFF | {"percentage": 0}], "--allow kill-switch:new-checkout", id="at 0"),
        pytest.param([_STAFF], [_STOP, _STAFF], "--allow kill-switch:new-checkout", id="a segment that stops others"),
        pytest.param([_STAFF, _STOP], [_STAFF | {"percentage": 60}, _STOP], "", id="at 0 in git too"),
    ],
)
def test_what_drift_says_undoes_an_edit_of_segments(
    repository: Repository, declared: list[Any], live: list[Any], options: str
) -> None:
    """One that was set to 0 needs an override, and one that git has at 0 needs none."""
    weights = {"rolloutWeights": {"control": 1}}
    segments = [item | weights for item in declared]
    repository.write("flags/new-checkout.yaml", f"key: new-checkout\ntargetSegments: {json.dumps(segments)}\n")
    assert repository.run("apply", "--auto-approve").code == 0
    sent = [
        item | weights | {"conditions": [condition | {"type": "property"} for condition in item["conditions"]]}
        for item in live
    ]
    edit(repository.emulator, OTHER_USER, "new-checkout", targetSegments=sent)
    shown = repository.run("drift").out
    (line,) = [line for line in shown.splitlines() if "undo it: " in line]
    command = line.partition("undo it: reconciler ")[2]
    assert command == f"apply --target new-checkout {options}".rstrip()
    assert repository.run(*command.split(), "--auto-approve").code == 0
    assert repository.run("drift").code == 0


def test_drift_says_what_brings_back_a_flag_whose_file_does_not_say_archived(repository: Repository) -> None:
    """The command alone would be refused."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nenabled: true\n")
    edit(repository.emulator, OTHER_USER, "new-checkout", archive=True)
    (line,) = [line for line in repository.run("drift").out.splitlines() if "undo it" in line]
    assert line.strip() == (
        "undo it (declare archived: false first): reconciler apply --target new-checkout --unarchive"
    )
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nenabled: true\narchived: false\n")
    command = line.partition(": reconciler ")[2]
    assert repository.run(*command.split(), "--auto-approve").code == 0
    assert repository.run("drift").code == 0
