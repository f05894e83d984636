"""The whole state as one JSON document: in a file that outlives the server, and for tests to compare.

    {"format": 1,
     "projects": {"7": {"deployments": [{"id": "67", "label": "web", "key": "client-67", "deleted": false}]}},
     "keys": {"a-management-key": {"user": "ada@example.com", "projects": ["7"]}},
     "flags": [{"id": "1001", "projectId": "7", "key": "new-checkout", "variants": [{"key": "on", "users": []}]}],
     "versions": [{"createdAt": "…", "createdBy": "…", "version": 1, "flag": {…}}]}

Flags and versions stand in the order of their making, oldest first. `experiments`, which the API only shows, look
like flags with a `state`; it is there where there are any. On reading, a flag may lack any field but
`projectId` and `key` (`records.flag_record` says what it then is), and without `versions` each flag has one.
"""

from __future__ import annotations

import hashlib
import json
import os
from itertools import count
from typing import TYPE_CHECKING, cast

from reconciler.emulator.records import experiment_record, first_version, flag_record
from reconciler.emulator.requests import encode
from reconciler.emulator.store import FIRST_ID, SEED_USER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reconciler.emulator.records import (
        DeploymentRecord,
        ExperimentRecord,
        FlagRecord,
        Json,
        KeyRecord,
        VersionRecord,
    )
    from reconciler.emulator.store import Store

FORMAT = 1


class StateError(ValueError):
    """A document that is not a state of this format; the message says where."""


class StateWriter:
    """Encodes a store again and again, each record once."""

    def __init__(self) -> None:
        self._encoded: dict[int, tuple[FlagRecord, bytes]] = {}

    def dump(self, store: Store) -> bytes:
        """The document."""
        head = encode({"format": FORMAT, "projects": _projects(store), "keys": store.keys})
        versions = b",\n".join(self._version(version) for version in store.versions)
        flags = b",\n".join(self._flag(flag) for flag in store.flags.values())
        experiments = list(store.experiments.values())
        more = b',\n"experiments": %s' % encode(experiments) if experiments else b""
        return b'%s,\n"flags": [\n%s],\n"versions": [\n%s]%s}\n' % (head[:-1], flags, versions, more)

    def _version(self, version: VersionRecord) -> bytes:
        stamp = encode({name: version[name] for name in ("createdAt", "createdBy", "version")})
        return b'%s,"flag":%s}' % (stamp[:-1], self._flag(version["flag"]))

    def _flag(self, flag: FlagRecord) -> bytes:
        known = self._encoded.get(id(flag))
        if known is None:
            known = self._encoded[id(flag)] = (flag, encode(flag))
        return known[1]


class StateFile:
    """A file that always holds the state after the last write. It is replaced as a whole, never half-written.

    Users are in it, and keys: its mode is 0600.
    """

    def __init__(self, path: Path, store: Store) -> None:
        self._path = path
        # Its own for each state, and never too long: the state's name may be as long as names can be.
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
        self._beside = path.with_name(f".emulator-{digest[:16]}.tmp")
        self._store = store
        self._writer = StateWriter()

    def attach(self) -> None:
        """Loads the file where there is one, else writes it; from now on every change is written. StateError."""
        if self._path.exists():
            load(self._store, self._path.read_bytes())
        self._store.watchers.append(self.save)
        self.save()

    def save(self) -> None:
        """Writes the state beside the file, then puts it in its place."""
        descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(self._writer.dump(self._store))
        self._beside.replace(self._path)


def load(store: Store, document: bytes) -> None:
    """Puts the document's state in the place of the store's. StateError leaves the store as it was."""
    try:
        state = json.loads(document)
        _require(state.get("format", FORMAT) == FORMAT, f"its format is not {FORMAT}")
        flags = _flags(state.get("flags", ()), store.timestamp())
        versions = _versions(state.get("versions", ()), flags)
        projects = {name: _deployments(name, item) for name, item in state.get("projects", {}).items()}
        experiments = [_experiment(item, store.timestamp()) for item in state.get("experiments", ())]
        keys: dict[str, KeyRecord] = {
            key: {"user": item["user"], "projects": list(item["projects"])}
            for key, item in state.get("keys", {}).items()
        }
    except KeyError as error:
        raise StateError(f"this is not a state of the emulator: {error} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise StateError(f"this is not a state of the emulator: {error}") from error
    store.replace(projects=projects, keys=keys, flags=flags, versions=versions, experiments=experiments)


def _flags(given: Sequence[dict[str, Json]], at: str) -> list[FlagRecord]:
    taken = {item["id"] for item in given if "id" in item}
    free = (number for number in map(str, count(FIRST_ID)) if number not in taken)
    flags = [
        flag_record(item, flag_id=next(free) if "id" not in item else "", user=SEED_USER, at=at) for item in given
    ]
    for flag in flags:
        strings = (flag["id"], flag["projectId"], flag["key"])
        _require(all(isinstance(value, str) for value in strings), f"the ids of flag {flag['key']} must be strings")
    _require(len({flag["id"] for flag in flags}) == len(flags), "two flags have the same id")
    return flags


def _experiment(given: dict[str, Json], at: str) -> ExperimentRecord:
    return experiment_record(given, experiment_id=given["id"], user=SEED_USER, at=at)


def _require(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise ValueError(otherwise)


def _versions(given: Sequence[dict[str, Json]], flags: Sequence[FlagRecord]) -> list[VersionRecord]:
    current = {flag["id"]: flag for flag in flags}
    versions = [cast("VersionRecord", {**item, "flag": _shared(item["flag"], current)}) for item in given]
    with_past = {version["flag"]["id"] for version in versions}
    return versions + [first_version(flag) for flag in flags if flag["id"] not in with_past]


def _shared(flag: dict[str, Json], current: Mapping[str, FlagRecord]) -> FlagRecord:
    """The very record that is current, where a version shows the same: it is kept, and encoded, once."""
    known = current.get(flag["id"])
    return cast("FlagRecord", known if known == flag else flag)


def _deployments(project_id: str, project: Mapping[str, Json]) -> dict[str, DeploymentRecord]:
    return {
        item["id"]: {
            "id": item["id"],
            "projectId": project_id,
            "label": item.get("label", item["id"]),
            "key": item.get("key", f"client-{item['id']}"),
            "deleted": item.get("deleted", False),
        }
        for item in project.get("deployments", ())
    }


def _projects(store: Store) -> dict[str, Json]:
    return {name: {"deployments": list(deployments.values())} for name, deployments in store.projects.items()}
