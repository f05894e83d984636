"""Broken YAML by the thousand: seeded mutations of good flag files with the tokens that break parsers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

EXAMPLES = tuple(path.read_bytes() for path in sorted(Path(__file__).parents[1].glob("examples/flags/*.yaml")))

NASTY = [
    b"&a ", b"*a", b"!!str ", b"!x ", b"<<: ", b"? ", b": ", b"- ", b"[", b"]", b"{", b"}", b",", b"'", b'"', b"|\n",
    b">\n", b"#", b"---\n", b"...\n", b"%YAML 1.1\n", b"\t", b"\r", b"\r\n", b"\n", b"\n\n  ", b" ", b"~", b"null",
    b"true", b"on", b".nan", b".inf", b"1e999", b"0012", b"1:30", b"9" * 80, b"1_000", b"0x1F", b"-", b"@", b"`",
    b"\\", b'"\\ud800"', b'"\\u202e"', b'"\\0"', b'"\\x41"', b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\xe2\x80\x8b",
    b"\xc2\x85", b"\xe2\x80\xa8", b"\xff", b"\xc3", b"\x00", b"\x1b[31m", b"\xf0\x9f\x98\x80", b"key: a\n",
    b"key: new-search\n", b"variants: []\n", b"environments: {staging: null}\n", b"rolloutWeights: {a: 0}\n",
    b"conditions: []\n", b"[" * 60, b"{a: " * 30, b"- " * 60, b"&a [*a, *a]", b"=", b"\xcc\x81", b"a: b: c",
]  # fmt: skip


def mutate(random: Random) -> bytes:
    """One broken, or by chance still good, file."""
    content = bytearray(random.choice(EXAMPLES))
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        at = random.randrange(len(content) + 1)
        span = random.choice((1, 1, 4, 20, 200))
        match random.randrange(6):
            case 0:
                content[at:at] = random.choice(NASTY)
            case 1:
                content[at : at + span] = b""
            case 2:
                content[at:at] = content[at : at + span]
            case 3:
                content[at : at + 1] = bytes([random.randrange(256)])
            case 4:
                content[at : at + span] = random.choice(NASTY)
            case _:
                lines = bytes(content).splitlines(keepends=True)
                random.shuffle(lines) if span == 200 else lines.insert(
                    at % (len(lines) + 1), random.choice(lines or [b"x"])
                )
                content = bytearray(b"".join(lines))
    return bytes(content)
