"""A team's quarter: events in random order, each through the steps of CI, on an emulator and a stand-in of GitHub."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING

import yaml
from answered_steps import run_here
from emulators import KEY, USER
from quarter_faults import FAULTS, Fault, LostError
from quarter_rules import Permit, Proposal, Rules
from team import KEYS, PROJECTS, Merge, Place, Pull, Record, Team, copied, difference, resolved, seen, segment

from reconciler.emulator import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from random import Random

    from github_server import GithubState
    from pipelines import Action, Workflows

    from reconciler.emulator import Emulator

CONFIG = "version: 1\nsafety:\n  maxTransient: 100%\n  maxArchives: 100\nenvironments:\n" + "".join(
    f'  {name}:\n    projectId: "{number}"\n' for name, number in PROJECTS.items()
)
EDITS: tuple[Record, ...] = (
    {"enabled": False}, {"enabled": False}, {"rolloutPercentage": 0}, {"rolloutPercentage": 0}, {"enabled": True},
    {"rolloutPercentage": 35}, {"rolloutPercentage": 70}, {"targetSegments": [segment(0)]},
    {"targetSegments": [segment(60)]}, {},
)  # fmt: skip


class Quarter:
    """The events. `counts` tells how much was tried."""

    def __init__(
        self, root: Path, team: Team, emulator: Emulator, github: GithubState, environ: dict[str, str]
    ) -> None:
        self.root, self.team, self.emulator, self.github, self.environ = root, team, emulator, github, environ
        self.random: Random = team.random
        self.counts: Counter[str] = Counter()
        self.rules = Rules(emulator, team, self.counts)
        self.pipelines: dict[str, Action | Workflows] = {}
        self.pulls: list[Pull] = []
        self.waiting: dict[str, tuple[str, str]] = {}
        self.failed: dict[str, tuple[str, str]] = {}
        self.edits: dict[str, dict[str, int]] = {name: {} for name in PROJECTS}
        self.number = 0
        self.fault: Fault | None = None
        self.events: tuple[Callable[[], None], ...] = (
            *[self.pull] * 3, *[self.plan_again] * 1, *[self.merge] * 4, *[self.start] * 3, self.again,
            *[self.edit] * 2, self.look, self.watch, self.undo, self.push_directly,
        )  # fmt: skip

    def begin(self) -> None:
        """All as declared, and applied."""
        self.write("reconciler.yaml", CONFIG)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.write_documents(self.team.documents, KEYS)
        self.git("add", "--all")
        first = self.commit("begin")
        self.team.merges.append(Merge(first, copied(self.team.documents)))
        for environment, pipeline in self.pipelines.items():
            self.github.deploy(pipeline.deployments, first, "success")
            self.look_at(environment)

    def git(self, *arguments: str) -> str:
        """Run git at the team's time; what it prints."""
        dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), self.team.now.isoformat())
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self.environ | dates, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        """Write a file of the repository."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def write_documents(self, documents: Mapping[str, Record], keys: Sequence[str]) -> None:
        """Write the files of flags, in the form that is checked."""
        for key in keys:
            self.write(f"flags/{key}.yaml", yaml.safe_dump(documents[key], sort_keys=False))
        assert self.command("fmt", *(f"flags/{key}.yaml" for key in keys))[0] == 0

    def commit(self, message: str) -> str:
        """Commit everything; the commit."""
        self.git("commit", "--quiet", "--all", "--message", message)
        return self.git("rev-parse", "HEAD")

    def command(self, *arguments: str) -> tuple[int, str]:
        """What a person runs: exit code and stdout."""
        code, out, _ = run_here(["reconciler", *arguments], self.environ | {"AMPLITUDE_MANAGEMENT_API_KEY": KEY})
        return code, out.decode()

    def step(self, arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """What a step of CI runs; an apply may go wrong."""
        if self.fault is not None and list(arguments[:2]) == ["reconciler", "apply"]:
            return self.fault.run(arguments, environ)
        return run_here(arguments, environ)

    @contextmanager
    def checked_out(self, commit: str) -> Iterator[None]:
        """Have a commit checked out, and main afterwards."""
        self.git("checkout", "--quiet", "--detach", commit)
        try:
            yield
        finally:
            self.git("checkout", "--quiet", "--force", "main")

    # Pull requests

    def pull(self) -> None:
        """A pull request, planned for each environment as it would be merged now."""
        pull = Pull(0, self.team.changes(self.rules.known))
        if self.team.with_changes(pull) == self.team.documents:
            return
        self.number += 1
        pull.number = self.number
        if self.random.random() < 0.2:  # a label allows to turn a flag on; not every login may set it
            key, login = self.random.choice(list(pull.changes)), self.random.choice(("grace", "mallory"))
            self.github.add_label(pull.number, f"flags-allow:kill-switch:{key}", login)
        self.pulls.append(pull)
        self.plan(pull)

    def plan_again(self) -> None:
        """A pull request is planned again, after main or the live flags have moved."""
        if self.pulls:
            self.plan(self.random.choice(self.pulls))

    def asked(self, number: int) -> frozenset[str]:
        """The flags that labels of a pull request ask for."""
        events = self.github.events.get(number, [])
        return frozenset(
            event["label"]["name"].split(":")[2] for event in events if event["actor"]["login"] == "grace"
        )

    def plan(self, pull: Pull) -> None:
        """The run of a pull request in both environments: plan and comment."""
        documents = self.team.with_changes(pull)
        if documents == self.team.documents:
            return
        proposed = self.team.changed_switches(documents)
        with self.checked_out("main"):
            self.write_documents(documents, [*pull.changes])
            self.commit(f"proposed {pull.number}")
            for environment, pipeline in self.pipelines.items():
                outcome = pipeline.plan(pull.number)
                touched = self.touched(environment, self.team.documents, documents)
                shown = {key: change for key in touched if (change := self.difference(environment, key, documents))}
                assert outcome.code in ({"2", "5"} if shown else {"0"}), (outcome, shown)
                comments = self.comments(pull.number, pipeline.comment)
                assert len(comments) <= 1
                assert comments or not touched, "reviewers are not shown that there is nothing to do"
                if comments:
                    pull.shown[environment] = shown
                    pull.grounds |= {(environment, key): self.grounds(environment, key, documents) for key in shown}
                if shown:
                    asked = self.asked(pull.number)
                    proposal = Proposal(documents=documents, since=proposed, shown=shown, asked=asked)
                    self.rules.check_comment(comments[0], environment, proposal)
                    self.counts["comments compared"] += 1

    def comments(self, number: int, name: str) -> list[str]:
        """The comments of one name on a pull request."""
        sign = f"<!-- reconciler:{name} -->"
        return [body for body in self.github.bodies(number) if body.split("\n", 1)[0] == sign]

    def touched(self, environment: str, one: dict[str, Record], other: dict[str, Record]) -> set[str]:
        """The flags that two states of main declare otherwise in an environment."""
        return {key for key in KEYS if resolved(one[key], environment) != resolved(other[key], environment)}

    def difference(self, environment: str, key: str, documents: dict[str, Record]) -> Record:
        """What differs of a flag, live and declared."""
        return difference(self.rules.known[environment, key], resolved(documents[key], environment))

    def grounds(self, environment: str, key: str, documents: dict[str, Record]) -> tuple[Record, Record]:
        """What is live of a flag, and what is declared."""
        return seen(self.rules.known[environment, key]), seen(resolved(documents[key], environment))

    # Main

    def merge(self) -> None:
        """Merge a pull request, perhaps long after its plan."""
        if self.pulls:
            pull = self.pulls.pop(self.random.randrange(len(self.pulls)))
            self.push(pull, pull.number)
            self.counts["merges"] += 1

    def push_directly(self) -> None:
        """A change without a pull request."""
        self.push(Pull(0, self.team.changes(self.rules.known)), None)
        self.counts["direct pushes"] += 1

    def push(self, pull: Pull, number: int | None) -> None:
        """A commit on main; its run waits in each environment, and drops the one that waited."""
        documents = self.team.with_changes(pull)
        if documents == self.team.documents:
            return
        before = self.team.merges[-1].commit
        self.write_documents(documents, [*pull.changes])
        self.team.declare(documents)
        head = self.commit(f"merged {number}")
        self.github.parents[head] = before
        asked = self.asked(number) if number else frozenset()
        if number:
            self.github.add_pull(number, head)
            self.github.closed.add(number)
        self.team.merges.append(Merge(head, copied(documents), copied_shown(pull), asked, dict(pull.grounds)))
        for environment in PROJECTS:
            self.counts["dropped runs"] += environment in self.waiting
            self.waiting[environment] = head, before
        for environment in PROJECTS:
            if self.random.random() < 0.6:
                self.team.pass_time()
                self.apply(environment, *self.waiting.pop(environment))

    def start(self) -> None:
        """A run that waits starts."""
        environment = self.random.choice(list(PROJECTS))
        if environment in self.waiting:
            self.apply(environment, *self.waiting.pop(environment))

    def again(self) -> None:
        """A run that failed is started again, however old it is."""
        environment = self.random.choice(list(PROJECTS))
        if environment in self.failed:
            self.counts["runs started again"] += 1
            self.apply(environment, *self.failed.pop(environment))

    def apply(self, environment: str, head: str, pushed: str) -> None:
        """The run of a push."""
        pipeline = self.pipelines[environment]
        deployments = [item for item in self.github.deployments if item["environment"] == pipeline.deployments]
        base = next(item["sha"] for item in deployments if "success" in item["states"])
        newer = (
            self.git("diff", "--name-only", head, "main").splitlines() if head != self.team.merges[-1].commit else []
        )
        self.github.comparisons[f"{head}...main"] = {
            "status": "ahead" if newer else "identical",
            "files": [{"filename": name} for name in newer],
        }
        commits = [merge.commit for merge in self.team.merges]
        for item in self.github.deployments:
            is_before = commits.index(item["sha"]) <= commits.index(head)
            self.github.comparisons[f"{item['sha']}...{head}"] = {"status": "ahead" if is_before else "behind"}
        merges = [*self.team.merged_since(base, head)]
        self.github.push(base, head, *(merge.commit for merge in merges))
        attempted = {item["sha"] for item in takewhile(lambda item: "success" not in item["states"], deployments)}
        permit = self.permit(environment, {base, *attempted}, head, merges)
        self.rules.begin(permit)
        self.fault = Fault(self, self.random.choice(FAULTS), environment)
        is_lost = False
        with self.checked_out(head):
            try:
                outcome = pipeline.apply(head, pushed)
            except LostError:
                is_lost = True
        fault, self.fault = self.fault, None
        succeeded = not is_lost and outcome.succeeded
        self.rules.end(is_undisturbed=not fault.has_come and not newer)
        self.github.deploy(pipeline.deployments, head, "success" if succeeded else "failure")
        if not succeeded:
            self.failed[environment] = head, pushed
        if is_lost:
            return
        if newer:
            assert not succeeded
            assert not permit.written, "an old run wrote"
            self.counts["runs too old"] += 1
            return
        assert outcome.base == base, (outcome.base, base)
        assert (outcome.reviewed is not None) is (permit.reviewed is not None), (outcome.reviewed, permit.reviewed)
        self.counts[f"applies with exit code {outcome.code}"] += 1

    def permit(self, environment: str, since: set[str], head: str, merges: Sequence[Merge]) -> Permit:
        """What the run of a push may write: what is declared otherwise than when it was applied, or was to be."""
        states = {merge.commit: merge.documents for merge in self.team.merges}
        reviewed: Record = {}
        grounds: dict[Place, tuple[Record, Record]] = {}
        for merge in merges:
            reviewed |= merge.shown.get(environment, {})
            grounds |= merge.grounds
        return Permit(
            environment=environment,
            documents=states[head],
            keys=set().union(*(self.touched(environment, states[commit], states[head]) for commit in since)),
            reviewed=reviewed if any(environment in merge.shown for merge in merges) else None,
            asked=frozenset().union(*(merge.asked for merge in merges)),
            grounds=grounds,
        )

    def undo(self) -> None:
        """Drift of one flag is undone on purpose, by name; now and then with the override."""
        environment, key = self.random.choice(list(PROJECTS)), self.random.choice(KEYS)
        head = self.team.merges[-1].commit
        self.github.comparisons[f"{head}...main"] = {"status": "identical"}
        asked = frozenset([key] if self.random.random() < 0.3 else [])
        self.rules.begin(Permit(environment=environment, documents=self.team.documents, keys={key}, asked=asked))
        self.pipelines[environment].undo(head, key, f"kill-switch:{key}" if asked else "")
        self.rules.end(is_undisturbed=True)
        self.counts["flags undone by name"] += 1

    # Live

    def edit(self) -> None:
        """An edit by hand, perhaps to turn a flag off in an emergency."""
        self.edit_in(self.random.choice(list(PROJECTS)), self.random.choice(KEYS))

    def edit_in(self, environment: str, key: str) -> None:
        """An edit of this flag."""
        flag = self.rules.known[environment, key]
        self.number += 1
        who = f"colleague-{self.number}@example.com"
        fields = {"description": who, **self.random.choice(EDITS)}
        try:
            self.emulator.edit_as(who, "PATCH", f"/flags/{flag['id']}", fields)
        except RefusedError:
            assert flag["archived"]
            return
        self.edits[environment][who] = 0
        self.rules.by_hand((environment, key))

    def watch(self) -> None:
        """The hourly run: one issue while there is drift."""
        environment = self.random.choice(list(PROJECTS))
        pipeline = self.pipelines[environment]
        outcome = pipeline.drift()
        differing = {key for key in KEYS if self.difference(environment, key, self.team.documents)}
        assert outcome.succeeded
        assert outcome.code == ("2" if differing else "0"), (outcome, differing)
        assert bool(pipeline.issue()) is bool(differing)
        self.counts["hourly runs"] += 1

    def look(self) -> None:
        """The night watch of an environment, soon after an edit, and once more."""
        environment = self.random.choice(list(PROJECTS))
        self.edit_in(environment, self.random.choice(KEYS))
        for _ in range(2):
            self.team.pass_time(10)
            self.look_at(environment)

    def look_at(self, environment: str) -> None:
        """Rule 4: each edit by hand is reported once, and nothing else is."""
        code, out = self.command(
            "drift", "--env", environment, "--state", f"../{environment}.json", "--format", "json"
        )
        assert code in {0, 2}, code
        document = json.loads(out)
        edits = self.edits[environment]
        for edit in document["edits"] or ():
            if edit["by"] == USER and (environment, edit["key"]) in self.rules.cut_short:
                continue  # it was left half done, which git has never said
            assert edit["by"] in edits, ("rule 4: no edit by hand", edit)
            edits[edit["by"]] += 1
        assert {who: times for who, times in edits.items() if times != 1} == {}, ("rule 4", document["edits"])
        differing = {key for key in KEYS if self.difference(environment, key, self.team.documents)}
        assert {flag["key"] for flag in document["flags"]} == differing, (document["flags"], differing)
        self.counts["looks for drift"] += 1

    def look_at_once_more(self, environment: str) -> None:
        """The last edit is of the second of the look that reports it, and is not told by the next one."""
        key = next(key for key in KEYS if not self.rules.known[environment, key]["archived"])
        self.edit_in(environment, key)
        self.look_at(environment)
        self.look_at(environment)

    def play(self, events: int) -> None:
        """So many events, one after the other; after each all rules hold."""
        trail: list[str] = []
        try:
            for _ in range(events):
                self.team.pass_time()
                event = self.random.choice(self.events)
                trail.append(event.__name__)
                self.counts[f"events: {event.__name__}"] += 1
                event()
                self.rules.close_interval()
            for environment in PROJECTS:
                self.team.pass_time()
                self.look_at_once_more(environment)
        except AssertionError as error:
            error.add_note(f"events: {' '.join(trail)}")
            raise
        self.counts["edits by hand, each reported once"] += sum(map(len, self.edits.values()))


def copied_shown(pull: Pull) -> dict[str, dict[str, Record]]:
    """What reviewers were shown as it is now: a pull request may be planned again, but not after its merge."""
    return {environment: dict(shown) for environment, shown in pull.shown.items()}
