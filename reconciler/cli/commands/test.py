"""`reconciler test`: what tests claim of who gets what, decided for all users, offline unless live is asked for."""

from __future__ import annotations

import os
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.api.parents import read_with_parents
from reconciler.cli.commit_files import commit_error, declared_at
from reconciler.cli.loading import now
from reconciler.cli.options import Settings, key_file_option, output_options, shared_options
from reconciler.cli.output import Output, directory_in_repository, write_report
from reconciler.cli.planning import resolve_credentials, run_with_client
from reconciler.errors import ApiError, InvalidInputError, ReconcilerError, UsageError
from reconciler.evaluation.assertions import Status, Verdict
from reconciler.evaluation.deciding import Decider
from reconciler.evaluation.evaluate import FlagWithParents
from reconciler.evaluation.rules import variant_keys
from reconciler.files.assertions import LIVE, place_of
from reconciler.files.config_file import find_config, load_config, load_configs
from reconciler.files.schema import quoted
from reconciler.files.tested import load_tested
from reconciler.model.flag import LiveFlag
from reconciler.planning.comparison import planned_with_parents
from reconciler.reports.registry import VERDICTS
from reconciler.reports.verdicts import Decided, Unreached, VerdictsReport, counts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.api.client import Client
    from reconciler.cli.options import OutputOptions
    from reconciler.diagnostics import SourcePosition
    from reconciler.evaluation.assertions import Assertion
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag, DesiredState
    from reconciler.progress import Progress

NOTHING = FlagWithParents(flag=None)


