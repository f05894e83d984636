"""`test`: what tests claim of who gets what, proved or refuted; the files, the formats, the exit codes."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from emulators import seeded
from jsonschema import Draft202012Validator

from reconciler.cli import checkout, git
from reconciler.files.schema import load_schema
from reconciler.progress import Progress

if TYPE_CHECKING:
    from conftest import Ran, Repository

FLAG = """key: new-checkout
enabled: true
archived: false
bucketingKey: user_id
bucketingSalt: mHdQDzeE
rolloutPercentage: 25
rolloutWeights: {control: 1, treatment: 1}
variants:
  - key: control
  - key: treatment
    inclusions: {users: [ada@example.com], cohorts: []}
targetSegments:
  - name: Staff
    conditions: [{prop: gp:staff, op: is, values: ["true"]}]
    percentage: 100
    rolloutWeights: {treatment: 1}
  - name: Beta
    conditions: [{prop: country, op: is, values: [US, CA]}]
    percentage: 100
    rolloutWeights: {treatment: 1}
"""
OUTSIDE = "{name: never outside the US, flag: new-checkout, users: {country: {not: [US]}, STAFF}, never: [treatment]}"
NO_STAFF = 'user_properties.staff: {not: ["true"]}'


def try_tests(repository: Repository, *tests: str, flag: str = FLAG, arguments: tuple[str, ...] = ()) -> Ran:
    """Run the tests, each a flow mapping, of one flag."""
    repository.write("flags/new-checkout.yaml", flag)
    lines = "".join(f"  - {test}\n" for test in tests)
    repository.write("flags/tests/checkout.test.yaml", f"tests:\n{lines}")
    return repository.run("test", *arguments)


def document(ran: Ran) -> dict[str, Any]:
    """The JSON document on stdout, held against its schema."""
    found: dict[str, Any] = json.loads(ran.out)
    Draft202012Validator(load_schema("verdicts")).validate(found)
    return found


def commit(repository: Repository) -> None:
    """Commit all there is."""
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(("git", *identity, *arguments), cwd=repository.root, check=True)


def test_claims_are_proved_or_refuted_with_a_user(repository: Repository) -> None:
    """The user who breaks a claim is named, with the segment and the line to blame; the counts come first."""
    ran = try_tests(
        repository,
        '{name: staff, flag: new-checkout, users: {user_properties.staff: "true", user_id: {not: x}}, never: "off"}',
        OUTSIDE.replace("STAFF", NO_STAFF),
        "{name: ada, flag: new-checkout, user: {user_id: ada@example.com}, is: treatment}",
    )

    assert ran.code == 1
    user, blame = 'user_id "user-1", country "CA"', 'segment "Beta" (flags/new-checkout.yaml:17)'
    assert ran.out == f"2 proved, 1 refuted: never outside the US: {user} gets treatment by {blame}\n"


@pytest.mark.parametrize(
    ("flag", "users", "who"),
    [
        (FLAG, "{user_id: (none), country: DE}", 'country "DE" without user_id gets off as one of'),
        (FLAG, "{user_id: (none), device_id: (none), country: {not: [US, CA]}}", "a user without user_id gets off"),
        (FLAG.replace("25", "100").replace("Key: user_id", "Key: gp:team"), "{country: DE}",
         'user_id "user-1", country "DE" without user_properties.team gets off'),
        (FLAG.replace("25", "100").replace("Key: user_id", "Unit: org"), "{country: DE}",
         'user_id "user-1", country "DE" without a group of type org gets off'),
        (FLAG.replace("25", "100").replace("bucketingSalt: mHdQDzeE\n", ""), "{country: DE}",
         'country "DE" without user_id gets off'),
        (FLAG.replace("bucketingSalt: mHdQDzeE\n", ""), "{country: DE}", 'country "DE" gets off'),
    ],
)  # fmt: skip
def test_users_without_what_is_hashed(repository: Repository, flag: str, users: str, who: str) -> None:
    """It is said what they are without, where that is why they get no variant."""
    ran = try_tests(repository, f'{{name: x, flag: new-checkout, users: {users}, never: "off"}}', flag=flag)

    assert (ran.code, f": {who}" in ran.out) == (1, True)


def test_all_proved(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 and the count alone, without a key; without tests that is said."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    ran = try_tests(repository, '{name: staff, flag: new-checkout, users: {gp:staff: "true"}, never: control}')
    assert (ran.code, ran.out, ran.err) == (0, "1 proved.\n", "")

    (repository.root / "flags/tests/checkout.test.yaml").unlink()
    for options in ((), ("--against", "live")):
        ran = repository.run("test", *options)
        assert (ran.code, ran.out, ran.err) == (0, "No tests.\n", "")


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ('users: {country: DE, gp:staff: "(none)"}, share: {treatment: "<= 12.5%", control: "12%..13%"}', 0),
        ('users: {country: DE, gp:staff: "(none)"}, share: {treatment: "== 12.5%", "off": ">= 75%, < 76%"}', 0),
        ('users: {country: DE, gp:staff: "(none)"}, share: {treatment: "> 12.5%"}', 1),
        ('users: {country: US}, share: {treatment: "100%"}', 0),
        ('users: {country: DE}, share: {treatment: "<= 12.5%"}', 1),
        ('users: {country: {not: [US, CA]}, gp:staff: {not: "true"}}, always: [control, treatment, "off"]', 0),
        ("users: {country: FR}, always: treatment", 1),
        ("users: {country: {contains: U}, user_properties: {plan: [pro, team]}}, never: nothing-like-it", 3),
    ],
)
def test_kinds_of_claims(repository: Repository, claim: str, code: int) -> None:
    """Shares are of the users of each segment, listed ones aside; a variant that does not exist is refused."""
    assert try_tests(repository, f"{{name: it, flag: new-checkout, {claim}}}").code == code


def test_against_a_commit(repository: Repository) -> None:
    """What users lose between a commit and the files, with both segments; the same state takes none away."""
    never = 'against: HEAD, never: ["treatment -> control", "treatment -> off"]}'
    try_tests(repository)
    commit(repository)
    lower = FLAG.replace("rolloutPercentage: 25", "rolloutPercentage: 10")

    assert try_tests(repository, f"{{name: no user loses it, flag: new-checkout, {never}").code == 0
    ran = try_tests(repository, f"{{name: no user loses it, flag: new-checkout, {never}", flag=lower)
    assert ran.code == 1
    assert 'had treatment as one of "All Other Users" and gets off as one of "All Other Users"' in ran.out
    assert "(flags/new-checkout.yaml:6)" in ran.out


def test_commits_that_git_does_not_know(repository: Repository) -> None:
    """An error of the file, one for each test, beside what else is wrong there; as an option it is wrong usage."""
    move = "{name: NAME, flag: new-checkout, against: BASE, never: '* -> *'}"
    typed = [
        move.replace("NAME", name).replace("BASE", base)
        for name, base in (("a", "nowhere"), ("b", "HEAD"), ("c", '"no ref"'))
    ]
    wrong = "{name: d, flag: new-chekout, never: 'off'}"
    try_tests(repository, wrong)
    commit(repository)
    repository.write("flags/tests/other.test.yaml", f"tests:\n  - {move.replace('BASE', 'v0')}\n")

    ran = try_tests(repository, *typed, wrong)

    file, said = "flags/tests/checkout.test.yaml", "error: git knows no commit"
    assert (ran.code, ran.out) == (3, "")
    assert [line for line in ran.err.splitlines() if "[" in line] == [
        f"{file}:2:44: {said} 'nowhere' here. In CI, fetch enough history. [unknown-commit]",
        f"{file}:4:44: {said} 'no ref' here. In CI, fetch enough history. [unknown-commit]",
        f'{file}:5:21: error: No flag file declares the flag "new-chekout". [unknown-flag]',
        f"flags/tests/other.test.yaml:2:47: {said} 'v0' here. In CI, fetch enough history. [unknown-commit]",
    ]
    ran = try_tests(repository, typed[0], arguments=("--against", "nowhere"))
    assert (ran.code, "--against: git knows no commit 'nowhere'" in ran.err) == (64, True)
    arguments = ("flags/tests/checkout.test.yaml", "--against", "HEAD")
    assert try_tests(repository, typed[0], arguments=arguments).code == 0


def test_git_is_asked_once_for_a_commit(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tests start from it."""
    try_tests(repository)
    commit(repository)
    asked: list[str] = []

    def ask_git(question: Any, *arguments: str, **options: Any) -> bytes:
        asked.append(question)
        return git.ask_git(question, *arguments, **options)

    monkeypatch.setattr(checkout, "ask_git", ask_git)
    counts = []
    for number in (1, 20):
        asked.clear()
        moves = [f"{{name: m{at}, flag: new-checkout, against: HEAD, never: '* -> *'}}" for at in range(number)]
        assert try_tests(repository, *moves).code == 0
        counts.append(len(asked))

    assert counts[0] == counts[1] > 0


