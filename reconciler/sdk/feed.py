"""What is served now: each deployment's configurations, and those who wait for the next ones."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.delivery import LOCAL, deliver, flag_config, variants_of
from reconciler.errors import ReconcilerError
from reconciler.model.flag import OFF
from reconciler.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from reconciler.model.flag import LiveFlag
    from reconciler.sdk.engine import RemoteEvaluation
    from reconciler.strict_json import Json


OVERRIDE: Final = "override"
"""The name of the segments that give variants for a session."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Deployment(Struct, frozen=True, kw_only=True):
    """A deployment, and what an SDK may ask for it by: its key, the names that are configured, its id, its label."""

    id: str
    project_id: str
    key: str
    label: str
    names: frozenset[str] = frozenset()

    @property
    def calls(self) -> tuple[Collection[str], ...]:
        """What it is called, in groups: a name of an earlier group counts more than one of a later group."""
        return (self.key,), self.names, (self.id,), (self.label,)

    @property
    def public_names(self) -> set[str]:
        """What may be told to a client that has no key."""
        return {self.id, self.label, *self.names}


class Served(Struct, frozen=True, kw_only=True):
    """Flags by id, and deployments."""

    flags: Mapping[str, LiveFlag]
    deployments: tuple[Deployment, ...]


class UnknownFlagError(LookupError):
    """A flag, or a variant of it, that is not served. The message says which ones are."""


class Overrides:
    """Variants that are given for this session, before what the flags say: to everyone, or to users by their id."""

    def __init__(self) -> None:
        self.everyone: dict[str, str] = {}
        self.users: dict[str, dict[str, str]] = {}

    def put(self, key: str, variant: str, user: str | None = None) -> None:
        """Give a flag's variant to everyone, or to one user; that of the user counts more."""
        if user is None:
            self.everyone[key] = variant
        else:
            self.users.setdefault(key, {})[user] = variant

    def clear(self, key: str | None = None) -> None:
        """Forget those of a flag, or all."""
        for overrides in (self.everyone, self.users):
            if key is None:
                overrides.clear()
            else:
                overrides.pop(key, None)

    def variant_of(self, key: str, ids: Iterable[Json], variants: Collection[str]) -> str | None:
        """The one of a flag's variants that is given to a user of these ids; None where none is."""
        given = self.users.get(key, {})
        chosen = (*(given.get(str(name)) for name in ids), self.everyone.get(key))
        return next((variant for variant in chosen if variant in variants), None)

    def apply(self, config: dict[str, Json]) -> dict[str, Json]:
        """The configuration with segments before all others that give the variants which the flag has."""
        key = config["key"]
        by_variant: dict[str, list[str]] = {}
        for user, variant in self.users.get(key, {}).items():
            if variant in config["variants"]:
                by_variant.setdefault(variant, []).append(user)
        segments: list[Json] = [
            {
                "metadata": {"segmentName": OVERRIDE},
                "conditions": [
                    [{"selector": ["context", "user", name], "op": "is", "values": users}]
                    for name in ("user_id", "device_id")
                ],
                "variant": variant,
            }
            for variant, users in by_variant.items()
        ]
        if self.everyone.get(key) in config["variants"]:
            segments.append({"metadata": {"segmentName": OVERRIDE}, "variant": self.everyone[key]})
        return {**config, "segments": segments + config["segments"]} if segments else config


