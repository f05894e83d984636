"""A warning about amplitude_id stands where local SDKs get a hash of it to evaluate, and nowhere else."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from reconciler.delivery import flag_config
from reconciler.files.rules.bucketing import local_amplitude_id, unmanaged_bucketing
from reconciler.files.rules.parsed_flag import ParsedFlag
from reconciler.model.config import Config
from reconciler.model.wire import decode_flag

SHARES = (0, 1, 99, 100)
WEIGHTS = ({"a": 1}, {"a": 0, "b": 3}, {"a": 1, "b": 1}, {"a": 0, "b": 0})
KEYS = (None, "amplitude_id", "user_id")
VARIANTS = ([{"key": "a"}, {"key": "b"}], [{"key": "a"}])


def hashes_amplitude_id(body: dict[str, Any]) -> list[bool]:
    """For each segment that is delivered, whether users are bucketed by a hash of amplitude_id."""
    flag = decode_flag(body | {"id": "1", "projectId": "7", "key": "f"})
    segments: Any = flag_config(flag, {}, local=True)["segments"]
    return [item.get("bucket", {}).get("selector") == ["context", "user", "amplitude_id"] for item in segments]


@pytest.mark.parametrize("variants", VARIANTS, ids=len)
def test_a_warning_stands_where_sdks_get_a_hash_of_it(variants: list[dict[str, Any]], tmp_path: Any) -> None:
    config = Config(file=tmp_path, project_id="7", flags_dir=tmp_path)
    names = {item["key"] for item in variants}
    all_weights = [{key: weight for key, weight in item.items() if key in names} for item in WEIGHTS]
    for own, other, share, rest, weights, others in product(KEYS, KEYS, SHARES, SHARES, all_weights, all_weights):
        segment = {"name": "s", "conditions": [{"prop": "p", "op": "is", "values": ["x"], "type": "property"}]}
        segment |= {"percentage": share, "rolloutWeights": weights} | ({"bucketingKey": other} if other else {})
        body = {"enabled": True, "evaluationMode": "local", "variants": variants, "targetSegments": [segment]}
        body |= {"rolloutPercentage": rest, "rolloutWeights": others} | ({"bucketingKey": own} if own else {})
        flag = ParsedFlag.of(body)
        found = [*local_amplitude_id(flag), *unmanaged_bucketing(flag, config)]
        of_segment, of_rest = hashes_amplitude_id(body)
        by_own = of_rest or (of_segment and other is None)
        place = "/bucketingKey" if own else "/evaluationMode"
        wanted = {place: by_own, "/targetSegments/0/bucketingKey": of_segment and other is not None}
        assert {item.path for item in found} == {path for path, is_told in wanted.items() if is_told}, body


@pytest.mark.parametrize("left_out", ["rolloutPercentage", "rolloutWeights"])
def test_what_is_not_declared_may_be_hashed(left_out: str) -> None:
    body = {"evaluationMode": "local", "bucketingKey": "amplitude_id", "variants": VARIANTS[0]}
    body |= {"rolloutPercentage": 100, "rolloutWeights": {"a": 1, "b": 0}}
    assert not [*local_amplitude_id(ParsedFlag.of(body))]
    assert [*local_amplitude_id(ParsedFlag.of({name: body[name] for name in body if name != left_out}))]
