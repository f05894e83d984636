"""A server that switches a new flag on: the command leaves it off, or says that it is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fault_injection import Arrival, Respond
from faults.checkouts import Checkout, a_checkout, hurry
from faults.scenarios import Scenario

from reconciler.cli.main import run
from reconciler.emulator import Behaviour
from reconciler.model.flag import FlagSpec, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ON = (Variant(key="on"),)
DECLARED = {
    "off": FlagSpec(key="new", enabled=False, variants=ON),
    "nothing": FlagSpec(key="new", variants=ON),
    "on at 0 %": FlagSpec(key="new", enabled=True, rollout_percentage=0, variants=ON),
}


@pytest.fixture(params=DECLARED)
def checkout(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """A file that declares a flag that no user is to get, and a server that gives it to every user."""
    scenario = Scenario(name="starts-on", live=(), specs=(DECLARED[request.param],))
    with a_checkout(tmp_path, scenario, Behaviour(new_flag="on")) as made:
        hurry(monkeypatch)
        monkeypatch.chdir(tmp_path)
        for name in ("RECONCILER_API_URL", "AMPLITUDE_MANAGEMENT_API_KEY"):
            monkeypatch.setenv(name, made.environ[name])
        yield made


def _applied(*options: str) -> int:
    return run(["apply", "--auto-approve", "--report", "report.json", *options])


def _shown(checkout: Checkout) -> tuple[bool, int]:
    flag: dict[str, Any] = next(item for item in checkout.world.emulator.store.flags.values() if item["key"] == "new")
    return flag["enabled"], flag["rolloutPercentage"]


@pytest.mark.parametrize("options", [(), ("--no-verify",)], ids=["", "--no-verify"])
def test_what_the_server_switched_on_is_switched_off(
    options: tuple[str, ...], checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where nothing else is read back, and the report names the call that no plan showed."""
    declares_on = "true" in (checkout.root / "flags" / "new.yaml").read_text("utf-8")
    assert _applied(*options) == 0
    assert _shown(checkout) == (declares_on, 0)
    assert checkout.report()["verified"] is (None if options else True)
    assert ("not in the plan: PATCH" in capsys.readouterr().out) is not declares_on


@pytest.mark.parametrize("options", [(), ("--no-verify",)], ids=["", "--no-verify"])
@pytest.mark.parametrize("status", [400, 403, 500])
def test_where_that_fails_the_flag_is_said_to_be_on(
    status: int, options: tuple[str, ...], checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code says so too, and the outcome is that of the call, as the server answered it."""
    checkout.network.plan = lambda item: _refused(item, status)
    code, out = _applied(*options), " ".join(capsys.readouterr().out.split())
    assert (code, _shown(checkout)) == (7, (True, 100))
    assert "the flag is on, rollout 100%: 100% of users get another variant than before this run" in out
    (flag,) = checkout.report()["flags"]
    assert flag["status"] == "failed"
    assert [call["status"] for call in flag["operations"]] == ["applied", "failed"]
    assert "said that it was done" not in out


def _refused(arrival: Arrival, status: int) -> Respond | None:
    return Respond(status=status, body=b'{"error":"no"}') if arrival.method == "PATCH" else None


def test_a_call_that_sets_a_new_flag_up_carries_every_declared_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one goes out anyway, the server's own start lasts for no longer than that."""
    spec = FlagSpec(key="new", enabled=False, rollout_percentage=50, variants=ON)
    with a_checkout(tmp_path, Scenario(name="starts-on", live=(), specs=(spec,)), Behaviour(new_flag="on")) as made:
        hurry(monkeypatch)
        monkeypatch.chdir(tmp_path)
        for name in ("RECONCILER_API_URL", "AMPLITUDE_MANAGEMENT_API_KEY"):
            monkeypatch.setenv(name, made.environ[name])
        assert _applied() == 0
        bodies = [entry.body for entry in made.world.emulator.log if entry.method == "PATCH"]
        assert bodies == [{"enabled": False, "rolloutPercentage": 50}]