def test_commits_that_cannot_be_read(repository: Repository) -> None:
    """Tests that start there are not decided, others are: without a repository, or with files that were invalid."""
    move = "{name: b, flag: new-checkout, against: HEAD, never: '* -> *'}"
    claims = ("{name: a, flag: new-checkout, users: {country: US}, never: control}", move)
    ran = try_tests(repository, *claims)
    assert ran.code == 1
    assert ran.out.startswith("1 proved, 1 not decided: b: It takes the flag of HEAD. ")
    assert "is not in a git repository" in ran.out

    try_tests(repository, flag="key: new-checkout\nenabled: maybe\n")
    commit(repository)
    ran = try_tests(repository, *claims)
    assert ran.code == 1
    assert "1 not decided: b: It takes the flag of HEAD. The flag files of HEAD cannot be read there" in ran.out


def test_variants_of_no_state(repository: Repository) -> None:
    """A transition with a mistyped variant would hold of any flag: it is not decided."""
    try_tests(repository)
    commit(repository)

    def moves(never: str, **flag: str) -> Ran:
        return try_tests(repository, f"{{name: x, flag: new-checkout, against: HEAD, never: {never}}}", **flag)

    ran = moves('["treatmnt -> off", "treatment -> off"]')
    assert (ran.code, ran.out) == (1, "1 not decided: x: The flag has no variant treatmnt, before or after\n")
    assert moves('"control -> tretment"').code == 1
    more = FLAG.replace("  - key: control\n", "  - key: control\n  - key: new\n")
    assert moves('["new -> off", "control -> new"]', flag=more).code == 0


