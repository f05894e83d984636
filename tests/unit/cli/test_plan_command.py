"""`plan`: forms, files, exit codes; GET only."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from emulators import seeded
from jsonschema import Draft202012Validator

from reconciler.cli.output import Output
from reconciler.cli.planning import resolve_credentials, run_with_client
from reconciler.errors import NotSentError
from reconciler.files.config_file import load_config
from reconciler.files.schema import load_schema
from reconciler.model.wire import Request

if TYPE_CHECKING:
    from conftest import Repository

    from reconciler.api.client import Client
    from reconciler.progress import Progress

LAST_LINE = "Plan: 0 create, 1 update, 0 archive; 1 API calls; max exposure change 40%"


def test_plan_shows_the_change_and_sends_nothing(repository: Repository) -> None:
    """Text on stdout with the fixed last line, nothing on stderr, exit code 0, GET only."""
    ran = repository.run("plan")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == LAST_LINE
    assert "rolloutPercentage  10 → 50" in ran.out
    assert repository.emulator.writes == []
    assert {entry.method for entry in repository.emulator.log} == {"GET"}


def test_detailed_exitcode_tells_changes_from_none(repository: Repository) -> None:
    """2 with changes, 0 without, the same for every form."""
    for form in ("text", "json", "markdown", "html"):
        assert repository.run("plan", "--detailed-exitcode", "--format", form).code == 2
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 10\n")
    ran = repository.run("plan", "--detailed-exitcode")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "No changes.")


def test_a_plan_says_what_it_read_and_what_drift_would_cost(repository: Repository) -> None:
    """The requests of this plan, and those that a drift every hour would send in a day."""
    ran = repository.run("plan", "--verbose")
    sent = len(repository.emulator.log)
    assert f"read with {sent} request" in ran.out
    assert "drift every hour" not in repository.run("plan").out
    assert f"drift every hour would send {24 * sent} requests a day." in ran.out
    document = json.loads(repository.run("plan", "--format", "json").out)
    assert (document["requests"], document["hourlyDriftRequests"]) == (sent, 24 * sent)
    repository.emulator.log.clear()
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 10\n")
    assert repository.run("drift").code == 0
    assert len(repository.emulator.log) == sent


@pytest.mark.parametrize("narrowed", [("--target", "new-checkout"), ("--target", "new-*"), ("--shard", "1/1")])
def test_a_plan_of_a_part_does_not_tell_what_drift_costs(repository: Repository, narrowed: tuple[str, str]) -> None:
    """Where not everything was read, no figure is better than a wrong one."""
    document = json.loads(repository.run("plan", *narrowed, "--format", "json").out)
    assert "hourlyDriftRequests" not in document
    assert "drift every hour" not in repository.run("plan", "-v", *narrowed).out


def test_the_worst_is_told_first_in_every_form(repository: Repository) -> None:
    """A flag that goes to everyone, behind 400 harmless edits and beside a large payload; JSON stays by key."""
    names = [f"a-{number:03}" for number in range(400)]
    variants = [{"key": "on"}, {"key": "off-color"}]
    seeded(repository.emulator, ({"key": key, "variants": variants} for key in names))
    seeded(repository.emulator, [{"key": "zz", "enabled": True, "rolloutPercentage": 0, "variants": variants}])
    repository.write("flags/a.yaml", "---\n".join(f"key: {key}\ndescription: {'x' * 200}\n" for key in names))
    variants_of_zz = f"variants: [{{key: on, payload: {'p' * 70_000}}}, {{key: off-color}}]\n"
    repository.write("flags/zz.yaml", f"key: zz\nrolloutPercentage: 100\n{variants_of_zz}")
    repository.write("flags/new-checkout.yaml", "key: new-checkout\ndescription: x\n")
    keys = [
        flag["key"]
        for flag in json.loads(repository.run("plan", "--allow", "updates", "--format", "json").out)["flags"]
    ]
    assert keys == sorted([*names, "new-checkout", "zz"])
    for form in ("text", "markdown", "html"):
        ran = repository.run("plan", "--allow", "updates", "--format", form)
        assert ran.code == 0
        assert ran.out.index("100% of All Other Users" if form != "html" else "zz") < ran.out.index("a-000")
        assert "All Other Users" in ran.out
        assert form != "markdown" or len(ran.out) < 65_536


def test_json_is_the_plan_document(repository: Repository) -> None:
    """The document of the contract, valid and complete."""
    document = json.loads(repository.run("plan", "--format", "json").out)
    Draft202012Validator(load_schema("plan")).validate(document)
    assert document["summary"]["update"] == 1
    assert document["flags"][0]["operations"][0]["body"] == {"rolloutPercentage": 50}
    assert document["unmanaged"] == ["other-flag"]
    assert document["createdAt"].endswith("Z")


@pytest.mark.parametrize(("form", "private"), [("json", True), ("text", False), ("markdown", False), ("html", False)])
def test_output_goes_to_a_file(repository: Repository, form: str, private: bool) -> None:
    """The file holds what stdout would; JSON holds user ids, so only its owner may read it."""
    expected = repository.run("plan", "--format", form).out
    ran = repository.run("plan", "--format", form, "--output", "result", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    written = repository.root / "result"
    assert (stat.S_IMODE(written.stat().st_mode) == 0o600) is private
    if form != "json":
        assert written.read_text(encoding="utf-8") == expected


def test_a_saved_plan_is_private_and_can_be_shown(repository: Repository) -> None:
    """--out writes mode 0600; `show` gives the same text offline."""
    planned = repository.run("plan", "--out", "plan.json")
    saved = repository.root / "plan.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    asked = len(repository.emulator.log)
    shown = repository.run("show", "plan.json")
    assert (shown.code, shown.out) == (0, planned.out)
    assert json.loads(repository.run("show", "plan.json", "--format", "json").out) == json.loads(saved.read_text())
    assert len(repository.emulator.log) == asked


def test_what_reads_cannot_write(repository: Repository) -> None:
    """The client that a plan and whatever else reads is given refuses to; nothing reaches the server."""
    config = load_config(repository.root / "reconciler.yaml", None)
    edit = Request(method="PATCH", segments=("flags", "1001"), body={"enabled": False})

    async def write(client: Client, _: Progress) -> None:
        await client.write(edit)

    with pytest.raises(NotSentError, match="this command only reads"):
        run_with_client(config, resolve_credentials(config, None, Output()), Output(), write)
    assert repository.emulator.log == []


def test_saving_says_what_the_file_holds(repository: Repository) -> None:
    """User ids are spoken of where the plan holds some; an empty plan has nothing to apply."""
    assert repository.run("plan", "--out", "plan.json").err == "Saved to plan.json. Apply it within 24 hours.\n"
    users = "variants: [{key: control}, {key: treatment, inclusions: {users: [grace@example.com]}}]\n"
    repository.write("flags/new-checkout.yaml", f"key: new-checkout\n{users}")
    said = repository.run("plan", "--out", "plan.json").err
    assert said == "Saved to plan.json. It holds user ids; apply it within 24 hours.\n"
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    assert (
        repository.run("plan", "--out", "plan.json").err == "Saved to plan.json. There is nothing in it to apply.\n"
    )


def test_a_flag_archived_live_is_refused_with_one_hint(repository: Repository) -> None:
    """Neither "no changes" nor "nothing overrides this": the message says what to do, once."""
    repository.write("flags/gone.yaml", "key: gone\nname: x\n")
    seeded(repository.emulator, [{"key": "gone", "archived": True}])
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    ran = repository.run("plan")
    assert ran.code == 5
    assert ran.out.splitlines()[-1].startswith("Plan: 0 create, 0 update, 0 archive; 0 API calls;")
    assert ran.out.count("--unarchive") == 1
    assert "Nothing overrides" not in ran.out + ran.err


def test_show_refuses_what_is_no_plan(repository: Repository) -> None:
    """A changed plan and a file of something else are refused with exit code 6; a missing file is wrong usage."""
    repository.run("plan", "--out", "plan.json")
    saved = repository.root / "plan.json"
    saved.write_text(saved.read_text().replace('"after": 50', '"after": 51'))
    assert repository.run("show", "plan.json").code == 6
    advice = "Make a new one with `plan --out`."
    repository.write("other.json", "[1]")
    ran = repository.run("show", "other.json")
    assert (ran.code, ran.err) == (6, f"Error: 'other.json' is not a saved plan. {advice}\n")
    repository.write("broken.json", "{")
    ran = repository.run("show", "broken.json", "--format", "json")
    assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (6, "stale-plan")
    message = json.loads(ran.out)["error"]["message"]
    assert message.startswith("'broken.json' is not a saved plan: ")
    assert message.endswith(f" {advice}")
    ran = repository.run("show", "absent.json")
    assert (ran.code, ran.err.splitlines()[0]) == (
        64,
        "Error: The plan 'absent.json' cannot be read: No such file or directory.",
    )


def test_a_directory_is_no_plan(repository: Repository) -> None:
    for command in (("show", "flags"), ("apply", "flags", "--auto-approve")):
        ran = repository.run(*command)
        assert (ran.code, "'flags' is a directory." in ran.err) == (64, True)


def test_a_review_record_that_is_none_is_called_so(repository: Repository) -> None:
    """Not a plan, and what makes one is named."""
    for content, words in (
        ("[1]", "'r.json' is not a review record. Make a new one with `plan --record`."),
        ("{}", "'r.json' is not valid as a review record: /: "),
        (None, "The record 'r.json' cannot be read: No such file or directory."),
    ):
        file = repository.write("r.json", content or "")
        if content is None:
            file.unlink()
        ran = repository.run("apply", "--auto-approve", "--reviewed", "r.json")
        assert (ran.code, words in ran.err) == (64 if content is None else 6, True), ran.err
        assert repository.emulator.writes == []


def test_users_are_counted_unless_shown(repository: Repository) -> None:
    """Text, Markdown and HTML count users; --show-users names them; JSON holds them."""
    repository.write(
        "flags/new-checkout.yaml",
        "key: new-checkout\nvariants: [{key: control}, {key: treatment, inclusions: {users: [grace@example.com]}}]\n",
    )
    for form in ("text", "markdown", "html"):
        assert "grace@example.com" not in repository.run("plan", "--format", form).out
        assert "grace@example.com" in repository.run("plan", "--format", form, "--show-users").out
    for options, is_shown in (((), False), (("--show-users",), True)):
        repository.run("plan", "--page", "plan.html", *options)
        assert ("grace@example.com" in (repository.root / "plan.html").read_text()) is is_shown
    assert "grace@example.com" in repository.run("plan", "--format", "json").out


def test_a_refused_plan_is_shown_with_its_refusals(repository: Repository) -> None:
    """Exit code 5; text shows plan and guard, JSON the document and the error; nothing is saved."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingSalt: other\n")
    live = {"enabled": True, "rolloutPercentage": 10, "variants": [{"key": "a"}], "rolloutWeights": {"a": 1}}
    seeded(repository.emulator, [{"key": "second", **live}])
    repository.write("flags/second.yaml", "key: second\nbucketingSalt: other\n")
    ran = repository.run("plan", "--out", "plan.json")
    assert ran.code == 5
    assert ran.err.startswith("Error: Refused as unsafe. rebucket: ")
    assert ran.err.count(" Override: --allow rebucket") == 2
    assert "rebucket" in ran.out
    assert "--allow rebucket" in ran.out
    assert "rebucket" in ran.err
    assert not (repository.root / "plan.json").exists()
    document = json.loads(repository.run("plan", "--format", "json").out)
    Draft202012Validator(load_schema("plan")).validate(document)
    assert document["error"]["exitCode"] == 5
    assert document["error"]["guards"] == ["rebucket"]
    assert repository.run("plan", "--allow", "rebucket").code == 0