@click.command
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@shared_options
@click.option(
    "--against", metavar="live|REF", help="What the flags are compared with; live also fills undeclared fields."
)
@click.option("--coverage", is_flag=True, help="Name the segments and variants that no test reaches.")
@output_options(VERDICTS)
@key_file_option
def test(
    settings: Settings,
    *,
    paths: tuple[Path, ...],
    against: str | None,
    coverage: bool,
    display: OutputOptions,
    api_key_file: Path | None,
) -> int:
    """Check claims about who gets what (flags/**/*.test.yaml): for all users, not for examples.

    Each claim is proved, refuted with a user who breaks it, or not decided. All environments are looked at unless one
    is chosen. Exit code 1: a claim is not proved. Exit code 3: a field that decides is not declared. Works offline,
    unless --against live or a test's `against: live` asks for the live flags.

    \b
      reconciler test
      reconciler test flags/tests/checkout.test.yaml --against origin/main
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    file = find_config(settings.config)
    configs = load_configs(file, settings.environment)
    decided: list[Decided] = []
    reach = _Reach()
    base_error = None if against else cache(partial(commit_error, configs[0]))
    loaded = load_tested(configs, paths, today=now().date(), base_error=base_error)
    for config, (desired, claims) in zip(configs, loaded, strict=True):
        bases = _Bases(config=config, desired=desired, option=against, key_file=api_key_file, output=output)
        if len(configs) > 1 and bases.need_live(claims):
            load_config(file)  # which asks for --env
        bases.read(claims)
        verdicts = [bases.decide(claim) for claim in claims]
        _warn_of_no_user(claims, verdicts, output)
        if coverage:
            reach.add(desired, claims, verdicts)
        decided += [_placed(claim, verdict, desired, config) for claim, verdict in zip(claims, verdicts, strict=True)]
    report = VerdictsReport(
        decided=decided,
        environments=len(configs),
        coverage=reach.unreached() if coverage else None,
        directory=directory_in_repository(file.parent, os.environ),
        created_at=now(),
    )
    if failure := write_report(VERDICTS, report, display, output):
        raise failure
    if display.form != "text":
        output.info(f"{counts_of(report)}.")
    statuses = {item.verdict.status for item in decided}
    if Status.UNDECLARED in statuses:
        return InvalidInputError.exit_code
    return 0 if statuses <= {Status.PROVED} else ReconcilerError.exit_code


class _Bases:
    """What flags are compared with or completed by: live flags, or those of commits. Each flag is prepared once."""

    def __init__(
        self, *, config: Config, desired: DesiredState, option: str | None, key_file: Path | None, output: Output
    ) -> None:
        self._config, self._desired, self._option = config, desired, option
        self._key_file, self._output = key_file, output
        self._live: dict[str, FlagWithParents] = {}
        self._commits: dict[str, dict[str, DesiredFlag]] = {}
        self._deciders: dict[tuple[str, str | None, bool], Decider] = {}
        self._lacking: dict[str, str] = {}

    def need_live(self, claims: Iterable[Assertion]) -> bool:
        """Whether claims cannot be decided without the live flags."""
        return any(self._base_of(claim) == LIVE for claim in claims)

    def read(self, claims: Iterable[Assertion]) -> None:
        """Read the live flags and the commits that claims start from.

        Claims that start by themselves from what cannot be read are not decided. With `--against` that is an error.
        """
        bases = [(claim.flag, self._base_of(claim)) for claim in claims]
        for base in dict.fromkeys(base for _, base in bases if base not in {None, LIVE}):
            try:
                self._commits[str(base)] = declared_at(self._config, str(base))
            except ReconcilerError as error:
                self._keep(str(base), error)
        keys = list(dict.fromkeys(key for key, base in bases if base == LIVE))
        if not keys:
            return
        try:
            self._live = self._read_live(keys)
        except (ApiError, UsageError) as error:
            self._keep(LIVE, error)

    def _read_live(self, keys: Sequence[str]) -> dict[str, FlagWithParents]:
        credentials = resolve_credentials(self._config, self._key_file, self._output)
        declared = {key: flag.spec for key, flag in self._desired.flags.items()}

        async def work(client: Client, progress: Progress) -> dict[str, FlagWithParents]:
            progress.start("Reading flags", unit="flags", total=len(keys))
            found = {}
            for key in keys:
                found[key] = await read_with_parents(client, key, declared)
                progress.advance()
            return found

        return run_with_client(self._config, credentials, self._output, work)

    def _keep(self, base: str, error: ReconcilerError) -> None:
        if self._option is not None:
            raise error
        self._lacking[base] = str(error)

    def decide(self, claim: Assertion) -> Verdict:
        """What becomes of a claim."""
        base = self._base_of(claim)
        if base in self._lacking:
            what = "the live flag" if base == LIVE else f"the flag of {base}"
            return Verdict(status=Status.UNDECIDED, reason=f"It takes {what}. {self._lacking[base]}")
        place = claim.flag, base, claim.against is not None
        if place not in self._deciders:
            self._deciders[place] = self._decider(*place)
        return self._deciders[place].decide(claim)

    def _base_of(self, claim: Assertion) -> str | None:
        """What the flag is compared with or, for a claim of one state, completed by: only live can do that."""
        if claim.against is not None:
            return self._option or claim.against
        return LIVE if self._option == LIVE else None

    def _decider(self, key: str, base: str | None, compares: bool) -> Decider:  # noqa: FBT001 - of a key
        declared = self._declared(self._desired.flags, key)
        if base is None:
            return Decider(declared)
        if base != LIVE:
            return Decider(declared, self._declared(self._commits[base], key))
        live = self._live[key]
        after = planned_with_parents(key, live, self._desired, self._config)
        return Decider(after, live) if compares else Decider(after)

    def _declared(self, flags: Mapping[str, DesiredFlag], key: str) -> FlagWithParents:
        if key not in flags:
            return NOTHING
        return FlagWithParents(flag=LiveFlag(id="", project_id=self._config.project_id, spec=flags[key].spec))


def _warn_of_no_user(claims: Sequence[Assertion], verdicts: Sequence[Verdict], output: Output) -> None:
    for claim, verdict in zip(claims, verdicts, strict=True):
        if verdict.is_about_no_user:
            at, name = f"{claim.source.file}:{claim.source.line}", quoted(claim.name)
            output.warning(f"{at}: the test {name} is about no user: none meets all conditions of its `users`.")


def _placed(claim: Assertion, verdict: Verdict, desired: DesiredState, config: Config) -> Decided:
    flag = desired.flags.get(claim.flag)
    places: list[SourcePosition | None] = [None] * len(verdict.causes)
    if flag is not None and verdict.causes:
        content = desired.texts[flag.source.file]
        places[-1] = place_of(content, flag, config.environment, verdict.causes[-1].path)
    return Decided(claim=claim, verdict=verdict, places=tuple(places), environment=config.environment)


class _Reach:
    """What of each flag tests reach, in any environment."""

    def __init__(self) -> None:
        self._segments: dict[str, dict[tuple[str, int], bool]] = {}
        self._variants: dict[str, dict[str, bool]] = {}
        self._tested: set[str] = set()

    def add(self, desired: DesiredState, claims: Sequence[Assertion], verdicts: Sequence[Verdict]) -> None:
        """Count the tests of one environment."""
        reached: dict[str, set[str]] = {}
        for claim, verdict in zip(claims, verdicts, strict=True):
            reached.setdefault(claim.flag, set()).update(verdict.reached)
        self._tested |= reached.keys()
        for key, flag in desired.flags.items():
            met = reached.get(key, set())
            segments, variants = self._segments.setdefault(key, {}), self._variants.setdefault(key, {})
            names: Counter[str] = Counter()
            for path, name in Decider(FlagWithParents(flag=LiveFlag(id="", project_id="", spec=flag.spec))).rules():
                names[name] += 1
                place = name, names[name]  # segments may have the same name
                segments[place] = segments.get(place) or path in met
            for variant in variant_keys(flag.spec):
                variants[variant] = variants.get(variant) or variant in met

    def unreached(self) -> tuple[Unreached, ...]:
        """The flags that tests do not reach in full, by key."""
        found = []
        for key in sorted(self._segments):
            segments = tuple(name for (name, _), is_met in self._segments[key].items() if not is_met)
            variants = tuple(name for name, is_met in self._variants[key].items() if not is_met)
            if segments or variants:
                found.append(Unreached(flag=key, has_tests=key in self._tested, segments=segments, variants=variants))
        return tuple(found)
