"""What keeps the flags of a store as they are to be served."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.cli.feeding import record_of
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
