"""What shells complete besides commands and choices: environments, keys of flags, and guards. Reads files only."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from reconciler.model.config import Config


def complete_environment(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The environments of the configuration."""
    return _beginning(incomplete, (config.environment or "" for config in _configs(ctx, None)))


def complete_key(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The keys of the declared flags."""
    return _beginning(incomplete, _keys(ctx))


def complete_override(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The guards that may be overridden; after `KIND:` the keys of the flags that one may be overridden for."""
    from reconciler.planning.guards import ALLOWABLE, ALLOWABLE_BY_FLAG  # noqa: PLC0415 - only a completion needs it

    guard, *rest = incomplete.split(":", 1)
    if not rest:
        return _beginning(incomplete, ALLOWABLE)
    return _beginning(incomplete, (f"{guard}:{key}" for key in _keys(ctx))) if guard in ALLOWABLE_BY_FLAG else []


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if word and word.startswith(incomplete)})


def _keys(ctx: click.Context) -> set[str]:
    from reconciler.files.load import load_desired  # noqa: PLC0415 - only a completion needs it here

    keys: set[str] = set()
    for config in _configs(ctx, ctx.params.get("environment")):
        with suppress(ReconcilerError, OSError):  # files may be half written while a command is typed
            keys.update(load_desired(config).flags)
    return keys


def _configs(ctx: click.Context, environment: str | None) -> tuple[Config, ...]:
    from reconciler.files.config_file import find_config, load_configs  # noqa: PLC0415 - only a completion needs it here

    try:
        return load_configs(find_config(ctx.params.get("config")), environment, needs_flags=False)
    except (ReconcilerError, OSError):
        return ()
