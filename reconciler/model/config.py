"""What reconciler.yaml says, for one environment, as frozen values. Reading the file is `desired.config_file`'s."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Limit(Struct, frozen=True):
    """A limit that is a plain number or a share of a whole (`30%` is 3/10 of it)."""

    count: int | None = None
    share: Fraction | None = None

    def __str__(self) -> str:
        return str(self.count) if self.share is None else f"{float(self.share * 100):g}%"


class Safety(Struct, frozen=True, kw_only=True):
    """The thresholds of the guards. Shares are fractions of 1; percentages count from `min_flags` flags on."""

    max_updates: Limit = Limit(share=Fraction(30, 100))
    max_archives: Limit = Limit(count=5)
    min_flags: int = 10
    max_transient: Fraction = Fraction(5, 100)
    max_exposure_change: Fraction = Fraction(1)


class Requests(Struct, frozen=True, kw_only=True):
    """How hard the API may be asked: requests a second, open connections, requests a day."""

    per_second: int = 50
    concurrency: int = 16
    daily_budget: int = 100_000


class IgnoreRule(Struct, frozen=True, kw_only=True):
    """Fields that are never compared on the flags whose key matches a glob. `paths` are JSON Pointers."""

    flags: str
    paths: tuple[str, ...]


class Config(Struct, frozen=True, kw_only=True):
    """One environment's configuration. `file` is the reconciler.yaml, `flags_dir` the directory of flag files.

    `content` is what the file held when it was read.
    """

    file: Path
    project_id: str
    flags_dir: Path
    region: str = "us"
    environment: str | None = None
    environments: tuple[str, ...] = ()
    deployments: Mapping[str, str] = field(default_factory=dict)
    managed_tag: str | None = None
    ignore: tuple[IgnoreRule, ...] = ()
    safety: Safety = field(default_factory=Safety)
    requests: Requests = field(default_factory=Requests)
    content: bytes = b""
