"""YAML is read as PyYAML's own parser reads it, to the type of each number and the place of each key."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
import yaml
from commented_yaml import a_document
from yaml_oracle import check_agreement

from reconciler.files.format import format_text
from reconciler.files.yaml.reader import read_documents, read_source

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = 20
TEXTS = 600
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "flags").glob("*.yaml"))

PLAIN_KEYS = ("a", "b", "key", "a.b", "a-b", "_x", "on")
ODD_KEYS = (
    '"on"', '"true"', "'b'", "true", "null", "NaN", ".inf", "1a", "a b", "<<", "~", '"a b"', "a#b", "?", "é", "",
)  # fmt: skip
PLAIN_VALUES = (
    "a", "b c", "true", "null", "~", "1", "-1", "1.5", "1e3", '"x y"', "'x'", '""', "a:b", "http://x/y",
    "[a, b]", "[]", "{}", "{a: 1, b: x}", "{a: [1, 2], b: {c: d}}", '{"on": 1}', "2024-01-01", "0x1F", "01",
)  # fmt: skip
ODD_VALUES = (
    "a: b", "a :b", "a : b", "a #b", "a#b", "a: b c", "x:", "x #", "# x", "-x", "- x", "-", "--", "---", "...",
    "+", "+1", "-0", "00", "1.", ".5", "1_0", "1:30", "NaN", ".inf", "-.inf", "1e400", "9" * 70, "a  b", "a\tb",
    '"a: b"', "'a # b'", "'it''s'", '"a\\n"', '"a" b', '"a"x', '"a": b', '"', "'", 'a"b', "a'b", "a\\b", "\\",
    "*a", "&a b", "!t x", "!", "|", ">", "|-", "%x", "@x", "`x", "?", "? a", "?a", ":", ": a", ":a", ",", "a, b",
    "[a, ]", "[a b, c]", "[a: 1]", "{a}", "{a: }", "[a", "a]", "a}", "[a,b]", "[ a, b ]", "{a:1}", "{true: 1}",
    "[NaN]", "[a]x", "[a] x", "[a]: b", "{a: 1, a: 2}", "[-1, -a]", "[a -b]", "[a - b]", "[a#b]", "[a #b]",
    "[a%b]", "[10%, 5 %]", "[%a]", "[a %b]", "{a: 10%}", "{a: %}",
    "[a?b]", "[[a], {b: [c]}]", "[a, # c", "=", "a=b", "<<", "(x)", "$x", "a{b", "a[b]", "é", "",
)  # fmt: skip
WHOLE_LINES = (
    "", "   ", "# c", "  # c: d", "#", "\t", "# é", "---", "...", "%YAML 1.2", "--- a", "-", "- ", "- - a",
    "- - a: b", "-  a: b", "? a", "- ? a", ": b", "word", "  word", "'a': b", "a: b\r",
)  # fmt: skip


def a_scalar(random: Random, odd: float) -> str:
    return random.choice(ODD_VALUES if random.random() < odd else PLAIN_VALUES)


def a_key(random: Random, odd: float, number: int) -> str:
    return random.choice(ODD_KEYS) if random.random() < odd else f"{random.choice(PLAIN_KEYS)}{number or ''}"


def a_line(random: Random) -> str:
    """A line that need not fit to its neighbours."""
    if random.random() < 0.08:
        return random.choice(WHOLE_LINES)
    dash = random.choice(["", "", "- ", "- ", "-", "-  ", "- - "]) if random.random() < 0.4 else ""
    key = a_key(random, 0.2, 0) + random.choice([": ", ": ", ":", ":  "]) if random.random() < 0.75 else ""
    value = a_scalar(random, 0.5) if random.random() < 0.7 else ""
    end = random.choice(["", "", "", "", " ", " # c", "  #", "#x", "\t"])
    return " " * random.choice([0, 0, 0, 1, 2, 2, 3, 4, 4, 6]) + dash + key + value + end


def a_block(random: Random, indent: int, level: int, odd: float) -> Iterator[str]:
    """The lines of a mapping or list, nearly always well formed."""
    space, count = " " * indent, random.randint(1, 3)
    is_list = level > 0 and random.random() < 0.4
    for number in range(count):
        if is_list and random.random() < 0.5:
            yield f"{space}- {a_scalar(random, odd)}"
        elif is_list:
            yield from a_pair(random, f"{space}- {a_key(random, odd, number)}:", indent + 2, level, odd)
            yield from a_pair(random, f"{space}  {a_key(random, odd, number + 1)}:", indent + 2, level, odd)
        else:
            yield from a_pair(random, f"{space}{a_key(random, odd, number)}:", indent, level, odd)


def a_pair(random: Random, head: str, indent: int, level: int, odd: float) -> Iterator[str]:
    if level < 4 and random.random() < 0.35:
        yield head
        yield from a_block(random, indent + random.choice([0, 2, 2, 2, 1, 4]), level + 1, odd)
    else:
        yield f"{head} {a_scalar(random, odd)}"


def a_text(random: Random) -> str:
    """Lines without order; or a document, as it is or with a line more or less."""
    if random.random() < 0.3:
        lines = [a_line(random) for _ in range(random.randint(1, 6))]
    else:
        lines = list(a_block(random, 0, 0, random.choice([0.0, 0.0, 0.05, 0.2])))
        if random.random() < 0.4:
            lines.insert(random.randrange(len(lines) + 1), a_line(random))
        if random.random() < 0.2:
            del lines[random.randrange(len(lines))]
    if random.random() < 0.1:
        lines.insert(0, "---")
    return "\n".join(lines) + random.choice(["\n", "\n", "\n", ""])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_texts_are_read_as_another_parser_reads_them(seed: int) -> None:
    """Texts around the edges of YAML are read alike or refused, and refused alike for their syntax."""
    random = Random(seed)
    texts = [a_text(random) for _ in range(TEXTS)]
    assert sum(check_agreement(text, read_source(text, "f")) for text in texts) > TEXTS / 3


@pytest.mark.parametrize("seed", range(SEEDS))
def test_flag_files_in_the_usual_styles_give_the_flag_that_was_written(seed: int) -> None:
    """Flags as PyYAML and as `fmt` write them."""
    document = a_document(Random(seed), "new-checkout")
    by_library = yaml.safe_dump(document, sort_keys=False)
    for text in (by_library, format_text(by_library, "")):
        assert [found.value for found in read_documents(text, "f")] == [document]
        assert check_agreement(text, read_source(text, "f"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_examples_are_read_as_another_parser_reads_them(file: Path) -> None:
    """The example files."""
    assert check_agreement(file.read_text(), read_source(file.read_bytes(), "f"))
