"""`advance` through the command, with a repository of git, the versions of a server, and a clock."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from emulators import seeded
from histories import git
from looks import BOB, edit
from rollout_rigs import CONFIG, FLAG, KEY, SEGMENTS, Rig, a_rig

from reconciler.apply import ApplyOptions, ApplyReport
from reconciler.cli.output import Output, StdoutError
from reconciler.emulator.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Repository

    from reconciler.emulator import RawRequest


@contextmanager
def a_source(answer: Any) -> Iterator[str]:
    """The address of a server on this machine that answers so; None: with 503."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(503 if answer is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def rig(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A flag at 0 % since before it is declared with a rollout, and a guard that says better or equal."""
    return a_rig(repository, tmp_path, monkeypatch)


def test_a_rollout_goes_up_step_by_step(rig: Rig) -> None:
    """Not before a step has stood, and one step however late the run; then it is done. Other flags need none."""
    rig.repository.write("flags/other.yaml", "key: other-flag\n")
    rig.commit(FLAG)
    assert rig.run().out.splitlines()[-1] == "Advance: 1 up"
    assert (rig.live(), rig.writes()) == (1, [{"rolloutPercentage": 1}])
    assert "1 waiting" in rig.run(after=1.9).out
    assert rig.live() == 1
    rig.run(after=0.2)
    assert rig.live() == 10
    rig.run(after=300)
    assert rig.live() == 50
    rig.run(after=1)
    assert rig.live() == 50
    rig.run(after=48)
    assert (rig.live(), rig.writes()) == (100, [{"rolloutPercentage": number} for number in (10, 50, 100)])
    assert "1 done" in rig.run(after=1).out
    history = json.loads(rig.repository.run("history", KEY, "--format", "json").out)["versions"]
    assert [entry.get("step") for entry in history[:5]] == [*(f"step {number} of 4" for number in (4, 3, 2, 1)), None]
    assert "step 4 of 4" in rig.repository.run("history", KEY).out
    assert rig.repository.run("plan", "--detailed-exitcode").code == 0


def test_a_dry_run_sends_nothing_that_writes(rig: Rig) -> None:
    (rollout,) = rig.rollouts("--dry-run")
    assert rollout["declaredAt"] == "2030-01-07T08:00:00Z"
    assert rollout["move"] == {"kind": "up", "before": 0, "after": 1, "status": "planned", "error": None}
    assert (rig.live(), rig.writes()) == (0, [])


@pytest.mark.parametrize("limit", ["0%", "100%"])
def test_a_move_is_held_for_all_that_keeps_it(rig: Rig, limit: str) -> None:
    """A guard, and an edit while the rollouts are looked at; a dry run names the first. The next run looks again."""
    rig.commit(FLAG, config=CONFIG + f"safety: {{maxExposureChange: {limit}}}\n")
    lists = 0

    def edit_before_the_plan(request: RawRequest) -> None:
        nonlocal lists
        is_list = request.method == "GET" and request.path.partition("?")[0].endswith("/flags")
        lists += is_list
        if is_list and lists % 2 == 0:
            edit(rig.repository.emulator, BOB, KEY, description=f"edit {lists}")

    rig.repository.emulator.api.observers.append(edit_before_the_plan)
    exposure = f'"{KEY}" moves 1% of users; safety.maxExposureChange is 0%.'
    edited = f'"{KEY}" was edited while its rollouts were looked at: the next run looks again.'
    reasons = [("exposure", exposure)] if limit == "0%" else []
    reasons.append(("moved-meanwhile", edited))
    (rollout,) = rig.rollouts("--dry-run")
    assert (rollout["move"]["status"], rollout["move"]["error"]) == ("held", reasons[0][1])
    rig.writes()
    (rollout,) = json.loads(rig.run("--format", "json", code=5).out)["rollouts"]
    why = " ".join(f"{guard}: {message}" for guard, message in reasons)
    assert (rollout["move"]["status"], rollout["move"]["error"]) == ("held", why)
    assert (rig.live(), lists) == (0, 4)


def test_worse_rolls_back_with_one_write_and_stays_down(rig: Rig) -> None:
    """Until a higher attempt is declared after it; other edits of the file, and a run of apply, change nothing."""
    rig.run()
    rig.run(after=3)
    rig.writes()
    rig.guard_says(1)
    (rollout,) = rig.rollouts(after=1)
    assert (rollout["move"]["kind"], rollout["move"]["status"]) == ("rollback", "applied")
    assert rollout["guards"][0]["verdict"] == "worse"
    assert (rig.live(), rig.writes()) == (0, [{"rolloutPercentage": 0}])
    rig.guard_says(0)
    rig.commit(FLAG.replace("1% 2h", "2% 2h"))
    assert rig.rollouts(after=50)[0]["phase"] == "rolled-back"
    assert rig.repository.run("apply", "--auto-approve").code == 0
    assert rig.live() == 0
    rig.commit(FLAG.replace("guards: [check]", "guards: [check], attempt: 2"))
    rig.run(after=1)
    assert rig.live() == 1
    rig.commit(FLAG)
    rig.run(after=100)
    assert rig.live() == 1, "a revert is no higher attempt"


