"""Options that commands share, as decorators, and the values that they become."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click
from msgspec import Struct

from reconciler.cli.completion import complete_environment, complete_key, complete_override
from reconciler.reports.registry import formats
from reconciler.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.reports.registry import Report

P = ParamSpec("P")
R = TypeVar("R")

FILE = click.Path(dir_okay=False, path_type=Path)
"""A file that a command reads."""


class OutputPath(click.Path):
    """A file, or a directory of files, that a command writes: `check_destinations` looks at it before it begins."""


OUTPUT = OutputPath(dir_okay=False, path_type=Path)


class Settings(Struct, frozen=True, kw_only=True):
    """What every command takes."""

    config: Path | None = None
    environment: str | None = None
    verbose: bool = False
    quiet: bool = False
    no_color: bool = False


class PlanArguments(Struct, frozen=True, kw_only=True):
    """The options that shape a plan, as they were given."""

    targets: tuple[str, ...]
    changed_since: tuple[str, ...]
    prune: bool
    unarchive: bool
    allow: tuple[str, ...]
    shield: bool
    shard: tuple[int, int] | None
    api_key_file: Path | None


class OutputOptions(Struct, frozen=True, kw_only=True):
    """In which format a result is written, and where to."""

    form: str = "text"
    output_file: Path | None = None
    out: Path | None = None
    show_users: bool = False
    detailed_exitcode: bool = False


class ApplyArguments(Struct, frozen=True, kw_only=True):
    """How to apply, and what to write about it."""

    auto_approve: bool
    reviewed: Path | None
    on_refusal: str
    on_error: str
    report: Path | None
    no_verify: bool
    expect_commit: str | None


class ShardType(click.ParamType[tuple[int, int]]):
    """`I/N`: the I-th of N parts, counted from 1."""

    name = "I/N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The pair of numbers; fails with a usage error."""
        index, slash, count = str(value).partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            self.fail(f"{value!r} is not I/N with I from 1 to N, as in 2/8.", param, ctx)
        return int(index), int(count)


class GuardType(click.ParamType[str]):
    """A guard that may be overridden, for all flags or for one: `KIND` or `KIND:KEY`."""

    name = "KIND[:KEY]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """What was given; fails with a usage error that lists the guards."""
        from reconciler.planning.guards import ALLOWABLE, ALLOWABLE_BY_FLAG  # noqa: PLC0415 - most commands plan nothing

        guard, colon, key = str(value).partition(":")
        if guard not in ALLOWABLE:
            hint = suggestion(guard, ALLOWABLE)
            self.fail(f"{guard!r} is none of {', '.join(sorted(ALLOWABLE))}.{hint}", param, ctx)
        if colon and guard not in ALLOWABLE_BY_FLAG:
            self.fail(f"{guard!r} is about the whole plan: it takes no key of a flag.", param, ctx)
        if colon and not key:
            self.fail(f"{value!r} names no flag after the colon.", param, ctx)
        return str(value)


def shared_options(function: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """The options of every command; the command gets them as its first argument, once its outputs are looked at."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        settings = Settings(**{name: kwargs.pop(name) for name in Settings.__struct_fields__})  # type: ignore[arg-type]
        _check_outputs(settings, click.get_current_context())
        return function(settings, *args, **kwargs)

    for option in reversed(_SHARED):
        wrapper = option(wrapper)
    return wrapper


def _check_outputs(settings: Settings, ctx: click.Context) -> None:
    """See that the files that the command is to write can be written, and that it reads none of them."""
    files: dict[str, Path] = {}
    caches: dict[str, Path] = {}
    inputs: list[tuple[str, Path]] = []
    for param in ctx.command.params:
        value, kind = ctx.params.get(param.name or ""), param.type
        if isinstance(kind, OutputPath) and value is not None:
            (files if kind.file_okay else caches)[_name_of(param)] = value
        elif isinstance(kind, click.Path):
            paths = value if isinstance(value, tuple) else (value,)
            inputs += [(_name_of(param), path) for path in paths if path is not None]
    if files or caches:
        from reconciler.cli.destinations import check_destinations  # noqa: PLC0415 - most commands write no file

        check_destinations(settings, files, inputs, caches=caches)


def _name_of(param: click.Parameter) -> str:
    """How users write a parameter: `--out`, or `PLAN.json` of an argument."""
    return param.opts[0] if isinstance(param, click.Option) else (param.metavar or "").strip("[].")


_SHARED: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--config",
        "-c",
        type=FILE,
        metavar="FILE",
        help="The configuration [default: reconciler.yaml here or above].",
    ),
    click.option(
        "--env",
        "-e",
        "environment",
        metavar="NAME",
        envvar="RECONCILER_ENV",
        shell_complete=complete_environment,
        help="The environment (RECONCILER_ENV).",
    ),
    click.option(
        "--verbose", "-v", is_flag=True, help="Say more on stderr; show a traceback for an unexpected error."
    ),
    click.option("--quiet", "-q", is_flag=True, help="No progress and no warnings on stderr."),
    click.option("--no-color", is_flag=True, help="No colours, as with NO_COLOR."),
)