class _Memo:
    """Configurations of flags that are the same as before, and their JSON: of thousands, few change at a time."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], tuple[LiveFlag, Mapping[str, str], bool, dict[str, Json]]] = {}
        self._encoded: dict[str, tuple[dict[str, Json], bytes]] = {}

    def __call__(self, flag: LiveFlag, parents: Mapping[str, str], *, deployed: bool, local: bool) -> dict[str, Json]:
        """The configuration; see `flag_config`."""
        known = self._made.get((flag.id, local))
        if known is not None and known[0] is flag and known[1:3] == (parents, deployed):
            return known[3]
        config = flag_config(flag, parents, deployed=deployed, local=local)
        self._made[flag.id, local] = (flag, parents, deployed, config)
        return config

    def encode(self, config: dict[str, Json]) -> bytes:
        """The configuration as JSON."""
        known = self._encoded.get(config["key"])
        if known is None or known[0] is not config:
            known = (config, _encode(config).encode())
            self._encoded[config["key"]] = known
        return known[1]


class Feed:
    """The flags of a store as SDKs get them. `read` gives them; it is asked again after `refresh`."""

    def __init__(self, read: Callable[[], Served]) -> None:
        self.overrides = Overrides()
        self._read = read
        self._served: Served | None = None
        self._local: dict[str, bytes] = {}
        self._remote: dict[str, RemoteEvaluation] = {}
        self._memo = _Memo()
        self._waiting: set[asyncio.Event] = set()
        self._is_closed = False

    @property
    def served(self) -> Served:
        """What is served now."""
        if self._served is None:
            self._served = self._read()
        return self._served

    def refresh(self) -> None:
        """Something has changed: SDKs that stream are told. Only for the thread that serves."""
        self._served = None
        self._local.clear()
        self._remote.clear()
        for event in self._waiting:
            event.set()

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for event in self._waiting:
            event.set()

    @property
    def is_closed(self) -> bool:
        """Whether streams are to end."""
        return self._is_closed

    @contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change; the waiter clears it."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    def deployment(self, name: str) -> Deployment | None:
        """The deployment that is called so. A key counts more than what others are called, a label less."""
        found = (
            (rank, item) for item in self.served.deployments for rank, names in enumerate(item.calls) if name in names
        )
        return min(found, key=itemgetter(0), default=(0, None))[1] if name else None

    def configs(self, deployment: Deployment, *, local: bool) -> list[dict[str, Json]]:
        """The configurations of a deployment, overrides included; those are for flags that the SDK may evaluate."""
        found = deliver(self.served.flags.values(), deployment=deployment.id, local=local, make=self._memo)
        return [
            config if local and config["metadata"]["evaluationMode"] != LOCAL else self.overrides.apply(config)
            for config in found
        ]

    def local(self, deployment: Deployment) -> bytes:
        """The array that SDKs get which evaluate themselves, as JSON."""
        if deployment.id not in self._local:
            configs = map(self._memo.encode, self.configs(deployment, local=True))
            self._local[deployment.id] = b"[%s]" % b",".join(configs)
        return self._local[deployment.id]

    def remote(self, deployment: Deployment) -> RemoteEvaluation:
        """The evaluation for SDKs that have it done here. Raises ReconcilerError where the extra is not installed."""
        if deployment.id not in self._remote:
            try:
                from reconciler.sdk.engine import RemoteEvaluation  # noqa: PLC0415 - an extra
            except ModuleNotFoundError as error:
                raise ReconcilerError(
                    "Users are evaluated by Amplitude's engine, which is an extra: install it with "
                    "`pip install 'amplitude-flag-reconciler[serve]'`."
                ) from error
            self._remote[deployment.id] = RemoteEvaluation(self.configs(deployment, local=False))
        return self._remote[deployment.id]

    def flag(self, key: str, project_id: str | None = None) -> LiveFlag | None:
        """The flag of a key."""
        flags = self.served.flags.values()
        return next((flag for flag in flags if flag.key == key and project_id in {None, flag.project_id}), None)

    def override(self, key: str, variant: str, user: str | None = None) -> None:
        """Give a variant from now on. Raises UnknownFlagError."""
        flag = self.flag(key)
        if flag is None:
            hint = suggestion(key, (item.key for item in self.served.flags.values()))
            raise UnknownFlagError(f'There is no flag "{key}".{hint}')
        known = [item.key for item in variants_of(flag.spec)] + [OFF]
        if variant not in known:
            raise UnknownFlagError(f'Flag "{key}" has no variant "{variant}", only {", ".join(known)}.')
        self.overrides.put(key, variant, user)
        self.refresh()
