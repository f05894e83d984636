"""A server may quote what it refuses: the ids of users that a request named are said nowhere, the reason is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from emulators import KEY

from reconciler.api.credentials import origin_for, read_key
from reconciler.api.error_factory import Call, ErrorFactory
from reconciler.emulator import ApiResponse

if TYPE_CHECKING:
    from conftest import Repository

    from reconciler.emulator import RawRequest
    from reconciler.strict_json import Json

ADA, SHORT, DOMAIN = "ada.lovelace@example.com", "u-7", "example.com"
WHERE = "/api/1/flags/1/variants/on/users"


def said(body: str, sent: Json, path: str = WHERE) -> str:
    """The message for a refusal."""
    origin = origin_for("us", {})
    key = read_key({"AMPLITUDE_MANAGEMENT_API_KEY": KEY}, None, origin=origin)
    return str(ErrorFactory(origin, key).of_status(Call("POST", path), 400, body=body, location="", sent=sent))


@pytest.mark.parametrize(
    ("sent", "body", "expected"),
    [
        ({"inclusions": [ADA, SHORT]}, f"no users {ADA}, {SHORT}; u-70", "no users ***, ***; u-70"),
        ({"users": [ADA]}, json.dumps(ADA).replace("@", "\\u0040"), '"***"'),
        ({"targetSegments": [{"conditions": [{"prop": "user_id", "op": "is", "values": [SHORT]}]}]}, SHORT, "***"),
        ({"targetSegments": [{"conditions": [{"prop": "plan", "op": "is", "values": ["pro"]}]}]}, "pro", "pro"),
        ({"variants": [{"key": "on", "inclusions": {"users": [ADA]}}]}, f"{ADA} users", "*** users"),
        ({"variants": [{"key": "on", "payload": {"users": ["blue"]}}]}, "blue", "blue"),
        ({"inclusions": [""]}, "no id: ''", "no id: ''"),
        ({"inclusions": [f"ada@{DOMAIN}", "ada", "ada@"]}, f"no ada@{DOMAIN}", "no ***"),
        ({"conditions": [{"prop": "user_id", "values": [7, SHORT]}]}, f"7 {SHORT}", "7 ***"),
        ({"deployments": ["67"]}, "no deployment 67", "no deployment 67"),
        ({"inclusions": [ADA]}, f"{'x' * 290} {ADA}", f"{'x' * 290} ***"),
        (None, "no flag: ''", "no flag: ''"),
    ],
)
def test_users_of_the_request_are_left_out(sent: Json, body: str, expected: str) -> None:
    """Also in escapes, and where the text is cut in the middle of one; all else is quoted."""
    assert f'The server said: "{expected}"' in said(body, sent)


def test_cohorts_are_quoted() -> None:
    """They are no persons, and the reason is often which one there is not."""
    assert 'said: "no cohort c1"' in said("no cohort c1", {"inclusions": ["c1"]}, WHERE.replace("users", "cohorts"))
    assert 'said: "no c1"' in said("no c1", {"users": ["c1"]}, "/api/1/flags/1/variants/on/bulk-delete-cohorts")


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
def test_no_report_shows_them(repository: Repository, form: str) -> None:
    """Through the command: the refusal names what was carried, and no user."""
    repository.write(
        "flags/new-checkout.yaml",
        f"key: new-checkout\nvariants: [{{key: control}}, {{key: treatment, inclusions: {{users: [{ADA}]}}}}]\n",
    )
    real = repository.emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        refused = request.method == "POST" and request.path.endswith("/users")
        return ApiResponse(status=400, body=b"unwanted: " + request.body) if refused else real(request)

    repository.emulator.api.answer = answer  # type: ignore[method-assign]
    ran = repository.run("apply", "--auto-approve", "--format", form, "--verbose")
    assert ran.code in {1, 7}, ran
    assert "unwanted" in ran.out + ran.err
    assert "lovelace" not in ran.out + ran.err
