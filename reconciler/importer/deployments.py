"""Names for deployments that live flags are attached to: made of their labels, and put into reconciler.yaml."""

from __future__ import annotations

import re
from itertools import chain, count
from typing import TYPE_CHECKING

from reconciler.files.yaml.edit import rewrite_document
from reconciler.files.yaml.reader import read_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag
    from reconciler.strict_json import Json


def unnamed_deployments(flags: Iterable[LiveFlag], config: Config) -> frozenset[str]:
    """The ids of deployments that flags are attached to and the configuration does not name."""
    used = {item for flag in flags for item in flag.spec.deployments or ()}
    return frozenset(used.difference(config.deployments.values()))


def names_for(ids: Iterable[str], labels: Mapping[str, str], config: Config) -> dict[str, str]:
    """A name for each id with a known label: the label as a name may be, and none that there is already."""
    taken = {*config.deployments, *config.deployments.values()}
    named: dict[str, str] = {}
    for deployment in sorted(ids):
        if deployment not in labels:
            continue
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", labels[deployment]).strip("-")
        stem = plain if re.search(r"[A-Za-z_]", plain) else f"deployment-{plain or deployment}"
        name = next(item for item in chain([stem], (f"{stem}-{number}" for number in count(2))) if item not in taken)
        taken.add(name)
        named[name] = deployment
    return named


def with_deployments(text: str, config: Config, named: Mapping[str, str]) -> str:
    """The text of reconciler.yaml with these names beside those that the configuration has; comments stay.

    They go where the environment's are: under the environment where it has its own, or where there are several, since
    each project has deployments of its own.
    """
    value = read_documents(text, "")[0].value
    names = {**config.deployments, **named}
    if config.environment is not None:
        environments = value["environments"]
        own = {**environments[config.environment], "deployments": names}
        return rewrite_document(text, 0, {**value, "environments": {**environments, config.environment: own}})
    if "deployments" in value:
        return rewrite_document(text, 0, {**value, "deployments": names})
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = ["deployments:", *(f"  {_quoted(name)}: {_quoted(number)}" for name, number in names.items())]
    return text.rstrip() + line_end + line_end.join(lines) + line_end


def _quoted(text: Json) -> str:
    return f'"{text}"'