@pytest.mark.parametrize("code", [2, 3, 127])
def test_unknown_holds(rig: Rig, code: int) -> None:
    """It neither passes nor fails."""
    rig.run()
    rig.guard_says(code)
    (rollout,) = rig.rollouts(after=30)
    assert (rollout["guards"][0]["verdict"], rollout["move"], rig.live()) == ("unknown", None, 1)


def test_a_guard_without_its_variable_is_unknown(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.run()
    monkeypatch.delenv("CHECK")
    assert "CHECK is not set" in rig.run(after=30).out
    assert rig.live() == 1


@pytest.mark.parametrize("code", [None, 1, 2, 127])
def test_the_first_step_needs_its_guards_too(rig: Rig, monkeypatch: pytest.MonkeyPatch, code: int | None) -> None:
    """It is not made while a variable is not set, or a command says worse or does not know."""
    if code is None:
        monkeypatch.delenv("CHECK")
    else:
        rig.guard_says(code)
    (rollout,) = rig.rollouts(after=1)
    assert rollout["why"] == f"check: {'worse' if code == 1 else 'not known yet'}"
    assert (rollout["phase"], rollout["move"], rig.live(), rig.writes()) == ("due", None, 0, [])


LIVE_BETA = {
    "name": "Beta",
    "conditions": [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}],
    "percentage": 0,
    "rolloutWeights": {"treatment": 1},
}
COUNTS = CONFIG.replace(
    "{command: CHECK}", "{json: COUNTS, failed: /$variant/bad, of: /$variant/all, against: control}"
)


@pytest.mark.parametrize(
    ("answer", "is_made"),
    [
        ({}, True),
        ({"treatment": {"bad": 0, "all": 0}, "control": {"bad": 0, "all": 0}}, True),
        ({"treatment": {"bad": 0, "all": 500}, "control": {"bad": 0, "all": 500}}, True),
        ({"treatment": {"bad": 90, "all": 100}, "control": {"bad": 0, "all": 500}}, False),
        ({"treatment": {"bad": 9, "all": 0}, "control": {"bad": 0, "all": 0}}, False),
        ({"treatment": {"bad": "many", "all": 0}, "control": {"bad": 0, "all": 0}}, False),
        (None, False),
    ],
)
def test_before_the_first_step_there_may_be_no_data(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, answer: Any, is_made: bool
) -> None:
    """As long as no user has anything of it, and the source can be asked."""
    with a_source(answer) as address:
        monkeypatch.setenv("COUNTS", address)
        rig.commit(FLAG, config=COUNTS)
        rig.run()
        assert rig.live() == (1 if is_made else 0)
        rig.run(after=30)
        fine = is_made and bool(answer) and answer["control"]["all"] == 500
        assert rig.live() == (10 if fine else 1 if is_made else 0)


