"""Where the flags come from that `serve` serves: files, the live project, both, or a saved plan."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.responses import DeploymentInfo
from reconciler.cli.loading import load
from reconciler.diagnostics import SourcePosition
from reconciler.errors import InvalidInputError, StalePlanError, UsageError
from reconciler.files.config_file import find_config, load_config
from reconciler.files.listing import SUFFIXES
from reconciler.files.load import load_contents
from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec, LiveFlag, Unset
from reconciler.planning.comparison import planned_spec
from reconciler.planning.operations import ImpossibleCallError, apply_operations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from reconciler.cli.live_source import LiveRead
    from reconciler.cli.options import Settings
    from reconciler.cli.output import Output
    from reconciler.model.config import Config
    from reconciler.planning.plan import Plan

FILES, LIVE = "files", "live"

DEFAULT_DEPLOYMENT = "default"
"""The deployment where neither the configuration nor a flag file names one."""


class Content(Struct, frozen=True, kw_only=True):
    """What is to be served. `live` are the flags as they are live, by key; None where nothing was read."""

    config: Config
    flags: tuple[LiveFlag, ...]
    deployments: tuple[DeploymentInfo, ...]
    live: Mapping[str, LiveFlag] | None


class Source:
    """Reads what is to be served: what is live once, and the files each time."""

    def __init__(self, given: str, settings: Settings, key_file: Path | None, output: Output) -> None:
        self.name = given
        parts = given.split(",")
        self._plan: Plan | None = None
        if not set(parts) <= {FILES, LIVE}:
            from reconciler.cli.plan_file import read_plan_file  # noqa: PLC0415 - most runs serve files alone

            self._plan, parts = read_plan_file(Path(given)).plan, [LIVE]
            if held := [flag.key for flag in self._plan.held]:
                output.warning(f"Held by safety checks, so served as they are live: {', '.join(held)}.")
        self.has_files, self.is_live = FILES in parts, LIVE in parts
        self._settings, self._key_file, self._output = settings, key_file, output
        self._read_last: tuple[Config, DesiredState] | None = None
        self._live: LiveRead | None = None

    def read(self) -> Content:
        """What is to be served now. Raises InvalidInputError, UsageError, ApiErrors, StalePlanError."""
        if self.has_files:
            loaded = load(self._settings, self._output)
            config, desired = loaded.config, loaded.desired
        else:
            file = find_config(self._settings.config)
            config = load_config(file, self._settings.environment, needs_flags=False)
            desired = DesiredState(flags={})
        return self._content(config, desired)

    def read_again(self, names: Collection[str]) -> Content | None:
        """What is to be served after these paths changed, of which only the flag files are read.

        None where that cannot be told: where files came or went, where something in them is wrong, or where a flag
        moved. What is wrong between files is for `read` to find. Other names are those of drafts, which editors write
        before they put them in the place of a file.
        """
        if self._read_last is None:
            return None
        config, known = self._read_last
        places = {os.path.relpath(name, config.file.parent): Path(name) for name in names if name.endswith(SUFFIXES)}
        if not places or not places.keys() <= {flag.source.file for flag in known.flags.values()}:
            return None
        try:
            found = load_contents(config, {place: path.read_bytes() for place, path in places.items()}).flags
            rest = {key: flag for key, flag in known.flags.items() if flag.source.file not in places}
            if not rest.keys().isdisjoint(found):
                return None
            return self._content(config, DesiredState(flags=dict(sorted({**rest, **found}.items()))))
        except (OSError, InvalidInputError):
            return None

    def _content(self, config: Config, desired: DesiredState) -> Content:
        self._read_last = config, desired
        if self._plan is not None:
            _require_same_project(self._plan, config)
        live = self._read_live(config, desired) if self.is_live else None
        if live is None:
            flags = {key: _with_spec(None, flag.spec, config) for key, flag in desired.flags.items()}
        elif self._plan is not None:
            flags = _after_plan(self._plan, live.flags, config)
        else:
            declared = [flag for flag in desired.flags.values() if flag.key not in live.ambiguous]
            flags = _with_branch(live.flags, declared, config)
        deployments = (live.deployments if live else ()) or _named_deployments(config, flags.values())
        everywhere = tuple(item.id for item in deployments)
        return Content(
            config=config,
            flags=tuple(_attached(flags[key], everywhere) for key in sorted(flags)),
            deployments=deployments,
            live=live.flags if live else None,
        )

    def _read_live(self, config: Config, desired: DesiredState) -> LiveRead:
        """What is live, read at the first call. Raises UsageError where that was of another project."""
        if self._live is None:
            from reconciler.cli.live_source import read_live  # noqa: PLC0415 - 40 ms that files alone do not need

            wanted = _wanted(self._plan) if self._plan else desired
            self._live = read_live(config, wanted, self._key_file, self._output)
        if self._live.project_id != config.project_id:
            raise UsageError(
                f"What is live was read of project {self._live.project_id}, and {config.file.name} now names "
                f"{config.project_id}: start the command again."
            )
        return self._live


def _after_plan(plan: Plan, live: Mapping[str, LiveFlag], config: Config) -> dict[str, LiveFlag]:
    """What the live flags are once the calls of a saved plan are made."""
    flags = dict(live)
    for planned in plan.to_apply:
        flag = flags.get(planned.key)
        try:
            spec = apply_operations(flag.spec if flag else None, planned.operations)
        except ImpossibleCallError as error:
            raise StalePlanError(
                f'The plan cannot be made of what is live: flag "{planned.key}": {error} Make a new one.'
            ) from error
        flags[planned.key] = _with_spec(flag, spec, config)
    return flags


def _wanted(plan: Plan) -> DesiredState:
    """The flags of a plan, none of their fields declared: as if files said no more than their keys."""
    nowhere = SourcePosition(file="", line=1, column=1)
    return DesiredState(
        flags={flag.key: DesiredFlag(spec=FlagSpec(key=flag.key), source=nowhere) for flag in plan.to_apply}
    )


def _require_same_project(plan: Plan, config: Config) -> None:
    if (plan.project_id, plan.environment) != (config.project_id, config.environment):
        raise UsageError(
            f"The plan is for project {plan.project_id}, environment {plan.environment or 'none'}: not for "
            f"{config.project_id}, {config.environment or 'none'}. Choose it with --env."
        )


def _with_branch(
    live: Mapping[str, LiveFlag], declared: Iterable[DesiredFlag], config: Config
) -> dict[str, LiveFlag]:
    """The live flags with what the files declare on top."""
    flags = dict(live)
    for flag in declared:
        known = flags.get(flag.key)
        if spec := planned_spec(flag, known, config):
            flags[flag.key] = _with_spec(known, spec, config)
    return flags


def _with_spec(flag: LiveFlag | None, spec: FlagSpec, config: Config) -> LiveFlag:
    """The flag with another content; one that is not live has no id."""
    return replace(flag, spec=spec) if flag else LiveFlag(id="", project_id=config.project_id, spec=spec)


def _named_deployments(config: Config, flags: Iterable[LiveFlag]) -> tuple[DeploymentInfo, ...]:
    """Those that the configuration or a flag names; one, if there is none. Their keys are not known offline."""
    named = [item for flag in flags for item in flag.spec.deployments or ()]
    ids = list(dict.fromkeys([*config.deployments.values(), *named])) or [DEFAULT_DEPLOYMENT]
    labels = {number: name for name, number in config.deployments.items()}
    return tuple(
        DeploymentInfo(
            id=item, project_id=config.project_id, label=labels.get(item, item), key=f"client-{item}", deleted=False
        )
        for item in ids
    )


def _attached(flag: LiveFlag, everywhere: tuple[str, ...]) -> LiveFlag:
    """The flag; where nothing says what it is attached to, that is everything."""
    if isinstance(flag.spec.deployments, Unset):
        return replace(flag, spec=replace(flag.spec, deployments=everywhere))
    return flag
