"""Since when something has held, by the versions of a flag."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from builders import a_flag, a_live_flag

from reconciler.model.flag import UNSET, Unset, Version
from reconciler.model.versions import DeclaredValue, Since, Timeline, parse_time, since_when


def versions_of(newest: int, *held: bool | Unset) -> tuple[Version, ...]:
    """Versions from a number down; whether each was enabled."""
    numbers = range(newest, newest - len(held), -1)
    return tuple(
        Version(
            version=number,
            created_at=f"2026-01-0{number}",
            created_by=None,
            flag=a_live_flag(a_flag(enabled=enabled)),
        )
        for number, enabled in zip(numbers, held, strict=True)
    )


@pytest.mark.parametrize(
    ("newest", "held", "version", "is_from_the_start", "is_at_most"),
    [
        (3, (), None, False, False),
        (3, (True, True), None, False, False),
        (3, (UNSET, False), None, False, False),
        (3, (False,), 3, False, True),
        (3, (False, False), 2, False, True),
        (3, (False, False, False), 1, True, False),
        (3, (False, False, True), 2, False, False),
        (3, (False, True, False), 3, False, False),
        (3, (False, UNSET, False), 3, False, True),
    ],
)
def test_since_when_a_flag_is_off(
    newest: int, held: tuple[bool | Unset, ...], version: int | None, is_from_the_start: bool, is_at_most: bool
) -> None:
    """The oldest version up to which it holds without a gap; where older ones are not shown, it may be older."""
    versions = versions_of(newest, *held)
    found = since_when(versions, lambda spec: None if isinstance(spec.enabled, Unset) else not spec.enabled)
    oldest = next((item for item in versions if item.version == version), None)
    assert found == Since(version=oldest, is_from_the_start=is_from_the_start, is_at_most=is_at_most)
    assert found.at == (None if version is None else datetime(2026, 1, version, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-02T03:04:05.678Z", datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_as_a_server_writes_them(text: str | None, found: datetime | None) -> None:
    """In UTC where they name no zone."""
    assert parse_time(text) == found


PRESENT, OLDER = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
NOW = DeclaredValue(value=1, commit="c", at=PRESENT)
BEFORE = DeclaredValue(value=2, commit="b", at=OLDER)


@pytest.mark.parametrize(
    ("timeline", "since", "begins_at"),
    [
        (Timeline(), None, None),
        (Timeline(gap="x", placed_at=OLDER), None, OLDER),
        (Timeline(values=(DeclaredValue(value=1),), placed_at=OLDER), None, OLDER),
        (Timeline(values=(NOW, BEFORE), placed_at=OLDER), "c", PRESENT),
        (Timeline(values=(DeclaredValue(value=1), BEFORE)), None, None),
    ],
)  # fmt: skip
def test_when_a_declaration_begins(timeline: Timeline, since: str | None, begins_at: datetime | None) -> None:
    """With its commit, or else with its files; never with that of an older value."""
    assert (timeline.since.commit if timeline.since else None) == since
    assert timeline.begins_at == begins_at
