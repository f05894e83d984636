"""The emulator, imported only where it is run: it is an extra of the package."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.api.credentials import Origin, read_key
from reconciler.errors import AccessError, ReconcilerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.emulator.app import Emulator
    from reconciler.model.config import Config

EMULATOR_KEY = "emulator-management-key"
"""The key that the emulator takes where its state names none. It opens nothing else."""

EMULATOR_USER = "you@example.com"
DEFAULT_PROJECT = "217854"


def accept_environment_key(environ: Mapping[str, str], emulator: Emulator) -> None:
    """Let the emulator take the key of the environment too, where there is one: it is neither shown nor stored."""
    loopback = Origin(scheme="http", host="127.0.0.1", port=0, is_loopback=True)
    with suppress(AccessError):
        emulator.store.admit(read_key(environ, None, origin=loopback).reveal(), EMULATOR_USER)


def create_emulator(
    *, state: Path | None = None, latency: float = 0.0, rate: int | None = None, configs: tuple[Config, ...] = ()
) -> Emulator:
    """An emulator of the projects and deployments of the configurations, and of those in its state.

    `latency` in seconds. Raises ReconcilerError where the extra is not installed, UsageError for a file that holds no
    state.
    """
    try:
        from reconciler.emulator.app import Emulator  # noqa: PLC0415
        from reconciler.emulator.options import Limits  # noqa: PLC0415
        from reconciler.emulator.state_file import StateError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ReconcilerError(
            "The emulator is an extra: install it with `pip install 'amplitude-flag-reconciler[emulator]'`."
        ) from error
    try:
        emulator = Emulator(limits=Limits(rate=rate, latency=latency), state_file=state)
    except StateError as error:
        raise UsageError(f"--state {str(state)!r}: {error}.") from error
    for config in configs:
        known = emulator.store.projects.get(config.project_id, {})
        missing = {number: name for name, number in config.deployments.items() if number not in known}
        emulator.store.add_project(config.project_id, missing)
    if not emulator.store.projects:
        emulator.store.add_project(DEFAULT_PROJECT)
    if not emulator.store.keys:
        emulator.store.add_key(EMULATOR_KEY, EMULATOR_USER, list(emulator.store.projects))
    return emulator
