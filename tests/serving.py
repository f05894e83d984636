"""Sessions of `serve` within the test's process, on a real socket, and flags as files for them."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from reconciler.cli.commands.serve import start_session
from reconciler.cli.options import Settings
from reconciler.cli.output import Output
from reconciler.emulator.server import serve
from reconciler.model.fields import FIELDS
from reconciler.model.flag import Unset
from reconciler.model.wire import encode_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reconciler.cli.serving import Session
    from reconciler.model.flag import FlagSpec

DEPLOYMENT = {"Authorization": "Api-Key web"}
CONFIG = 'version: 1\nprojectId: "7"\ndeployments: {web: "67", mobile: "68"}\n'

CHECKOUT = {
    "key": "new-checkout",
    "enabled": True,
    "evaluationMode": "local",
    "bucketingKey": "user_id",
    "bucketingSalt": "salt",
    "rolloutPercentage": 100,
    "rolloutWeights": {"control": 1, "treatment": 1},
    "variants": [
        {"key": "control"},
        {
            "key": "treatment",
            "payload": {"layout": "classic"},
            "inclusions": {"users": ["ada@example.com"], "cohorts": ["beta"]},
        },
    ],
    "deployments": ["web"],
}
ADA = {"user_id": "ada@example.com"}
REMOTE = CHECKOUT | {"key": "search", "evaluationMode": "remote"}


def a_repository(root: Path, *flags: dict[str, Any], config: str = CONFIG) -> Path:
    """A repository that declares these flags, a file each."""
    (root / "flags").mkdir(exist_ok=True)
    (root / "reconciler.yaml").write_text(config, encoding="utf-8")
    for flag in flags:
        write_flag(root, flag)
    return root


def write_flag(root: Path, flag: dict[str, Any]) -> None:
    """Declare a flag, in the place of what its file said."""
    text = yaml.safe_dump(json.loads(json.dumps(flag)), sort_keys=False)
    (root / "flags" / f"{flag['key']}.yaml").write_text(text, encoding="utf-8")


def document_of(spec: FlagSpec) -> dict[str, Any]:
    """A flag as a document of a flag file."""
    shown = ((field, getattr(spec, field.name)) for field in FIELDS)
    return {"key": spec.key} | {
        field.public: encode_field(field, value) for field, value in shown if not isinstance(value, Unset)
    }


@contextmanager
def a_session(root: Path, *, watches: bool = False, **options: Any) -> Iterator[tuple[Session, httpx.Client]]:
    """A session over a repository, and a client of it that is the deployment `web`."""
    session = start_session(Settings(config=root / "reconciler.yaml"), Output(quiet=True), **options)
    tasks = []

    def start() -> None:
        if watches:
            tasks.append(asyncio.get_running_loop().create_task(session.watch()))

    with (
        serve(session.app, on_start=start, on_stop=session.feed.close) as url,
        httpx.Client(base_url=url, headers=DEPLOYMENT) as client,
    ):
        yield session, client


def variants(client: httpx.Client, user: dict[str, Any], **headers: str) -> dict[str, str]:
    """The variants of a user by flag, as remote evaluation gives them."""
    answer = client.post("/sdk/v2/vardata", json=user, headers=headers)
    assert answer.status_code == 200, answer.text
    return {key: variant["key"] for key, variant in answer.json().items()}


def wait_for(happens: Any, seconds: float = 20.0) -> None:
    """Until something is so."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)


def events(lines: Iterable[str]) -> Iterator[Any]:
    """The arrays of a stream, one after the other."""
    for line in lines:
        if line.startswith("data: ") and line.strip() != "data:":
            yield json.loads(line.removeprefix("data: "))
