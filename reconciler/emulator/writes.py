"""The endpoints that change something, in the reference's order. Each is checked as a whole before it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.emulator import edits
from reconciler.emulator.calls import json_answer, text_answer
from reconciler.emulator.records import flag_record
from reconciler.emulator.refusals import RefusedError, bad_request, not_found
from reconciler.emulator.validation import BodyChecks, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.emulator.answers import Answers
    from reconciler.emulator.calls import Answer, Call
    from reconciler.emulator.edits import Inclusions
    from reconciler.emulator.options import Behaviour
    from reconciler.emulator.records import FlagRecord, Json
    from reconciler.emulator.store import Store


class Writes:
    """Each public method answers one endpoint."""

    def __init__(self, store: Store, answers: Answers, behaviour: Behaviour) -> None:
        self._store = store
        self._answers = answers
        self._behaviour = behaviour
        self._checks = BodyChecks(behaviour)

    def create_variant(self, call: Call) -> Answer:
        """POST /flags/{id}/variants."""
        flag = self._flag(call)
        return self._weighed(call, edits.add_variant(flag, self._checks.create_variant(call.body()), self._behaviour))

    def edit_variant(self, call: Call) -> Answer:
        """PATCH (or, under another behaviour, POST) /flags/{id}/variants/{variantKey}."""
        flag, key = self._variant(call)
        return self._weighed(
            call, edits.edit_variant(flag, key, self._checks.edit_variant(call.body()), self._behaviour)
        )

    def remove_variant(self, call: Call) -> Answer:
        """DELETE /flags/{id}/variants/{variantKey}."""
        call.refuse_body()
        flag, key = self._variant(call)
        return self._weighed(call, edits.remove_variant(flag, key, self._behaviour))

    def add_users(self, call: Call) -> Answer:
        """POST /flags/{id}/variants/{variantKey}/users."""
        flag, key = self._variant(call)
        users = self._checks.inclusions(call.body())
        changed, refusal = edits.add_users(flag, key, users, self._behaviour)
        answer = self._included(call, changed)
        if refusal is not None:
            raise refusal
        return answer

    def add_cohorts(self, call: Call) -> Answer:
        """POST /flags/{id}/variants/{variantKey}/cohorts."""
        flag, key = self._variant(call)
        return self._included(call, edits.add_cohorts(flag, key, self._checks.inclusions(call.body())))

    def remove_user_at(self, call: Call) -> Answer:
        """DELETE /flags/{id}/variants/{variantKey}/users/{userIndex}."""
        call.refuse_body()
        flag, key = self._variant(call)
        index = whole_number(call.parameters["userIndex"], "userIndex")
        return self._included(call, edits.remove_user_at(flag, key, index))

    def clear_users(self, call: Call) -> Answer:
        """DELETE /flags/{id}/variants/{variantKey}/users."""
        call.refuse_body()
        flag, key = self._variant(call)
        return self._included(call, edits.clear_users(flag, key))

    def remove_users(self, call: Call) -> Answer:
        """DELETE /flags/{id}/variants/{variantKey}/bulk-delete-users."""
        return self._remove_members(call, "users")

    def remove_cohorts(self, call: Call) -> Answer:
        """DELETE /flags/{id}/variants/{variantKey}/bulk-delete-cohorts."""
        return self._remove_members(call, "cohorts")

    def attach(self, call: Call) -> Answer:
        """POST /flags/{id}/deployments."""
        flag = self._flag(call)
        deployments = self._checks.deployments(call.body())
        self._deployments_exist(flag["projectId"], deployments)
        return self._stored(call, edits.attach(flag, deployments))

    def detach(self, call: Call) -> Answer:
        """DELETE /flags/{id}/deployments/{deploymentId}."""
        call.refuse_body()
        return self._stored(call, edits.detach(self._flag(call), call.parameters["deploymentId"]))

    def edit_flag(self, call: Call) -> Answer:
        """PATCH /flags/{id}."""
        flag = self._known_flag(call)
        changes = self._checks.edit_flag(call.body(), {variant["key"] for variant in flag["variants"]})
        if changes.get("archive") is not False:
            self._takes_edits(flag)
        return self._stored(call, edits.edit_flag(flag, changes))

    def create_flag(self, call: Call) -> Answer:
        """POST /flags: answers the new flag's id and a URL that nobody should follow."""
        given = self._checks.create_flag(call.body())
        project = given["projectId"]
        call.reaches(project)
        self._deployments_exist(project, given.get("deployments", ()))
        self._key_is_free(project, given["key"])
        flag_id = self._store.new_id()
        flag = flag_record(self._born(given), flag_id=flag_id, user=call.user, at=self._store.timestamp())
        self._store.commit(flag, call.user)
        url = f"http://experiment.amplitude.com/amplitude/{project}/config/{flag_id}"
        return json_answer({"id": self._answers.id(flag_id), "url": url})

    def _born(self, given: dict[str, Json]) -> dict[str, Json]:
        born = dict(given)
        if not born.get("variants") and self._behaviour.create_without_variants == "adds-on":
            born["variants"] = [{"key": "on"}]
        if self._behaviour.new_flag == "on":
            born |= {"enabled": True, "rolloutPercentage": 100}
        return born

    def _known_flag(self, call: Call) -> FlagRecord:
        flag_id = call.parameters["id"]
        flag = self._store.flags.get(flag_id)
        if flag is None:
            raise not_found(f"flag {flag_id!r}")
        call.reaches(flag["projectId"])
        return flag

    def _flag(self, call: Call) -> FlagRecord:
        flag = self._known_flag(call)
        self._takes_edits(flag)
        return flag

    def _variant(self, call: Call) -> tuple[FlagRecord, str]:
        flag, key = self._flag(call), call.parameters["variantKey"]
        edits.find_variant(flag, key)
        return flag, key

    def _takes_edits(self, flag: FlagRecord) -> None:
        if flag["archived"] and self._behaviour.archived_edits == "refused":
            raise bad_request(f"flag {flag['key']!r} is archived")

    def _remove_members(self, call: Call, kind: Inclusions) -> Answer:
        flag, key = self._variant(call)
        if self._behaviour.delete_body == "ignored":
            return self._done()
        if self._behaviour.delete_body == "lost":
            raise bad_request("the body is missing")
        gone = self._checks.removals(call.body())
        return self._included(call, edits.remove_members(flag, key, kind, gone, self._behaviour))

    def _weighed(self, call: Call, flag: FlagRecord) -> Answer:
        self._checks.weights_are_allowed(flag["rolloutWeights"], "rolloutWeights")
        return self._stored(call, flag)

    def _included(self, call: Call, flag: FlagRecord) -> Answer:
        return self._stored(call, flag, bumps=self._behaviour.inclusion_edits_bump)

    def _stored(self, call: Call, flag: FlagRecord, *, bumps: bool = True) -> Answer:
        self._store.commit(flag, call.user, bumps=bumps)
        return self._done()

    def _done(self) -> Answer:
        return text_answer(200, self._behaviour.write_text)

    def _deployments_exist(self, project: str, deployments: Sequence[str]) -> None:
        known = self._store.projects.get(project, {})
        for deployment in deployments:
            if deployment not in known or known[deployment]["deleted"]:
                raise bad_request(f"project {project!r} has no deployment {deployment!r}")

    def _key_is_free(self, project: str, key: str) -> None:
        if self._behaviour.taken_key != "second-flag" and self._store.has_key(project, key):
            raise RefusedError(int(self._behaviour.taken_key), f"a flag with the key {key!r} already exists")