def test_targets_and_shards_narrow_the_plan(repository: Repository) -> None:
    """Only matching flags are planned; the shards of a plan are the plan."""
    assert repository.run("plan", "--target", "other-*").out.splitlines()[-1] == "No changes."
    ends = [repository.run("plan", "--shard", f"{part}/2").out.splitlines()[-1] for part in (1, 2)]
    assert sorted(ends) == sorted([LAST_LINE, "No changes."])


def test_invalid_files_end_a_plan(repository: Repository) -> None:
    """Exit code 3, every finding on stderr, findings in the JSON failure, no request."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentag: 50\nenabled: maybe\n")
    ran = repository.run("plan", "--format", "json")
    assert ran.code == 3
    assert "flags/new-checkout.yaml:2" in ran.err
    assert "flags/new-checkout.yaml:3" in ran.err
    error = json.loads(ran.out)["error"]
    assert (error["kind"], error["exitCode"], len(error["findings"])) == ("invalid", 3, 2)
    assert repository.emulator.log == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_refused_key_is_exit_code_4(repository: Repository, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """The message does not repeat the key."""
    monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", "wrong-management-key-canary")
    ran = repository.run("plan", "--format", form)
    assert ran.code == 4
    assert "canary" not in ran.out + ran.err
    if form == "json":
        assert json.loads(ran.out)["error"]["kind"] == "auth"


def test_no_key_is_exit_code_4(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is sent."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    assert repository.run("plan").code == 4
    assert repository.emulator.log == []


def test_the_key_may_come_from_a_file(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """--api-key-file stands in for the variable."""
    from emulators import KEY

    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    key_file = repository.write("key", KEY + "\n")
    key_file.chmod(0o600)
    ran = repository.run("plan", "--api-key-file", "key")
    assert (ran.code, ran.err) == (0, "")
    key_file.chmod(0o644)
    ran = repository.run("plan", "--api-key-file", "key")
    assert (ran.code, ran.err.count("Warning: "), "chmod 600" in ran.err) == (0, 1, True)


@pytest.mark.usefixtures("no_pauses")
def test_an_unreachable_server_is_a_failure(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 and a JSON failure: never an empty plan."""
    monkeypatch.setenv("RECONCILER_API_URL", "http://127.0.0.1:9")
    ran = repository.run("plan", "--format", "json", "--detailed-exitcode")
    assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (1, "api")