key_file_option = click.option(
    "--api-key-file",
    type=FILE,
    metavar="FILE",
    help="Read the key from a file, not AMPLITUDE_MANAGEMENT_API_KEY.",
)
"""The one way to give a key besides the environment; every command that asks the server takes it."""

target_option = click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="GLOB",
    shell_complete=complete_key,
    help="Only flags whose key matches; may be repeated.",
)

allow_option = click.option(
    "--allow",
    multiple=True,
    type=GuardType(),
    shell_complete=complete_override,
    help="Override a safety check, for all flags or one; may be repeated.",
)

key_argument = click.argument("key", shell_complete=complete_key)
"""The key of one flag."""

_PLAN_SHAPE: tuple[Callable[[Any], Any], ...] = (
    target_option,
    click.option(
        "--changed-since",
        metavar="GITREF",
        multiple=True,
        help="Only flags that changed in git since that commit; may be repeated, to add those since another one.",
    ),
    click.option("--prune", is_flag=True, help="Archive live flags with `managedTag` that are no longer declared."),
    click.option("--unarchive", is_flag=True, help="Take flags that declare `archived: false` out of the archive."),
    allow_option,
    click.option(
        "--shield",
        is_flag=True,
        help="Keep the old rollout during the calls, with a temporary segment; 2 more calls.",
    ),
    click.option("--shard", type=ShardType(), help="Only the I-th of N parts of all flags."),
    key_file_option,
)

output_option = click.option(
    "--output", "output_file", type=OUTPUT, metavar="FILE", help="Write the result to a file instead of stdout."
)

_show_users_option = click.option("--show-users", is_flag=True, help="Show user ids; without it they are counted.")

_SAVING: tuple[Callable[[Any], Any], ...] = (
    click.option("--out", type=OUTPUT, metavar="PLAN.json", help="Save the plan, for `show` and `apply`."),
    click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there are changes that are not applied."),
)


_APPLY: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--auto-approve", is_flag=True, help="Do not ask; needed without a terminal, except for a saved plan."
    ),
    click.option(
        "--reviewed",
        type=FILE,
        metavar="FILE",
        help="Hold each flag whose plan differs from this record of `plan --record`.",
    ),
    click.option(
        "--on-refusal",
        type=click.Choice(["hold", "abort"]),
        default="hold",
        show_default=True,
        help="If a flag is held: apply the others (hold), or send nothing (abort).",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["continue", "abort"]),
        default="continue",
        show_default=True,
        help="If a call fails: go on with the other flags, or stop.",
    ),
    click.option("--report", type=OUTPUT, metavar="FILE", help="Write the report as JSON, or why there is none."),
    click.option("--no-verify", is_flag=True, help="Do not read back what was written, except new flags."),
    click.option(
        "--expect-commit",
        metavar="SHA",
        help="Refuse unless this commit and its files are checked out.",
    ),
)


def format_option(report: Report[Any], help: str = "The format of the result.") -> Callable[[Any], Any]:  # noqa: A002
    """`--format`, as the parameter `form`: the formats that the report has, the first by default."""
    choices = formats(report)
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True, help=help
    )


def plan_options(report: Report[Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """The options of `plan` and `apply`, which end in this report, as a PlanArguments and a OutputOptions."""

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> R:  # noqa: ANN401 - click passes what it parsed
            arguments = PlanArguments(**{name: kwargs.pop(name) for name in PlanArguments.__struct_fields__})
            return function(*args, arguments=arguments, display=_take_output_options(kwargs), **kwargs)

        for option in reversed((*_SAVING, *_delivery(report), *_PLAN_SHAPE)):
            wrapper = option(wrapper)
        return wrapper

    return decorate


def output_options(report: Report[Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """`--format`, `--output` and `--show-users`, as a OutputOptions."""

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> R:  # noqa: ANN401 - click passes what it parsed
            return function(*args, display=_take_output_options(kwargs), **kwargs)

        for option in reversed(_delivery(report)):
            wrapper = option(wrapper)
        return wrapper

    return decorate


def apply_options(function: Callable[..., R]) -> Callable[..., R]:
    """The options of `apply` alone, as ApplyArguments."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> R:  # noqa: ANN401 - click passes what it parsed
        choices = ApplyArguments(**{name: kwargs.pop(name) for name in ApplyArguments.__struct_fields__})
        return function(*args, choices=choices, **kwargs)

    for option in reversed(_APPLY):
        wrapper = option(wrapper)
    return wrapper


def _delivery(report: Report[Any]) -> tuple[Callable[[Any], Any], ...]:
    return (format_option(report), output_option, _show_users_option)


def _take_output_options(kwargs: dict[str, Any]) -> OutputOptions:
    return OutputOptions(**{name: kwargs.pop(name) for name in OutputOptions.__struct_fields__ if name in kwargs})
