"""The state: projects, management keys, flags and their versions. Knows no HTTP and decides nothing about bodies.

Flags and versions are kept in the order of their making, oldest first. Not for use by several threads at once;
a test may look at it, or seed it, while no request is under way.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, TypedDict

from reconciler.emulator.records import experiment_record, first_version, flag_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reconciler.emulator.records import (
        DeploymentRecord,
        ExperimentRecord,
        FlagRecord,
        Json,
        KeyRecord,
        VersionRecord,
    )

SEED_USER = "seed@example.com"
"""The author of seeded flags that name none."""

FIRST_ID = 1001
"""The id of the first flag of an empty store."""


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


class State(TypedDict):
    """All that a store holds. Its records are shared with the store: they are never changed in place."""

    projects: dict[str, dict[str, DeploymentRecord]]
    keys: dict[str, KeyRecord]
    flags: list[FlagRecord]
    versions: list[VersionRecord]
    experiments: list[ExperimentRecord]


class Store:
    """Everything the emulator knows. `read_lag`: for how many reads after a write a flag is shown as before it."""

    def __init__(self, *, read_lag: int = 0, now: Callable[[], datetime] = utc_now) -> None:
        self.projects: dict[str, dict[str, DeploymentRecord]] = {}
        self.keys: dict[str, KeyRecord] = {}
        self._guests: dict[str, str] = {}
        self.flags: dict[str, FlagRecord] = {}
        self.experiments: dict[str, ExperimentRecord] = {}
        self.versions: list[VersionRecord] = []
        self.watchers: list[Callable[[], None]] = []
        self._versions_of: dict[str, list[VersionRecord]] = {}
        self._read_lag = read_lag
        self._stale: dict[str, tuple[int, FlagRecord | None]] = {}
        self._now = now
        self._ids = count(FIRST_ID)

    def replace(
        self,
        *,
        projects: Mapping[str, dict[str, DeploymentRecord]],
        keys: Mapping[str, KeyRecord],
        flags: Iterable[FlagRecord],
        versions: Iterable[VersionRecord],
        experiments: Iterable[ExperimentRecord] = (),
    ) -> None:
        """Another state in the place of this one. Reads see it at once; watchers stay."""
        self.projects = {name: dict(known) for name, known in projects.items()}
        self.keys = dict(keys)
        self.flags = {flag["id"]: flag for flag in flags}
        self.experiments = {item["id"]: item for item in experiments}
        self.versions, self._versions_of, self._stale = [], {}, {}
        self._ids = count(FIRST_ID)
        for flag in (*self.flags.values(), *self.experiments.values()):
            self.projects.setdefault(flag["projectId"], {})
        for version in versions:
            self.append_version(version)
        self._changed()

    def state(self) -> State:
        """What `replace` takes, as it is now. Later changes of the store do not change it."""
        return {
            "projects": {name: dict(known) for name, known in self.projects.items()},
            "keys": dict(self.keys),
            "flags": list(self.flags.values()),
            "versions": list(self.versions),
            "experiments": list(self.experiments.values()),
        }

    def add_project(self, project_id: str, deployments: Mapping[str, str] | None = None) -> None:
        """A project, and its deployments as labels by id. Adds to a project that is there already."""
        known = self.projects.setdefault(project_id, {})
        for deployment_id, label in (deployments or {}).items():
            known[deployment_id] = {
                "id": deployment_id,
                "projectId": project_id,
                "label": label,
                "key": f"client-{deployment_id}",
                "deleted": False,
            }
        self._changed()

    def deployment(self, deployment_id: str) -> DeploymentRecord | None:
        """The deployment of an id, in any project."""
        return next((known[deployment_id] for known in self.projects.values() if deployment_id in known), None)

    def put_deployment(self, deployment: DeploymentRecord) -> None:
        """A deployment that is new, or in the place of the one with its id, of another project too."""
        for project, known in self.projects.items():
            if project != deployment["projectId"]:
                known.pop(deployment["id"], None)
        self.projects.setdefault(deployment["projectId"], {})[deployment["id"]] = deployment
        self._changed()

    def new_deployment_id(self) -> str:
        """An id that no deployment has."""
        return next(number for number in map(str, count(1)) if self.deployment(number) is None)

    def add_key(self, key: str, user: str, projects: Iterable[str]) -> None:
        """A management key: whom it belongs to, and which projects it reaches."""
        self.keys[key] = {"user": user, "projects": list(projects)}
        self._changed()

    def admit(self, key: str, user: str) -> None:
        """A key that reaches every project and is no part of the state: it is in no dump and no file."""
        self._guests[key] = user

    def owner_of(self, key: str) -> KeyRecord | None:
        """Whom a key belongs to and what it reaches; None for one that is not known."""
        if key in self._guests and key not in self.keys:
            return {"user": self._guests[key], "projects": list(self.projects)}
        return self.keys.get(key)

    def seed_flag(self, given: Mapping[str, Json], user: str = SEED_USER) -> FlagRecord:
        """A flag without the checks of a create, from a record of any completeness or a document of a flag file.

        `given` needs `projectId` and `key`, and is copied. The flag is shown at once, without the read lag. Raises
        ValueError for an id that is taken.
        """
        return self.seed_flags([deepcopy(given)], user)[0]

    def seed_flags(self, given: Iterable[Mapping[str, Json]], user: str = SEED_USER) -> list[FlagRecord]:
        """Many flags, the oldest first, as one change of the state; see `seed_flag`. What is given is kept."""
        flags = [self._seed(item, user) for item in given]
        self._changed()
        return flags

    def seed_experiment(self, given: Mapping[str, Json], user: str = SEED_USER) -> ExperimentRecord:
        """An experiment, which the API only shows: from a record of any completeness, as `seed_flag`."""
        experiment_id = given.get("id") or self.new_id()
        if experiment_id in self.flags or experiment_id in self.experiments:
            raise ValueError(f"the id {experiment_id} is taken")
        made = experiment_record(deepcopy(given), experiment_id=experiment_id, user=user, at=self.timestamp())
        self.projects.setdefault(made["projectId"], {})
        self.experiments[experiment_id] = made
        self._changed()
        return made

    def put_flag(self, given: Mapping[str, Json], user: str) -> None:
        """A flag in the place of the one with its id, from a record of any completeness, as an edit by `user`.

        What is given is kept as it is.
        """
        before = self.flags[given["id"]]
        stamps = {"createdBy": before["createdBy"], "createdAt": before["createdAt"]}
        flag = flag_record({**given, **stamps}, flag_id=before["id"], user=user, at=self.timestamp())
        self.commit(flag, user)

    def commit(self, flag: FlagRecord, user: str, *, bumps: bool = True) -> None:
        """The flag as it is from now on; with `bumps` it gets a version and says who changed it when."""
        at = self.timestamp()
        flag_id = flag["id"]
        if bumps:
            flag = {**flag, "lastModifiedBy": user, "lastModifiedAt": at}
        if self._read_lag:
            before = self._stale[flag_id][1] if flag_id in self._stale else self.flags.get(flag_id)
            self._stale[flag_id] = (self._read_lag, before)
        self.projects.setdefault(flag["projectId"], {})
        self.flags[flag_id] = flag
        if bumps:
            number = len(self._versions_of.get(flag_id, ())) + 1
            self.append_version({"createdAt": at, "createdBy": user, "version": number, "flag": flag})
        self._changed()

    def remove(self, flag_ids: Iterable[str]) -> None:
        """Flags that are there no more, as if they had never been; no endpoint does that."""
        for flag_id in flag_ids:
            del self.flags[flag_id]
        self._changed()

    def append_version(self, version: VersionRecord) -> None:
        """One version more, the newest."""
        self.versions.append(version)
        self._versions_of.setdefault(version["flag"]["id"], []).append(version)

    def read(self, flag_id: str) -> FlagRecord | None:
        """The flag as one read sees it, which may be late. None: not there, or not yet."""
        if flag_id not in self._stale:
            return self.flags.get(flag_id)
        left, flag = self._stale.pop(flag_id)
        if left > 1:
            self._stale[flag_id] = (left - 1, flag)
        return flag

    def read_all(self, projects: Iterable[str]) -> list[FlagRecord]:
        """Every flag of the projects as one read sees it, newest first."""
        wanted = frozenset(projects)
        flags = [flag for flag in reversed(self.flags.values()) if flag["projectId"] in wanted]
        if not self._stale:
            return flags
        return [seen for flag in flags if (seen := self.read(flag["id"])) is not None]

    def has_key(self, project_id: str, key: str) -> bool:
        """Whether the project has a flag of that key, archived or not."""
        return any(flag["key"] == key and flag["projectId"] == project_id for flag in self.flags.values())

    def has_experiment(self, project_id: str, key: str) -> bool:
        """Whether an experiment of the project has that key."""
        return any(item["key"] == key and item["projectId"] == project_id for item in self.experiments.values())

    def versions_of(self, flag_id: str) -> list[VersionRecord]:
        """The versions of a flag, oldest first."""
        return list(self._versions_of[flag_id])

    def new_id(self) -> str:
        """An id that no flag has."""
        ids = map(str, self._ids)
        return next(item for item in ids if item not in self.flags and item not in self.experiments)

    def timestamp(self) -> str:
        """The time now as answers carry it: ISO 8601 in UTC, with milliseconds."""
        return self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _seed(self, given: Mapping[str, Json], user: str) -> FlagRecord:
        flag_id = given.get("id") or self.new_id()
        if flag_id in self.flags:
            raise ValueError(f"there already is a flag of id {flag_id}")
        flag = flag_record(given, flag_id=flag_id, user=user, at=self.timestamp())
        self.projects.setdefault(flag["projectId"], {})
        self.flags[flag_id] = flag
        self.append_version(first_version(flag))
        return flag

    def _changed(self) -> None:
        for watcher in self.watchers:
            watcher()
