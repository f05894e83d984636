"""Adopting whole projects in process: import from an emulator into a directory; plan and apply what was written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emulators import PROJECT, an_emulator
from msgspec import structs
from worlds import DEPLOYMENTS, World, a_world, run_now

from reconciler.files.load import load_desired
from reconciler.importer import build_import, find_declared_flags, read_importable
from reconciler.model.flag import DesiredState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from random import Random

    from reconciler.emulator import Emulator
    from reconciler.importer import ImportResult
    from reconciler.model.config import Config

CONDITIONS = (
    {"type": "property", "prop": "country", "op": "is", "values": ["US", "on", "0012", "null", "1:30"]},
    {"type": "property", "prop": "gp:plan", "op": "is not", "values": ["a, b", " lead", "trail ", "é: ü #", ""]},
    {"type": "property", "prop": "gp:\"odd\" - 'prop'", "op": "glob match", "values": ["*", "&x", "[y]", "{z}"]},
    {"type": "property", "prop": "version", "op": "less", "values": ["1_000"]},
    {"type": "property", "prop": "gp:long", "op": "contains", "values": [f"value number {n}" for n in range(12)]},
)
TEXTS = ("", "One line", "yes", "12", "3.50", "line one\nline two\n", "line\n\n  indented\nend", "tab\tinside", "~",
         "Ünïcode 😀 text", "- dash", "ends with colon:", "a: b", "hash # inside", "'quoted'", '"double"', "=", "<<",
         "2024-01-01", "x" * 150, "trailing space ", "\nleading newline", "\\back\\slash")  # fmt: skip
PAYLOADS = (
    None, {}, [], {"x": 1}, {"on": "off", "0012": None, "": ""}, [1, 2.5, "3", None, True], "text", True, 0, 1.5,
    1e300, -0.0, 123456789012345678, {"deep": {"er": [{"and": ["more", {"yes": "no"}]}]}}, "many\nlines\n",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A directory of flag files and the project that they are about."""

    emulator: Emulator
    config: Config

    @property
    def world(self) -> World:
        """What the files say, and the project."""
        world = a_world(self.emulator)
        return replace(world, desired=load_desired(self.config), config=self.config)

    def read(self, *targets: str, inclusions: bool = True) -> Any:
        """The live state and the flags to import, as the importer reads them."""

        async def work() -> Any:
            async with a_world(self.emulator).client(read_only=True) as client:
                return await read_importable(
                    client, targets=targets, desired=DesiredState(flags={}), inclusions=inclusions, progress=None
                )

        return run_now(work())

    def adopt(self, *targets: str, inclusions: bool = True, minimal: bool = False) -> ImportResult:
        """Import into the directory, over what is there."""
        live, flags = self.read(*targets, inclusions=inclusions)
        keys = {flag.id: key for key, flag in live.flags.items()}
        result = build_import(flags, find_declared_flags(self.config), self.config, keys=keys, minimal=minimal)
        for file in result.files:
            file.path.write_text(file.text, encoding="utf-8", newline="")
        return result

    def texts(self) -> dict[str, str]:
        """Every file of the directory by its name."""
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(self.config.flags_dir.iterdir())}

    def write(self, name: str, text: str) -> Path:
        """Put a file into the directory."""
        path = self.config.flags_dir / name
        path.write_text(text, encoding="utf-8", newline="")
        return path


def a_repository(directory: Path, emulator: Emulator, **settings: Any) -> Repository:
    """An empty repository in a directory."""
    flags = directory / "flags"
    flags.mkdir(parents=True)
    config = a_world(emulator, **settings).config
    return Repository(
        emulator=emulator, config=structs.replace(config, file=directory / "reconciler.yaml", flags_dir=flags)
    )


def a_random_project(random: Random, size: int = 3) -> Emulator:
    """A project whose flags hold everything that the API can show and a file can say, odd texts first."""
    return an_emulator(*(a_random_live_flag(random, f"flag-{index}") for index in range(size)))


def a_random_live_flag(random: Random, key: str) -> dict[str, Any]:
    """One such flag."""
    keys = random.sample(["on", "control", "treatment", "Yes", "0", "b_2", "No-1", "null"], random.randint(1, 4))
    return {
        "projectId": PROJECT,
        "key": key,
        "name": random.choice([text for text in TEXTS if not set(text) & {"\n", "\t"}]),
        "description": random.choice(TEXTS),
        "enabled": random.random() < 0.6,
        "evaluationMode": random.choice(["remote", "local"]),
        "bucketingKey": random.choice(["amplitude_id", "user_id", "gp:account"]),
        "bucketingSalt": random.choice(["mHdQDzeE", "0012", "1e5", "yes"]),
        "bucketingUnit": random.choice(["User", "User", "org id"]),
        "rolloutPercentage": random.choice([0, 1, 50, 100]),
        "variants": [_a_variant(random, name) for name in keys],
        "rolloutWeights": _weights(random, keys),
        "targetSegments": [_a_segment(random, keys, number) for number in range(random.randint(0, 3))],
        "deployments": random.sample(sorted(DEPLOYMENTS), random.randint(0, 3)),
        "tags": random.sample(["x", "on", "12", "two words", "é"], random.randint(0, 3)),
    }


def _a_variant(random: Random, key: str) -> dict[str, Any]:
    users = [f"{key}-{number}@example.com" for number in random.sample(range(30), random.choice([0, 0, 1, 20]))]
    return {
        "key": key,
        "name": random.choice([text for text in TEXTS if not set(text) & {"\n", "\t"}]),
        "description": random.choice(TEXTS),
        "payload": random.choice(PAYLOADS),
        "users": users + ([f"00{key}"] if random.random() < 0.3 else []),
        "cohorts": [f"cohort{number}" for number in random.sample(range(9), random.choice([0, 0, 2]))],
    }


def _a_segment(random: Random, keys: list[str], number: int) -> dict[str, Any]:
    return {
        "name": f"Segment {number}: {random.choice(['', 'on', '#1', 'é'])}",
        "conditions": random.sample(CONDITIONS, random.randint(1, 3)),
        "percentage": random.choice([0, 25, 100]),
        "bucketingKey": random.choice(["amplitude_id", "user_id"]),
        "rolloutWeights": _weights(random, random.sample(keys, random.randint(1, len(keys)))),
    }


def _weights(random: Random, keys: list[str]) -> Mapping[str, int]:
    weights = {key: random.choice([0, 1, 1, 2, 50]) for key in keys}
    return weights if any(weights.values()) else weights | {keys[0]: 1}