def test_live_flags_that_are_away(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that start from live flags by themselves are not decided where reading fails; others are."""
    monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", "another-key")
    claims = (
        "{name: a, flag: new-checkout, users: {country: US}, never: control}",
        "{name: b, flag: new-checkout, against: live, never: '* -> *'}",
    )
    ran = try_tests(repository, *claims)
    assert ran.code == 1
    assert ran.out.startswith("1 proved, 1 not decided: b: It takes the live flag. ")


def test_an_undeclared_field_that_decides_is_an_error(repository: Repository) -> None:
    """Exit code 3 names it; --against live fills it, and so does a test that is about live flags."""
    bare = "key: new-checkout\nenabled: true\nrolloutPercentage: 100\n"
    claim = "{name: never control, flag: new-checkout, never: control}"

    ran = try_tests(repository, claim, flag=bare)

    assert ran.code == 3
    assert "targetSegments, rolloutWeights are not declared" in ran.out
    filled = try_tests(repository, claim, flag=bare, arguments=("--against", "live"))
    assert filled.code == 1
    assert "gets control" in filled.out
    loses = '{name: none loses it, flag: new-checkout, against: live, never: ["treatment -> control"]}'
    assert try_tests(repository, loses, flag=bare).code == 0


def test_what_an_option_says_of_each_kind_of_claim(repository: Repository) -> None:
    """It takes the place of what a test compares with; a claim of one state is completed by live flags alone."""
    try_tests(repository)
    commit(repository)
    same = "{name: nothing changes, flag: new-checkout, against: HEAD, never: '* -> *'}"
    never = "{name: never control, flag: new-checkout, never: control}"
    bare = "key: new-checkout\nenabled: true\nrolloutPercentage: 100\n"

    assert try_tests(repository, same).code == 0
    assert try_tests(repository, same, arguments=("--against", "live")).code == 1
    assert try_tests(repository, never, flag=bare, arguments=("--against", "HEAD")).code == 3


def test_each_live_flag_is_read_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many claims are about it; each counts as a step of what progress shows."""
    shown: list[tuple[str, str, int, int | None]] = []
    advance = Progress.advance

    def noting(self: Progress, count: int = 1) -> None:
        advance(self, count)
        shown.append((self.what, self.unit, self.done, self.total))

    monkeypatch.setattr(Progress, "advance", noting)
    claims = [
        f"{{name: {variant}, flag: new-checkout, against: live, never: '{variant} -> *'}}"
        for variant in ("control", "treatment")
    ]
    assert try_tests(repository, *claims).code == 1
    assert [step for step in shown if step[1] == "flags"] == [("Reading flags", "flags", 1, 1)]
    assert [entry.path for entry in repository.emulator.log].count("/api/1/flags") == 1


def test_live_flags_that_cannot_be_read(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, a test against live flags is not decided, which is not passed; asked for, it is an error."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    loses = '{name: none loses it, flag: new-checkout, against: live, never: ["treatment -> control"]}'

    ran = try_tests(repository, loses)

    assert ran.code == 1
    assert ran.out.startswith("1 not decided: none loses it: It takes the live flag. There is no management key")
    assert try_tests(repository, loses, arguments=("--against", "live")).code == 4


def test_given_variants_of_parents(repository: Repository) -> None:
    """What a flag depends on is read live: a given variant decides, and without one the parent's rules do."""
    parent = {"key": "payments", "id": "900", "enabled": True, "rolloutPercentage": 50, "variants": [{"key": "on"}]}
    child = {"key": "new-checkout", "id": "901", "enabled": True, "variants": [{"key": "treatment"}]}
    child |= {"rolloutPercentage": 100, "parentDependencies": {"operator": "ALL", "flags": {"900": ["on"]}}}
    repository.emulator.store.flags.clear()
    seeded(repository.emulator, [parent, child])
    flag = "key: new-checkout\nrolloutPercentage: 100\n"

    def with_live(claim: str) -> Ran:
        return try_tests(
            repository, f"{{name: it, flag: new-checkout, {claim}}}", flag=flag, arguments=("--against", "live")
        )

    assert with_live('given: {payments: "off"}, always: "off"').code == 0
    assert with_live("given: {payments: on}, always: treatment").code == 0
    assert with_live("given: {payments: on}, never: treatment").code == 1
    assert "The flag payments has no variant om" in with_live("given: {payments: om}, never: treatment").out
    assert "does not depend on other" in with_live('given: {other: "off"}, always: "off"').out
    repository.emulator.store.flags.clear()
    seeded(repository.emulator, [parent, {**child, "parentDependencies": None}])
    assert "does not depend on payments" in with_live('given: {payments: "off"}, always: "off"').out
    repository.emulator.store.flags.clear()
    seeded(repository.emulator, [parent, child])
    blocked, passed = with_live("always: treatment"), with_live("never: treatment")
    assert (blocked.code, "gets off by its dependencies" in blocked.out) == (1, True)
    assert (passed.code, 'gets treatment as one of "All Other Users"' in passed.out) == (1, True)
    assert (
        "it takes --against live"
        in try_tests(repository, '{name: x, flag: new-checkout, given: {p: "off"}, always: "off"}').out
    )


def test_listed_users_are_not_shown(repository: Repository) -> None:
    """An id from an inclusion list is personal data: shown with --show-users, and in JSON."""
    users = "users: {country: FR, gp:staff: {not: x}}"
    claim = f"{{name: no list, flag: new-checkout, {users}, never: treatment, share: {{treatment: < 50%}}}}"
    only_listed = FLAG.replace("Percentage: 25", "Percentage: 0").replace("[US, CA]", "[US]").replace('"true"', "x")

    hidden = try_tests(repository, claim, flag=only_listed)
    shown = try_tests(repository, claim, flag=only_listed, arguments=("--show-users",))
    found = document(try_tests(repository, claim, flag=only_listed, arguments=("--format", "json")))

    assert "ada@" not in hidden.out
    assert "user_id (listed, not shown)" in hidden.out
    assert 'user_id "ada@example.com"' in shown.out
    assert found["tests"][0]["user"]["user_id"] == "ada@example.com"


def test_formats(repository: Repository) -> None:
    """JSON by its schema, JUnit with failures and errors, annotations at the line to blame, and a file of it."""
    claims = (
        "{name: proved, flag: new-checkout, users: {country: US}, never: control}",
        OUTSIDE.replace("STAFF", NO_STAFF),
        '{name: open, flag: new-checkout, given: {parent: "off"}, always: "off"}',
    )

    found = document(try_tests(repository, *claims, arguments=("--format", "json", "--coverage")))
    junit = ET.fromstring(try_tests(repository, *claims, arguments=("--format", "junit")).out)
    github = try_tests(repository, *claims, arguments=("--format", "github")).out.splitlines()
    written = try_tests(repository, *claims, arguments=("--format", "junit", "--output", "out.xml"))

    assert found["summary"] == {"proved": 1, "refuted": 1, "undecided": 1, "undeclared": 0}
    assert [item["status"] for item in found["tests"]] == ["proved", "refuted", "undecided"]
    assert found["tests"][1]["user"] == {"user_id": "user-1", "country": "CA"}
    assert found["tests"][1]["causes"][0]["source"] == {"file": "flags/new-checkout.yaml", "line": 17}
    suite = junit.find("testsuite")
    assert suite is not None
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["3", "1", "1"]
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["error"]]
    assert [case.get("classname") for case in cases] == ["new-checkout"] * 3
    assert github[0].startswith("::error file=flags/new-checkout.yaml,line=17,col=5,title=refuted%3A never outside")
    assert github[1].startswith("::error file=flags/tests/checkout.test.yaml,line=4,")
    assert (written.code, written.out) == (1, "")
    assert ET.fromstring((repository.root / "out.xml").read_text()).tag == "testsuites"


def test_coverage(repository: Repository) -> None:
    """The segments and variants that no test reaches, and flags without a test."""
    repository.write("flags/second.yaml", FLAG.replace("new-checkout", "second"))

    ran = try_tests(
        repository,
        "{name: us, flag: new-checkout, users: {country: US, gp:staff: {not: 'true'}}, always: treatment}",
        arguments=("--coverage",),
    )

    assert 'new-checkout: no test reaches segment "Staff", segment "All Other Users", variant control.' in ran.out
    assert "second: no test." in ran.out


def test_coverage_of_segments_with_one_name(repository: Repository) -> None:
    """Each counts for itself."""
    flag = FLAG.replace("name: Beta", "name: Staff").replace("[US, CA]", "[US]")
    staff = '{name: a, flag: new-checkout, users: {gp:staff: "true"}, never: control}'

    ran = try_tests(repository, staff, flag=flag, arguments=("--coverage",))

    assert 'no test reaches segment "Staff", segment "All Other Users"' in ran.out


def test_a_test_about_no_user(repository: Repository) -> None:
    """It holds, and says nothing: a warning names it."""
    users = "{country: {is: US, not: [US]}}"
    ran = try_tests(repository, f"{{name: it, flag: new-checkout, users: {users}, always: control}}")

    assert (ran.code, ran.out) == (0, "1 proved.\n")
    said = 'the test "it" is about no user: none meets all conditions of its `users`.'
    assert ran.err == f"Warning: flags/tests/checkout.test.yaml:2: {said}\n"


@pytest.mark.parametrize("text", ["0%", "100%", ">= 25%, <= 25%", "25%..25%", "> 0%, < 100%", "<= 0%", ">= 100%"])
def test_shares_at_the_ends(repository: Repository, text: str) -> None:
    """No refusal: some share holds."""
    assert try_tests(repository, f'{{name: x, flag: new-checkout, share: {{treatment: "{text}"}}}}').code != 3


@pytest.mark.parametrize(
    ("test", "rule", "place"),
    [
        ("{name: x, flag: nope, always: treatment}", "unknown-flag", "2:21"),
        ("{name: x, flag: new-checkout, always: tretment}", "unknown-variant", "2:43"),
        ("{name: x, flag: new-checkout, never: [a -> b]}", "nothing-to-compare", "2:43"),
        ("{name: x, flag: new-checkout}", "no-claim", "2:5"),
        ("{name: x, flag: new-checkout, user: {user_id: a}}", "no-claim", "2:5"),
        ("{name: x, flag: new-checkout, user: {user_id: a}, is: treatment, never: control}", "no-claim", "2:5"),
        ("{name: x, flag: new-checkout, share: {treatment: a quarter}}", "invalid-share", "2:54"),
        ("{name: x, flag: new-checkout, share: {treatment: 25}}", "wrong-type", "2:54"),
        ("{name: x, flag: new-checkout, share: {treatment: <= 101%}}", "invalid-share", "2:54"),
        ("{name: x, flag: new-checkout, share: {treatment: 30%..20%}}", "invalid-share", "2:54"),
        ('{name: x, flag: new-checkout, share: {treatment: ">= 30%, < 30%"}}', "invalid-share", "2:54"),
        ("{name: x, flag: new-checkout, share: {treatment: < 0%}}", "invalid-share", "2:54"),
        ("{name: x, flag: new-checkout, users: {country: {nor: US}}, always: treatment}", "unknown-value", "2:53"),
        ("{name: x, flag: new-checkout, users: {groups: x}, always: treatment}", "unknown-property", "2:43"),
        ("{name: x, flag: new-checkout, user: {user_id: [a]}, is: treatment}", "invalid-user", "2:41"),
        ("{name: x, flag: new-checkout, allways: treatment}", "unknown-field", "2:35"),
        ("{flag: new-checkout, always: treatment}", "missing-field", "2:5"),
    ],
)
def test_refusals(repository: Repository, test: str, rule: str, place: str) -> None:
    """What is wrong with a test has its rule and place, in `test` and in `validate` alike; exit code 3."""
    ran = try_tests(repository, test)
    checked = repository.run("validate")

    assert ran.code == checked.code == 3
    line = next(line for line in checked.out.splitlines() if f"[{rule}]" in line)
    assert line.startswith(f"flags/tests/checkout.test.yaml:{place}: error: ")
    assert f"[{rule}]" in ran.err


def test_two_tests_of_one_name(repository: Repository) -> None:
    """A name stands for one test of a file: reports know tests by it."""
    ran = try_tests(repository, *["{name: x, flag: new-checkout, always: treatment}"] * 2)
    assert (ran.code, "[duplicate-test]" in ran.err) == (3, True)


def test_other_commands_take_tests_for_no_flags(repository: Repository) -> None:
    """Plans do not read them, fmt formats them, paths choose among them."""
    proved = "{name: x, flag: new-checkout, users: {country: US}, never: control}"
    try_tests(repository, proved)
    repository.write("flags/other.test.yml", "tests: [{never: control, flag: new-checkout, name: also}]\n")

    assert "tests" not in repository.run("plan").out
    assert repository.run("test", "flags/tests").out == "1 proved.\n"
    assert repository.run("test", "flags/other.test.yml").code == 1
    assert repository.run("test", "flags/new-checkout.yaml").code == 64
    assert "flags/other.test.yml" in repository.run("fmt", "flags/other.test.yml").out
    text = (repository.root / "flags/other.test.yml").read_text()
    assert text == "tests:\n  - {name: also, flag: new-checkout, never: control}\n"
    assert repository.run("validate", "flags/other.test.yml").code == 0


def test_each_environment(repository: Repository) -> None:
    """Without --env a test holds in every environment or says in which it does not; live flags need one."""
    repository.write(
        "reconciler.yaml", 'version: 1\nprojectId: "7"\nenvironments: {staging: {}, production: {projectId: "8"}}\n'
    )
    flag = f"{FLAG}environments: {{staging: {{rolloutPercentage: 100}}}}\n"
    claim = '{name: few, flag: new-checkout, users: {country: FR, gp:staff: {not: "true"}}, share: {control: < 20%}}'

    both = try_tests(repository, claim, flag=flag)
    one = try_tests(repository, claim, flag=flag, arguments=("--env", "production"))
    found = document(try_tests(repository, claim, flag=flag, arguments=("--format", "json")))

    assert both.out.startswith("1 proved, 1 refuted: few (in staging): ")
    assert "(flags/new-checkout.yaml:21)" in both.out
    assert (one.code, one.out) == (0, "1 proved.\n")
    assert [item["environment"] for item in found["tests"]] == ["staging", "production"]
    assert try_tests(repository, claim, flag=flag, arguments=("--against", "live")).code == 64


def test_a_flag_that_an_environment_does_not_have(repository: Repository) -> None:
    """It gives no user anything there."""
    repository.write(
        "reconciler.yaml", 'version: 1\nprojectId: "7"\nenvironments: {staging: {}, production: {projectId: "8"}}\n'
    )
    claim = '{name: some, flag: new-checkout, users: {country: US, user_id: {not: ada@example.com}}, never: "off"}'

    ran = try_tests(repository, claim, flag=f"{FLAG}onlyIn: [staging]\n")

    assert ran.code == 1
    assert ran.out == (
        '1 proved, 1 refuted: some (in production): user_id "user-1", country "US" gets off by an absent flag\n'
    )


ENVIRONMENTS = 'version: 1\nprojectId: "7"\nenvironments: {staging: {}, production: {projectId: "8"}}\n'


def test_coverage_over_all_environments(repository: Repository) -> None:
    """What tests reach in one of them is reached, whichever it is; flags that are in one alone count too."""
    repository.write("flags/second.yaml", f"{FLAG.replace('new-checkout', 'second')}onlyIn: [production]\n")
    repository.write("reconciler.yaml", ENVIRONMENTS)
    claim = "{name: us, flag: new-checkout, users: {country: US, gp:staff: {not: 'true'}}, never: control}"
    for off in ("staging", "production"):
        flag = f"{FLAG}environments: {{{off}: {{enabled: false}}}}\n"

        ran = try_tests(repository, claim, flag=flag, arguments=("--coverage",))

        assert ran.code == 0
        assert ran.out.splitlines() == [
            "2 proved.",
            "",
            'new-checkout: no test reaches segment "Staff", segment "All Other Users".',
            "second: no test.",
            "Tests do not reach all of 2 flags.",
        ]


def test_findings_of_all_environments(repository: Repository) -> None:
    """Each is given once, as `validate` gives it: with the environment where it does not hold in all of them."""
    repository.write("reconciler.yaml", ENVIRONMENTS)
    overlays = "environments: {staging: {rolloutPercentage: 101}, production: {rolloutWeights: {gone: 1}}}\n"
    claims = ("{name: a, flag: new-checkout, always: treatmnt}", "{name: b, flag: new-chekout, always: treatment}")

    ran = try_tests(repository, *claims, flag=f"{FLAG.replace('gp:staff, op: is', 'gp:staff, op: iz')}{overlays}")
    checked = repository.run("validate")

    assert (ran.code, ran.out) == (3, "")
    told = [line for line in ran.err.splitlines() if ": error: " in line]
    assert told == [line for line in checked.out.splitlines() if ": error: " in line]
    rules = [line.rpartition("[")[2].rstrip("]") for line in told]
    assert rules == ["unknown-op", "whole-percentage", "unknown-variant", "unknown-variant", "unknown-flag"]
    assert "(in production)" in told[2]
    one = try_tests(repository, *claims, flag=f"{FLAG}{overlays}", arguments=("--env", "staging"))
    assert (one.code, "(in production)" in one.err) == (3, False)


def test_environments_with_flags_of_their_own(repository: Repository) -> None:
    """Tests are of the environments below whose flags they stand, and so are findings."""
    repository.write("reconciler.yaml", ENVIRONMENTS.replace("staging: {}", "staging: {flags: others}"))
    repository.write("others/new-checkout.yaml", FLAG)
    proved = "{name: x, flag: new-checkout, users: {country: US}, never: control}"
    repository.write("others/a.test.yaml", f"tests: [{proved}]\n")

    assert try_tests(repository, proved).out == "2 proved.\n"
    assert repository.run("test", "others").out == repository.run("test", "flags/tests").out == "1 proved.\n"
    repository.write("others/a.test.yaml", f"tests: [{proved.replace('control', 'contrl')}]\n")
    ran = repository.run("test")
    assert (ran.code, ran.err.count("unknown-variant"), "(in " in ran.err) == (3, 1, False)