def test_where_users_have_it_the_first_step_needs_data(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout that begins above 0."""
    edit(rig.repository.emulator, BOB, KEY, rolloutPercentage=3)
    with a_source({}) as address:
        monkeypatch.setenv("COUNTS", address)
        rig.hours = 1
        rig.commit(FLAG.replace("1% 2h", "5% 2h").replace("check]", "check], attempt: 2"), config=COUNTS)
        assert rig.rollouts(after=1)[0]["why"] == "check: not known yet"
    assert rig.live() == 3


@pytest.mark.parametrize(("on_fail", "percentage", "enabled"), [("hold", 1, True), ("off", 1, False)])
def test_what_is_done_when_a_guard_fails_is_declared(rig: Rig, on_fail: str, percentage: int, enabled: bool) -> None:
    rig.commit(FLAG.replace("guards: [check]", f"guards: [check], onFail: {on_fail}"))
    rig.run()
    rig.guard_says(1)
    rig.run(after=5)
    live = rig.repository.live(KEY)
    assert (live["rolloutPercentage"], live["enabled"]) == (percentage, enabled)
    rig.guard_says(0)
    rig.writes()
    rig.run(after=5)
    assert rig.writes() == ([] if on_fail == "off" else [{"rolloutPercentage": 10}])


def test_a_hand_in_the_web_app_is_respected(rig: Rig) -> None:
    """A value that is no step is held, down is a rollback, and off stops it."""
    rig.run()
    edit(rig.repository.emulator, BOB, KEY, rolloutPercentage=7)
    assert "7% is no step of the rollout, set by bob@example.com" in rig.run(after=30).out
    edit(rig.repository.emulator, BOB, KEY, rolloutPercentage=0)
    assert rig.rollouts(after=30)[0]["phase"] == "rolled-back"
    edit(rig.repository.emulator, BOB, KEY, rolloutPercentage=10)
    assert rig.rollouts(after=30)[0]["phase"] == "rolled-back"
    assert rig.live() == 10


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (FLAG + "frozenUntil: 2030-06-01\n", "frozen until 2030-06-01"),
        (FLAG + "expires: 2030-01-06\n", "the flag has expired on 2030-01-06"),
        (FLAG + "archived: true\n", "the flag is declared as archived"),
        (FLAG.replace("enabled: true", "enabled: false"), "git says that the flag is off"),
        (FLAG.replace("guards: [check]", "start: 2030-02-01T00:00:00Z"), "1% from 2030-02-01T00:00:00Z on"),
        (FLAG.replace("guards: [check]", "window: office"), None),
    ],
)
def test_what_the_file_says_keeps_it(rig: Rig, text: str, why: str | None) -> None:
    rig.commit(text)
    ran = rig.run(after=0 if why else 12)
    assert rig.live() == 0
    assert (why or "from 2030-01-08T08:00:00Z on") in ran.out


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (FLAG + "expires: 2030-01-07\n", CONFIG),
        (FLAG, CONFIG + "managedTag: ours\n"),
        (FLAG + "description: new\ntags: [x]\n", CONFIG),
    ],
)
def test_what_does_not_keep_it(rig: Rig, text: str, config: str) -> None:
    """The day on which it expires, a tag that it lacks, and what is still to be applied.

    One call, of the percentage alone, and no other declared flag is made.
    """
    rig.repository.write("flags/other.yaml", "key: not-there-yet\nenabled: true\n")
    rig.commit(text, config=config)
    rig.run()
    assert rig.writes() == [{"rolloutPercentage": 1}]


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ({"archive": True}, "the flag is archived live"),
        ({"targetSegments": []}, "there is not exactly one live segment of this name"),
        ({"targetSegments": [LIVE_BETA, LIVE_BETA]}, "there is not exactly one live segment of this name"),
        ({"enabled": False}, "the flag is off live, set by bob@example.com"),
    ],
)
def test_what_is_live_keeps_it(rig: Rig, live: dict[str, Any], why: str) -> None:
    rig.commit(FLAG + SEGMENTS)
    edit(rig.repository.emulator, BOB, KEY, targetSegments=[LIVE_BETA])
    edit(rig.repository.emulator, BOB, KEY, **live)
    *_, rollout = rig.rollouts(after=1)
    assert (rollout["path"], rollout["phase"], rollout["why"]) == ("/targetSegments/Beta/percentage", "held", why)


def test_a_flag_that_does_not_exist_is_held(rig: Rig) -> None:
    rig.commit(FLAG.replace(KEY, "not-there-yet"))
    (rollout,) = rig.rollouts()
    assert (rollout["phase"], rollout["live"]) == ("held", 0)
    assert rollout["why"] == "the flag does not exist yet, or its key is not the only one"


def test_flags_move_by_their_own_steps(rig: Rig) -> None:
    """Each with a call of its own; targets choose among them."""
    emulator = rig.repository.emulator
    seeded(emulator, [{"key": "search", "enabled": True, "rolloutPercentage": 0, "projectId": "7"}])
    rig.repository.write(
        "flags/search.yaml", 'key: search\nrolloutPercentage: 5\nrollout: {steps: ["3% 1h", "5%"]}\n'
    )
    rig.hours = 1
    rig.commit(FLAG)
    rig.run("--target", "se*")
    assert rig.writes() == [{"rolloutPercentage": 3}]
    (first, second) = rig.rollouts(after=2)
    assert [item["key"] for item in (first, second)] == [KEY, "search"]
    assert [item["move"]["after"] for item in (first, second)] == [1, 5]
    assert sorted(body["rolloutPercentage"] for body in rig.writes()) == [1, 5]


def test_a_guard_is_told_how_long_a_step_has_stood(rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Since the declaration before the first step, and at least a minute."""
    seen = tmp_path / "seen"
    script = f"import os; open({str(seen)!r}, 'a').write(os.environ['RECONCILER_SECONDS'] + ' ')"
    monkeypatch.setenv("CHECK", f'{sys.executable} -c "{script}"')
    rig.run("--dry-run")
    rig.run(after=0.5)
    rig.run(after=1)
    assert seen.read_text().split() == ["60", "1800", "3600"]


@pytest.mark.parametrize(("failed", "is_worse"), [(68, True), (67, False)])
def test_all_tests_of_a_rollout_share_the_chance_of_a_false_alarm(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, failed: int, is_worse: bool
) -> None:
    """Two guards before each of three steps up, of one variant: six.

    68 failures of 1,000 against 30 are too many for six tests, and would not be for eight; 67 would be for four.
    """
    answer = {"treatment": {"bad": failed, "all": 1000}, "control": {"bad": 30, "all": 1000}}
    second = COUNTS.rstrip() + "\n" + COUNTS.splitlines()[-1].replace("check:", "slow:") + "\n"
    with a_source(answer) as address:
        monkeypatch.setenv("COUNTS", address)
        rig.commit(FLAG.replace("[check]", "[check, slow]"), config=second)
        edit(rig.repository.emulator, BOB, KEY, rolloutPercentage=1)
        (rollout,) = rig.rollouts(after=3)
    assert rollout["move"]["kind"] == ("rollback" if is_worse else "up")


def test_nothing_is_made_of_what_is_not_committed(rig: Rig) -> None:
    rig.repository.write("flags/new-checkout.yaml", FLAG.replace("guards: [check]", "attempt: 2"))
    assert "not committed" in rig.run().out
    assert rig.live() == 0


def test_a_shallow_clone_holds_and_says_so(rig: Rig) -> None:
    rig.commit(FLAG + "notes: x\n")
    git(rig.repository.root, "clone", "--quiet", "--depth=1", f"file://{rig.repository.root}", "shallow")
    assert "This clone is shallow" in rig.run("--config", "shallow/reconciler.yaml").out
    assert rig.live() == 0


def test_segments_have_rollouts_of_their_own(rig: Rig) -> None:
    """A segment starts at 0 and moves beside the flag, in one call; nothing else of the segments changes."""
    rig.commit(FLAG + SEGMENTS)
    assert rig.repository.run("apply", "--auto-approve").code == 0
    rig.writes()
    rig.run()
    (body,) = rig.writes()
    assert body["rolloutPercentage"] == 1
    (segment,) = body["targetSegments"]
    assert (segment["percentage"], segment["conditions"][0]["values"]) == (5, ["US"])
    rig.guard_says(1)
    rig.run(after=3)
    (body,) = rig.writes()
    assert body == {"rolloutPercentage": 0}, "another place of the flag goes down: no step up"


def test_windows_of_an_environment_hold_steps_and_no_rollback(rig: Rig) -> None:
    closed = CONFIG + "applyWindows: [office]\n"
    rig.run()
    rig.commit(FLAG, config=closed)
    assert "opens at 2030-01-08T08:00:00Z" in rig.run(after=10).out
    assert rig.live() == 1
    rig.run("--allow", "window")
    assert rig.live() == 10
    rig.guard_says(1)
    rig.run()
    assert rig.live() == 0


def test_apply_writes_in_windows_only(rig: Rig) -> None:
    """Refused with 5, and the message says when the window opens; `plan` plans, and drift looks."""
    rig.commit(FLAG + "description: new\n", config=CONFIG + "applyWindows: [office]\n")
    rig.hours = 10
    ran = rig.repository.run("apply", "--auto-approve", "--report", "report.json")
    assert ran.code == 5
    assert "Now is outside of the windows office: one opens at 2030-01-08T08:00:00Z." in ran.err
    assert "--allow window" in ran.err
    assert json.loads((rig.repository.root / "report.json").read_text())["error"]["guards"] == ["window"]
    assert rig.writes() == []
    assert rig.repository.run("plan").code == 0
    rig.hours = 25
    assert rig.repository.run("apply", "--auto-approve").code == 0
    rig.hours = 40
    assert rig.repository.run("apply", "--auto-approve").code == 0, "there is nothing to apply"
    rig.commit(FLAG + "description: newer\n", config=CONFIG + "applyWindows: [office]\n")
    assert rig.repository.run("apply", "--auto-approve", "--allow", "window").code == 0
    environments = "environments: {a: {windows: [office]}, b: {projectId: '7'}}\n"
    rig.commit(FLAG + "description: newest\n", config=CONFIG + environments)
    assert rig.repository.run("apply", "--auto-approve", "--env", "a").code == 5
    assert rig.repository.run("apply", "--auto-approve", "--env", "b").code == 0


def test_a_window_may_close_while_apply_asks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer that comes after it sends nothing."""
    rig.commit(FLAG + "description: new\n", config=CONFIG + "applyWindows: [office]\n")
    rig.hours = 25

    def answer_later(*_: object, **__: object) -> bool:
        rig.hours += 10
        return True

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", answer_later)
    ran = rig.repository.run("apply", "--report", "report.json")
    assert (ran.code, rig.writes()) == (5, [])
    assert "Refused as unsafe; nothing was sent" in ran.err
    assert "opens at 2030-01-09T08:00:00Z" in ran.err
    assert json.loads((rig.repository.root / "report.json").read_text())["error"]["guards"] == ["window"]
    rig.hours = 25
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    assert rig.repository.run("apply").code == 0


def test_a_target_that_is_no_flag_is_wrong_usage(rig: Rig) -> None:
    """As for every command; a pattern that matches nothing is a warning."""
    ran = rig.repository.run("advance", "--target", "typo")
    assert (ran.code, 'no flag "typo", at least none that is declared' in ran.err) == (64, True), ran
    ran = rig.repository.run("advance", "--target", "typo-*")
    assert (ran.code, "matches no flag, at least none that is declared" in ran.err) == (0, True), ran


def test_nothing_to_do_needs_no_key(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rollouts nothing is asked, and no request is sent."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    rig.commit("key: new-checkout\nenabled: true\n")
    assert rig.run().out == "No rollouts.\n"
    document = json.loads(rig.run("--format", "json").out)
    assert (document["rollouts"], document["requests"], document["dryRun"]) == ([], 0, False)
    assert rig.repository.emulator.log == []


def test_a_move_that_the_server_refuses_counts_as_not_made(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON says so in its sum, and the live flag is as it was."""

    def refuse(*_: object) -> bool:
        raise RefusedError(403, "this change needs an approval")

    monkeypatch.setattr("reconciler.emulator.protection.Protection.is_pending", refuse)
    ran = rig.repository.run("advance", "--format", "json")
    summary = json.loads(ran.out)["summary"]
    assert ran.code != 0
    assert (summary["up"], summary["notMade"], rig.live()) == (0, 1, 0)


def test_how_calls_are_made(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many side by side as the configuration says, and what is written is read back."""
    given: list[ApplyOptions] = []

    async def note(*_: object, options: ApplyOptions, **__: object) -> ApplyReport:
        given.append(options)
        return ApplyReport(outcomes=(), unchanged=(), verified=True)

    rig.commit(FLAG, config=CONFIG + "requests: {concurrency: 3}\n")
    monkeypatch.setattr("reconciler.cli.advancing.apply_plan", note)
    rig.run()
    assert given == [ApplyOptions(verify=True, on_error_abort=False, concurrency=3)]


def test_what_was_done_is_told_on_stderr_where_stdout_is_full(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is made and known nowhere else: the whole report, and the error, which says so."""

    def fail(*_: object) -> None:
        raise StdoutError("full")

    monkeypatch.setattr(Output, "print", fail)
    ran = rig.run(code=7)
    *report, error = ran.err.splitlines()
    assert (report[0], report[-1]) == ("new-checkout: applied: 0% to 1%", "Advance: 1 up")
    assert error == "Error: The plan was applied, but full"
    assert rig.live() == 1


def test_a_refusal_is_named_once(rig: Rig) -> None:
    """Neither in the report nor in the error do its first words stand twice; it says no more than was asked."""
    rig.commit(FLAG, config=CONFIG + "safety: {maxUpdates: 0}\n")
    rig.hours = 1
    ran = rig.repository.run("advance", "--report", "report.json")
    assert ran.code == 5
    report = json.loads((rig.repository.root / "report.json").read_text())
    assert (report["error"]["guards"], report["summary"]["notMade"]) == (["updates"], 1)
    assert report["refusals"][0].startswith("updates: ")
    assert "Refused: updates: " in ran.out
    assert ran.err.count("Refused as unsafe") == 1
    assert "Error: Refused as unsafe: updates: " in ran.err


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_without_rollouts_nothing_is_asked(repository: Repository, options: tuple[str, ...]) -> None:
    """The report says for what and how it ran, all the same."""
    repository.write("reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7", region: eu}\n')
    repository.emulator.log.clear()
    ran = repository.run("advance", "--env", "one", "--format", "json", *options)
    document = json.loads(ran.out)
    assert (ran.code, document["projectId"], document["region"], document["environment"]) == (0, "7", "eu", "one")
    assert (document["dryRun"], document["rollouts"]) == (bool(options), [])
    assert repository.emulator.log == []
