"""A pytest fixture for applications: a server of this repository's flags, whose variants a test chooses.

    def test_checkout(flags):
        flags.set("new-checkout", "treatment")
        ...  # the application, with flags.url and flags.deployment_key

pytest loads this module wherever the package is installed: nothing else is imported until a test asks for `flags`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import httpx


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which flags are served."""
    parser.addini("reconciler_config", "The reconciler.yaml whose flags the fixture `flags` serves.", default="")
    parser.addini("reconciler_env", "Its environment.", default="")
    parser.addini("reconciler_deployment", "The deployment whose key `flags.deployment_key` is.", default="")
    parser.getgroup("reconciler").addoption(
        "--flags-from",
        default="files",
        metavar="SOURCE",
        help="What the fixture `flags` serves: files, live, live,files, or a saved plan [default: files].",
    )


class Flags:
    """The server: `url` is its address; the name of each deployment is a key that it takes."""

    def __init__(self, url: str, deployments: Sequence[str], client: httpx.Client) -> None:
        self.url = url
        self._deployments = deployments
        self._client = client

    @property
    def deployment_key(self) -> str:
        """The key of the only deployment, or of the chosen one. Raises ValueError where none of several is chosen."""
        if len(self._deployments) > 1:
            raise ValueError(
                f"Several deployments have flags of their own: {', '.join(self._deployments)}. Choose one with "
                "reconciler_deployment in pytest's configuration, or use the name of one as the key."
            )
        return self._deployments[0]

    def set(self, flag: str, variant: str, *, user: str | None = None) -> None:
        """Give everyone, or one user by their id, this variant until the test ends; `off` is one too.

        Raises ValueError for a flag or a variant that there is not.
        """
        body = {"variant": variant} | ({} if user is None else {"user": user})
        answer = self._client.put(f"/_serve/overrides/{flag}", json=body)
        if answer.is_error:
            raise ValueError(answer.text)

    def clear(self) -> None:
        """Give everyone what the flags say."""
        self._client.delete("/_serve/overrides").raise_for_status()


@pytest.fixture(scope="session")
def served_flags(request: pytest.FixtureRequest) -> Iterator[Flags]:
    """The server of the whole run. Its overrides belong to no test: tests ask for `flags`."""
    import httpx  # noqa: PLC0415 - only where a test asks for it, as all below

    from reconciler.cli.commands.serve import start_session  # noqa: PLC0415
    from reconciler.cli.options import Settings  # noqa: PLC0415
    from reconciler.cli.output import Output  # noqa: PLC0415

    settings = Settings(
        config=_path(request.config, "reconciler_config"), environment=request.config.getini("reconciler_env") or None
    )
    session = start_session(settings, Output(quiet=True), source=request.config.getoption("--flags-from"))
    from reconciler.emulator.server import serve  # noqa: PLC0415 - an extra, as start_session says

    deployments = _chosen(request.config.getini("reconciler_deployment"), session.deployment_names)
    with (
        serve(session.app, on_stop=session.feed.close) as url,
        httpx.Client(base_url=url, trust_env=False) as client,  # a proxy does not reach this machine
    ):
        yield Flags(url, deployments, client)


@pytest.fixture
def flags(served_flags: Flags) -> Iterator[Flags]:
    """The server, with what the flags say for everyone; what a test sets ends with it."""
    served_flags.clear()
    yield served_flags
    served_flags.clear()


def _chosen(name: str, deployments: Sequence[str]) -> Sequence[str]:
    """The deployment of that name alone; all of them where none is named."""
    if name and name not in deployments:
        raise pytest.UsageError(f'reconciler_deployment: there is no deployment "{name}": {", ".join(deployments)}.')
    return [name] if name else deployments


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path of pytest's configuration, relative to the file of it."""
    given = config.getini(name)
    return Path(config.rootpath, given) if given else None
