"""What the emulator's store holds, for SDKs, and what is to be served, for the store.

The emulator knows nothing of this package, and `sdk` nothing of the emulator: here its records become flags, as
answers of the API do, and flags become records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.delivery import stand_in_salt, variants_of
from reconciler.model.fields import FIELDS
from reconciler.model.flag import LiveFlag, Unset
from reconciler.model.wire import decode_flag, encode_field
from reconciler.sdk.app import PREFIXES, SdkServer
from reconciler.sdk.cohorts import Cohorts
from reconciler.sdk.feed import Deployment, Feed, Served
from reconciler.sdk.front import by_prefix, marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import ASGIApp

    from reconciler.emulator.app import Emulator
    from reconciler.emulator.store import Store

SERVE_USER = "serve@example.com"
"""The author of versions that a reload makes."""


class StoreReader:
    """What a store holds, as SDKs are served it. A record that is the same is decoded once."""

    def __init__(self, store: Store, names: Mapping[str, str]) -> None:
        """`names`: the ids of deployments by what the configuration calls them."""
        self._store = store
        self.names = names
        self._decoded: dict[str, tuple[Any, LiveFlag]] = {}

    def __call__(self) -> Served:
        """The flags and deployments of now."""
        deployments = tuple(
            Deployment(
                id=item["id"],
                project_id=project,
                key=item["key"],
                label=item["label"],
                names=frozenset(self._names_of(item["id"])),
            )
            for project, known in self._store.projects.items()
            for item in known.values()
            if not item["deleted"]
        )
        return Served(flags={key: self._flag(key) for key in self._store.flags}, deployments=deployments)

    def _names_of(self, deployment_id: str) -> Iterable[str]:
        return (name for name, known in self.names.items() if known == deployment_id)

    def _flag(self, flag_id: str) -> LiveFlag:
        record: Any = self._store.flags[flag_id]
        known = self._decoded.get(flag_id)
        if known is None or known[0] is not record:
            flag = decode_flag(record)
            variants = tuple(
                replace(variant, users=tuple(item["users"]), cohorts=tuple(item["cohorts"]))
                for variant, item in zip(variants_of(flag.spec), record["variants"], strict=True)
            )
            known = (record, replace(flag, spec=replace(flag.spec, variants=variants)))
            self._decoded[flag_id] = known
        return known[1]


def with_sdks(emulator: Emulator, names: Mapping[str, str], cohorts: Cohorts | None = None) -> tuple[ASGIApp, Feed]:
    """The emulator with the endpoints that SDKs ask, and what feeds them. `names` as of StoreReader."""
    feed = Feed(StoreReader(emulator.store, names))
    emulator.store.watchers.append(feed.refresh)
    sdk = SdkServer(feed, cohorts or Cohorts())
    return marked(by_prefix({PREFIXES: sdk.app}, emulator.app)), feed


class StoreWriter:
    """Keeps a store like the flags that are to be served. What others edited of flags that stay the same is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given: dict[str, dict[str, Any]] = {}

    def write(self, flags: Iterable[LiveFlag]) -> bool:
        """Make the store hold these flags, by key: new ones are added, different ones replaced, others removed.

        Whether any of them is not as it was given before.
        """
        wanted = {flag.key: record_of(flag) for flag in flags}
        ids = {flag["key"]: flag_id for flag_id, flag in self._store.flags.items()}
        gone = [ids[key] for key in self._given.keys() - wanted.keys() if key in ids]
        changed = [key for key, record in wanted.items() if self._given.get(key) != record]
        self._given = wanted
        if gone:
            self._store.remove(gone)
        for key in changed:
            if key in ids:
                self._store.put_flag(wanted[key] | {"id": ids[key]}, SERVE_USER)
        if added := [wanted[key] for key in changed if key not in ids]:
            self._store.seed_flags(sorted(added, key=lambda record: "id" not in record))  # new ids are free ones then
        return bool(gone or changed)


def record_of(flag: LiveFlag) -> dict[str, Any]:
    """A flag as a record of the emulator: with a salt in any case, and with the variants that weights name."""
    spec = replace(flag.spec, variants=variants_of(flag.spec))
    if isinstance(spec.bucketing_salt, Unset):
        spec = replace(spec, bucketing_salt=stand_in_salt(spec.key))
    shown = ((field, getattr(spec, field.name)) for field in FIELDS)
    record: dict[str, Any] = {"projectId": flag.project_id, "key": spec.key} | {
        field.public: encode_field(field, value) for field, value in shown if not isinstance(value, Unset)
    }
    if flag.id:
        record["id"] = flag.id
    if flag.parent_dependencies is not None:
        parents = {flag_id: list(allowed) for flag_id, allowed in flag.parent_dependencies.flags}
        record["parentDependencies"] = {"flags": parents, "operator": flag.parent_dependencies.operator}
    return record
