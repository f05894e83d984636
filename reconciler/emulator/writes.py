"""The endpoints that change something, in the reference's order. Each is checked as a whole before it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.emulator import edits
from reconciler.emulator.errors import RefusedError, bad_request, not_found
from reconciler.emulator.protection import Protection
from reconciler.emulator.reads import find_deployment
from reconciler.emulator.records import flag_record
from reconciler.emulator.requests import json_response, text_response
from reconciler.emulator.validation import BodyChecks, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.emulator.edits import Inclusions
    from reconciler.emulator.options import Behaviour
    from reconciler.emulator.records import FlagRecord, Json
    from reconciler.emulator.requests import ApiRequest, ApiResponse
    from reconciler.emulator.serializer import Serializer
    from reconciler.emulator.store import Store


class Writes:
    """Each public method answers one endpoint."""

    def __init__(self, store: Store, serializer: Serializer, behaviour: Behaviour) -> None:
        self._store = store
        self._serializer = serializer
        self._behaviour = behaviour
        self._checks = BodyChecks(behaviour)
        self._protection = Protection(store, behaviour)

    def create_variant(self, request: ApiRequest) -> ApiResponse:
        """POST /flags/{id}/variants."""
        flag = self._flag(request)
        return self._store_with_weights(
            request, edits.add_variant(flag, self._checks.create_variant(request.body()), self._behaviour)
        )

    def edit_variant(self, request: ApiRequest) -> ApiResponse:
        """PATCH (or, under another behaviour, POST) /flags/{id}/variants/{variantKey}."""
        flag, key = self._variant(request)
        changes = self._checks.edit_variant(request.body())
        if changes.get("key", key) != key:
            self._protection.variant_goes(flag, key)
        return self._store_with_weights(request, edits.edit_variant(flag, key, changes, self._behaviour))

    def remove_variant(self, request: ApiRequest) -> ApiResponse:
        """DELETE /flags/{id}/variants/{variantKey}."""
        request.refuse_body()
        flag, key = self._variant(request)
        self._protection.variant_goes(flag, key)
        return self._store_with_weights(request, edits.remove_variant(flag, key, self._behaviour))

    def add_users(self, request: ApiRequest) -> ApiResponse:
        """POST /flags/{id}/variants/{variantKey}/users."""
        flag, key = self._variant(request)
        users = self._checks.inclusions(request.body())
        changed, refusal = edits.add_users(flag, key, users, self._behaviour)
        answer = self._store_with_inclusions(request, changed)
        if refusal is not None:
            raise refusal
        return answer

    def add_cohorts(self, request: ApiRequest) -> ApiResponse:
        """POST /flags/{id}/variants/{variantKey}/cohorts."""
        flag, key = self._variant(request)
        return self._store_with_inclusions(
            request, edits.add_cohorts(flag, key, self._checks.inclusions(request.body()))
        )

    def remove_user_at(self, request: ApiRequest) -> ApiResponse:
        """DELETE /flags/{id}/variants/{variantKey}/users/{userIndex}."""
        request.refuse_body()
        flag, key = self._variant(request)
        index = whole_number(request.parameters["userIndex"], "userIndex")
        return self._store_with_inclusions(request, edits.remove_user_at(flag, key, index))

    def clear_users(self, request: ApiRequest) -> ApiResponse:
        """DELETE /flags/{id}/variants/{variantKey}/users."""
        request.refuse_body()
        flag, key = self._variant(request)
        return self._store_with_inclusions(request, edits.clear_users(flag, key))

    def remove_users(self, request: ApiRequest) -> ApiResponse:
        """DELETE /flags/{id}/variants/{variantKey}/bulk-delete-users."""
        return self._remove_members(request, "users")

    def remove_cohorts(self, request: ApiRequest) -> ApiResponse:
        """DELETE /flags/{id}/variants/{variantKey}/bulk-delete-cohorts."""
        return self._remove_members(request, "cohorts")

    def attach(self, request: ApiRequest) -> ApiResponse:
        """POST /flags/{id}/deployments."""
        flag = self._flag(request)
        deployments = self._checks.deployments(request.body())
        self._deployments_exist(flag["projectId"], deployments)
        return self._store_flag(request, edits.attach(flag, deployments))

    def detach(self, request: ApiRequest) -> ApiResponse:
        """DELETE /flags/{id}/deployments/{deploymentId}."""
        request.refuse_body()
        return self._store_flag(request, edits.detach(self._flag(request), request.parameters["deploymentId"]))

    def create_deployment(self, request: ApiRequest) -> ApiResponse:
        """POST /deployments."""
        body = self._checks.create_deployment(request.body())
        request.reaches(body["projectId"])
        deployment_id = self._store.new_deployment_id()
        self._store.put_deployment(
            {
                "id": deployment_id,
                "projectId": body["projectId"],
                "label": body["label"],
                "key": f"{body['type']}-{deployment_id}",
                "deleted": False,
            }
        )
        return json_response({"id": self._serializer.id(deployment_id)})

    def edit_deployment(self, request: ApiRequest) -> ApiResponse:
        """PATCH /deployments/{id}: another label, or archived and back."""
        found = find_deployment(self._store, request)
        changes = self._checks.edit_deployment(request.body())
        label, deleted = changes.get("label", found["label"]), changes.get("archive", found["deleted"])
        self._store.put_deployment({**found, "label": label, "deleted": deleted})
        return self._done()

    def edit_flag(self, request: ApiRequest) -> ApiResponse:
        """PATCH /flags/{id}."""
        flag = self._known_flag(request)
        changes = self._checks.edit_flag(request.body(), {variant["key"] for variant in flag["variants"]})
        if changes.get("archive") is not False:
            self._takes_edits(flag)
        self._protection.edit(flag, changes)
        if self._protection.is_pending(flag, changes):
            return self._done()
        return self._store_flag(request, edits.edit_flag(flag, changes))

    def create_flag(self, request: ApiRequest) -> ApiResponse:
        """POST /flags: answers the new flag's id and a URL that is not meant to be followed."""
        given = self._checks.create_flag(request.body())
        project = given["projectId"]
        request.reaches(project)
        self._deployments_exist(project, given.get("deployments", ()))
        self._key_is_free(project, given["key"])
        flag_id = self._store.new_id()
        flag = flag_record(
            self._with_server_defaults(given), flag_id=flag_id, user=request.user, at=self._store.timestamp()
        )
        self._store.commit(flag, request.user)
        url = f"http://experiment.amplitude.com/amplitude/{project}/config/{flag_id}"
        return json_response({"id": self._serializer.id(flag_id), "url": url})

    def _with_server_defaults(self, given: dict[str, Json]) -> dict[str, Json]:
        complete = dict(given)
        if not complete.get("variants") and self._behaviour.create_without_variants == "adds-on":
            complete["variants"] = [{"key": "on"}]
        if self._behaviour.new_flag == "on":
            complete |= {"enabled": True, "rolloutPercentage": 100}
        return complete

    def _known_flag(self, request: ApiRequest) -> FlagRecord:
        flag_id = request.parameters["id"]
        flag = self._store.flags.get(flag_id)
        if flag is None:
            raise not_found(f"flag {flag_id!r}")
        request.reaches(flag["projectId"])
        return flag

    def _flag(self, request: ApiRequest) -> FlagRecord:
        flag = self._known_flag(request)
        self._takes_edits(flag)
        return flag

    def _variant(self, request: ApiRequest) -> tuple[FlagRecord, str]:
        flag, key = self._flag(request), request.parameters["variantKey"]
        edits.find_variant(flag, key)
        return flag, key

    def _takes_edits(self, flag: FlagRecord) -> None:
        if flag["archived"] and self._behaviour.archived_edits == "refused":
            raise bad_request(f"flag {flag['key']!r} is archived")

    def _remove_members(self, request: ApiRequest, kind: Inclusions) -> ApiResponse:
        flag, key = self._variant(request)
        if self._behaviour.delete_body == "ignored":
            return self._done()
        if self._behaviour.delete_body == "lost":
            raise bad_request("the body is missing")
        gone = self._checks.removals(request.body())
        return self._store_with_inclusions(request, edits.remove_members(flag, key, kind, gone, self._behaviour))

    def _store_with_weights(self, request: ApiRequest, flag: FlagRecord) -> ApiResponse:
        self._checks.weights_are_allowed(flag["rolloutWeights"], "rolloutWeights")
        if self._protection.is_pending(flag):
            return self._done()
        return self._store_flag(request, flag)

    def _store_with_inclusions(self, request: ApiRequest, flag: FlagRecord) -> ApiResponse:
        return self._store_flag(request, flag, bumps=self._behaviour.inclusion_edits_bump)

    def _store_flag(self, request: ApiRequest, flag: FlagRecord, *, bumps: bool = True) -> ApiResponse:
        self._store.commit(flag, request.user, bumps=bumps)
        return self._done()

    def _done(self) -> ApiResponse:
        return text_response(200, self._behaviour.write_text)

    def _deployments_exist(self, project: str, deployments: Sequence[str]) -> None:
        known = self._store.projects.get(project, {})
        for deployment in deployments:
            if deployment not in known or known[deployment]["deleted"]:
                raise bad_request(f"project {project!r} has no deployment {deployment!r}")

    def _key_is_free(self, project: str, key: str) -> None:
        if self._store.has_experiment(project, key):
            status = 409 if self._behaviour.taken_key == "409" else 400
            raise RefusedError(status, f"an experiment with the key {key!r} already exists")
        if self._behaviour.taken_key != "second-flag" and self._store.has_key(project, key):
            raise RefusedError(int(self._behaviour.taken_key), f"a flag with the key {key!r} already exists")
