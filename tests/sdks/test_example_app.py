"""examples/app: an application's own tests run on declared flags, on a plan, and on what is live; its page works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from emulators import KEY, an_emulator
from playwright.sync_api import sync_playwright
from sdks.test_browser_sdks import ARGUMENTS, CHROMIUM
from sdks.test_node_sdks import HERE
from serving import a_session
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from reconciler.cli.main import run
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = Path(__file__).parents[2] / "examples" / "app"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the application, beside a live project that has none of its flags."""
    root = tmp_path / "app"
    shutil.copytree(APP, root)
    emulator = an_emulator(projects={"100001": {"1001": "web"}})
    monkeypatch.delenv("RECONCILER_ENV", raising=False)
    monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", KEY)
    monkeypatch.chdir(root)
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        yield root


def own_tests(root: Path, *options: str) -> str:
    """Run the application's tests as its developers do; the last line."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "reconciler.pytest_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-W", "ignore", *options], cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_its_tests_pass_on_flags_before_and_after_they_are_live(app: Path) -> None:
    """On what the files declare, on a plan while nothing is live, and on what is live once it is applied."""
    assert own_tests(app).startswith("4 passed")
    assert run(["plan", "--out", "plan.json", "--quiet"]) == 0
    assert own_tests(app, "--flags-from", "plan.json").startswith("4 passed")
    assert run(["apply", "--auto-approve", "--quiet", "plan.json"]) == 0
    assert own_tests(app, "--flags-from", "live").startswith("4 passed")


def test_what_cannot_be_set_fails_a_test(app: Path) -> None:
    """A flag or a variant that there is not is an error, and nothing is left of one test in the next."""
    (app / "test_shop.py").write_text(
        "import pytest\nfrom shop import Shop\n"
        "def test_unknown(flags):\n"
        "    for flag, variant in (('other', 'on'), ('new-checkout', 'blue')):\n"
        "        with pytest.raises(ValueError, match='There is no flag|has no variant'):\n"
        "            flags.set(flag, variant)\n"
        "    flags.set('new-checkout', 'off')\n"
        "def test_next(flags):\n"
        "    assert Shop(flags.deployment_key, flags.url).checkout_button('ada@example.com') == 'Buy now'\n"
    )
    assert own_tests(app).startswith("2 passed")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium).")
@pytest.mark.skipif(
    not (HERE / "node_modules" / "@amplitude").is_dir(),
    reason="The SDKs for browsers are not here: `make sdks` fetches them, where npm is.",
)
def test_its_page(app: Path) -> None:
    """The page shows the declared flag's variant, and the one that is chosen for a user."""
    files = Starlette(
        routes=[
            Mount("/node_modules", StaticFiles(directory=HERE / "node_modules")),
            Mount("/", StaticFiles(directory=app, html=True)),
        ]
    )
    with a_session(app) as (_, http), serve(files) as url, sync_playwright() as playwright:
        http.put("/_serve/overrides/new-checkout", json={"variant": "off", "user": "lin@example.com"})
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = chromium.new_page()
        shown = []
        for user in ("ada@example.com", "lin@example.com"):
            page.goto(f"{url}/?user={user}&flags={str(http.base_url).rstrip('/')}")
            page.wait_for_selector("html[data-ready]")
            shown.append(page.inner_text("#checkout"))
        chromium.close()
    assert shown == ["Buy now", "Go to checkout"]
