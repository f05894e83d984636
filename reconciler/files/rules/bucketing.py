"""Rules about what users of a local flag are bucketed by, where a hash decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import Finding, Severity
from reconciler.model.config import ignored_of
from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.rules.parsed_flag import ParsedFlag
    from reconciler.model.config import Config
    from reconciler.strict_json import Json

_EVERY_USER: Final = 100


def local_amplitude_id(flag: ParsedFlag) -> Iterator[Finding]:
    """Local evaluation knows no amplitude_id: a share that is bucketed by it gives no user a variant."""
    if not _is_by_property(flag):
        return
    segments = [
        (f"/targetSegments/{index}", item) for index, item in flag.segments if _may_hash(flag, item, "percentage")
    ]
    for path, part in ([("", flag.body)] if _may_hash_by_own_key(flag) else []) + segments:
        if part.get("bucketingKey") == DEFAULT_BUCKETING_KEY:
            yield Finding(
                rule="local-amplitude-id",
                message="Local evaluation has no amplitude_id: users who are bucketed by it get no variant.",
                path=f"{path}/bucketingKey",
                severity=Severity.WARNING,
                hint="Bucket by user_id or device_id, or evaluate remotely.",
            )


def unmanaged_bucketing(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """A local flag that leaves its bucketing key to the server is bucketed by amplitude_id, if it is a new one."""
    key, body = flag.body.get("key"), flag.body
    if "bucketingKey" in body or body.get("archived") is True:
        return
    if not (_is_by_property(flag) and _may_hash_by_own_key(flag)):
        return
    if not (isinstance(key, str) and ignored_of(key, config).covers("bucketingKey")):
        yield Finding(
            rule="local-amplitude-id",
            message="The document leaves bucketingKey out: a new flag has amplitude_id, which is not known locally.",
            path="/evaluationMode",
            severity=Severity.WARNING,
            hint="Declare bucketingKey, as user_id or device_id, or give it a value under `defaults`.",
        )


def _is_by_property(flag: ParsedFlag) -> bool:
    """Whether users are bucketed locally, and by a property of theirs: groups are hashed by their names."""
    is_of_users = flag.body.get("bucketingUnit", DEFAULT_BUCKETING_UNIT) == DEFAULT_BUCKETING_UNIT
    return is_of_users and flag.body.get("evaluationMode") == "local"


def _may_hash_by_own_key(flag: ParsedFlag) -> bool:
    """Whether the flag's own bucketing key may decide, for a segment without a key or for all other users."""
    segments = (item for _, item in flag.segments if "bucketingKey" not in item)
    return _may_hash(flag, flag.body, "rolloutPercentage") or any(
        _may_hash(flag, item, "percentage") for item in segments
    )


def _may_hash(flag: ParsedFlag, part: dict[str, Json], share: str) -> bool:
    """Whether a hash may decide there. None does where all users get the same: nothing, or the one variant.

    What is not declared may be anything, and a rollout changes its percentage.
    """
    percentage = part.get(share)
    if "rollout" in part or not isinstance(percentage, int | float):
        return True
    return percentage >= 1 and not (percentage >= _EVERY_USER and _given(flag, part) == 1)


def _given(flag: ParsedFlag, part: dict[str, Json]) -> int:
    """How many variants may be given there; 0 where that is not known. Weights that are all 0 count as equal."""
    keys, weights = flag.variant_keys, part.get("rolloutWeights")
    positive = [key for key, weight in weights.items() if weight] if isinstance(weights, dict) else []
    return len(positive) or len(keys or ())