def test_environments_are_chosen(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a choice it is wrong usage; RECONCILER_ENV and --env choose, the option first."""
    repository.write(
        "reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n  two: {projectId: "7"}\n'
    )
    assert repository.run("plan").code == 64
    monkeypatch.setenv("RECONCILER_ENV", "one")
    assert json.loads(repository.run("plan", "--format", "json").out)["environment"] == "one"
    assert json.loads(repository.run("plan", "-e", "two", "--format", "json").out)["environment"] == "two"
    assert repository.run("plan", "-e", "three").code == 64


def test_a_file_that_cannot_be_written_is_refused_first(repository: Repository) -> None:
    """A missing directory for --out or --output is wrong usage, before anything is read."""
    assert repository.run("plan", "--out", "absent/plan.json").code == 64
    assert repository.run("plan", "--output", "absent/plan.txt").code == 64
    assert repository.emulator.log == []


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_a_move_of_many_stands_before_switches_for_few(repository: Repository, form: str) -> None:
    """Flags that are switched on for one listed user each come after a rollout from 1 to 100 %."""
    listed = {"variants": [{"key": "a", "users": ["ada@example.com"]}], "rolloutPercentage": 0}
    moved = {"variants": [{"key": "a"}], "enabled": True, "rolloutPercentage": 1}
    seeded(repository.emulator, [*({"key": f"switch-{n}", **listed} for n in range(30)), {"key": "zz", **moved}])
    for number in range(30):
        repository.write(f"flags/{number}.yaml", f"key: switch-{number}\nenabled: true\n")
    repository.write("flags/zz.yaml", "key: zz\nrolloutPercentage: 100\n")
    (repository.root / "flags" / "new-checkout.yaml").unlink()
    out = repository.run("plan", "--format", form).out
    _, head, rest = out.partition("Max exposure change: zz, 99% of All Other Users: off → a.")
    assert head, out
    assert all(rest.index("zz") < rest.index(f"switch-{number}") for number in range(30))


def test_a_key_without_its_option_is_told_where_to_stand(repository: Repository) -> None:
    """`plan KEY` means `--target KEY`; a command of other tools is told ours."""
    ran = repository.run("plan", "new-checkout")
    assert (ran.code, "Did you mean --target new-checkout?" in ran.err) == (64, True)
    assert 'Did you mean "plan"?' in repository.run("diff").err
    assert "--target" not in repository.run("schema", "flag", "x").err


@pytest.mark.parametrize("room", [0, -1])
def test_a_file_that_is_too_big_for_a_plan(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """It is not read to its end."""
    repository.run("plan", "--out", "plan.json")
    size = (repository.root / "plan.json").stat().st_size
    monkeypatch.setattr("reconciler.cli.plan_file._MOST_BYTES", size + room)
    ran = repository.run("show", "plan.json", "--quiet")
    said = "" if room == 0 else "Error: 'plan.json' is too big for a saved plan.\n"
    assert (ran.code, ran.err) == (0 if room == 0 else 6, said)


def test_a_warning_of_files_has_its_place(repository: Repository) -> None:
    """Where it stands in the file, and its rule."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nname: 'New '\n")
    ran = repository.run("plan")
    (warning,) = (line for line in ran.err.splitlines() if line.startswith("Warning: "))
    assert warning.startswith("Warning: flags/new-checkout.yaml:2:7: ")
    assert warning.endswith(" [outer-space]")
