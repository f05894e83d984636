"""The live flags and deployments of a project, as `serve` serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.api.parents import completed, read_parents
from reconciler.cli.planning import resolve_credentials, run_with_client
from reconciler.importer.read import read_importable

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.api.client import Client
    from reconciler.api.responses import DeploymentInfo
    from reconciler.cli.output import Output
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, LiveFlag
    from reconciler.progress import Progress


class LiveRead(Struct, frozen=True, kw_only=True):
    """What is live in a project. `ambiguous` are the keys that several flags have: none of these is in `flags`.

    `deployments` is empty where the key must not read them.
    """

    project_id: str
    flags: dict[str, LiveFlag]
    deployments: tuple[DeploymentInfo, ...]
    ambiguous: frozenset[str]


def read_live(config: Config, desired: DesiredState, key_file: Path | None, output: Output) -> LiveRead:
    """The live flags by key, with archived ones that are declared or that others depend on. Warnings are printed.

    Raises UsageError and AccessError for the key, ApiErrors.
    """
    credentials = resolve_credentials(config, key_file, output)

    async def read(client: Client, progress: Progress) -> LiveRead:
        state, flags = await read_importable(client, targets=(), desired=desired, inclusions=True, progress=progress)
        page = await client.list_all_deployments()
        for warning in state.warnings:
            output.warning(warning)
        for key, ids in state.duplicates.items():
            output.warning(f"{key}: several live flags carry this key (ids {', '.join(ids)}): none is served.")
        parents = [await completed(client, flag, {}) for flag in (await read_parents(client, flags)).values()]
        return LiveRead(
            project_id=config.project_id,
            flags={flag.key: flag for flag in (*parents, *flags)},
            deployments=page.deployments if page else (),
            ambiguous=frozenset(state.duplicates),
        )

    return run_with_client(config, credentials, output, read)
