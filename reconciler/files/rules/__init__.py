"""Every rule beyond the schema, by its stable id: one function each, all of them always run.

A new rule is one function and one row here, and a good and a bad sample in tests/unit/files/test_rules.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.files.rules import bucketing, fields, ignored, rollouts, segments, variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.diagnostics import Finding
    from reconciler.files.rules.parsed_flag import ParsedFlag
    from reconciler.model.config import Config

DOCUMENT_RULES: Final[Mapping[str, Callable[[ParsedFlag], Iterator[Finding]]]] = {
    "reserved-variant": variants.reserved_variant,
    "variant-like-off": variants.variant_like_off,
    "duplicate-variant": variants.duplicate_variant,
    "rename-collision": variants.rename_collision,
    "user-in-two-variants": variants.user_in_two_variants,
    "duplicate-inclusion": variants.duplicate_inclusion,
    "comma-in-id": variants.comma_in_id,
    "space-around-id": variants.space_around_id,
    "large-integer": variants.large_integer,
    "everyone-required": segments.everyone_required,
    "everyone-with-conditions": segments.everyone_with_conditions,
    "segment-after-everyone": segments.segment_after_everyone,
    "reserved-segment-name": segments.reserved_segment_name,
    "duplicate-segment": segments.duplicate_segment,
    "empty-values": segments.empty_values,
    "outer-space": fields.outer_space,
    "invisible-character": fields.invisible_character,
    "not-nfc": fields.not_normalized,
    "duplicate-tag": fields.duplicate_tag,
    "local-amplitude-id": bucketing.local_amplitude_id,
    "invalid-date": fields.invalid_date,
}
"""What a document says of itself."""

CONFIG_RULES: Final[Mapping[str, Callable[[ParsedFlag, Config], Iterator[Finding]]]] = {
    "unknown-deployment": fields.unknown_deployment,
    "duplicate-deployment": fields.duplicate_deployment,
    "unknown-variant": segments.unknown_variant,
    "zero-weights": segments.zero_weights,
    "ignored-field": ignored.ignored_field,
    "unkept-member": ignored.unkept_member,
    "unknown-strategy": rollouts.unknown_strategy,
    "unknown-window": rollouts.unknown_window,
    "unknown-guard": rollouts.unknown_guard,
    "invalid-rollout": rollouts.invalid_rollout,
}
"""What a document and the configuration of an environment say of each other."""
