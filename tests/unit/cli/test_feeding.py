"""What keeps the flags of a store as they are to be served."""

from __future__ import annotations

from typing import Any

import pytest
from emulators import an_emulator

from reconciler.cli.feeding import StoreReader, record_of
from reconciler.delivery import stand_in_salt
from reconciler.model.flag import FlagSpec, LiveFlag


@pytest.mark.parametrize(
    ("flag_id", "fields", "more"),
    [
        ("", {}, {"bucketingSalt": stand_in_salt("f")}),
        ("9", {"bucketing_salt": "s"}, {"id": "9", "bucketingSalt": "s"}),
    ],
)
def test_a_flag_as_a_record(flag_id: str, fields: dict[str, Any], more: dict[str, str]) -> None:
    """With a salt in any case; a flag that is not live has no id."""
    flag = LiveFlag(id=flag_id, project_id="7", spec=FlagSpec(key="f", enabled=True, **fields))
    assert record_of(flag) == {"projectId": "7", "key": "f", "enabled": True, "variants": [], **more}


def test_a_record_that_is_the_same_is_decoded_once() -> None:
    """One that was edited is decoded again."""
    store = an_emulator({"key": "a", "variants": [{"key": "on"}]}, {"key": "b"}).store
    read = StoreReader(store, {"web": "67"})
    first = read().flags
    edited, kept = first
    store.commit({**store.flags[edited], "name": "New"}, "ada@example.com")
    second = read().flags
    assert (second[kept] is first[kept], second[edited].spec.name) == (True, "New")
    (deployment,) = (item for item in read().deployments if item.id == "67")
    assert deployment.names == {"web"}
