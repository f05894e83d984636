"""SDKs for browsers, unmodified, in Chromium: a page of another origin asks what is served."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from evaluations import evaluator_of
from msgspec.structs import replace
from playwright.sync_api import sync_playwright
from sdks.test_node_sdks import HERE, plain
from sdks.test_python_sdk import people, random_specs, seeded
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from reconciler.cli.feeding import with_sdks
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)."),
    pytest.mark.skipif(
        not (HERE / "node_modules" / "@amplitude").is_dir(),
        reason="The SDKs for browsers are not here: `make sdks` fetches them, where npm is.",
    ),
]

FLAGS, USERS = 12, 25


@pytest.fixture
def page() -> Iterator[Any]:
    """A page that holds the SDKs, of an origin of its own."""
    routes = [
        Route("/", lambda _: FileResponse(HERE / "page.html")),
        Mount("/node_modules", StaticFiles(directory=HERE / "node_modules")),
    ]
    with serve(Starlette(routes=routes)) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = chromium.new_page()
        page.goto(url)
        page.wait_for_function("() => Boolean(window.ask)")
        yield page
        chromium.close()


def test_every_client_gives_what_we_give(page: Any) -> None:
    """Flags of the local and of the remote mode, and OpenFeature: the same variants for every user."""
    random = Random(22)
    specs = {
        key: replace(spec, evaluation_mode=random.choice(("local", "remote")))
        for key, spec in random_specs(random, FLAGS).items()
    }
    evaluators = {key: evaluator_of(spec) for key, spec in specs.items()}
    users = [plain(user) | {"cohort_ids": []} for user in people(random, USERS)]
    app, feed = with_sdks(seeded(specs), {})
    with serve(app, on_stop=feed.close) as url:
        answers = page.evaluate("([url, users, flags]) => window.ask(url, users, flags)", [url, users, list(specs)])
    for user, answer in zip(users, answers, strict=True):
        ours = {key: evaluator.evaluate(user).variant for key, evaluator in evaluators.items()}
        assert answer == {"browser": ours, "openfeature": ours}, user
