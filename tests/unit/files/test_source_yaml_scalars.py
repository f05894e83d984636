"""Plain scalars mean what YAML 1.2 core says, narrowed to what every reader agrees on."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.files.yaml.reader import read_documents, read_source

MEANINGS: dict[str, Any] = {
    "true": True, "false": False, "null": None, "~": None, "": None,
    "True": "True", "TRUE": "TRUE", "False": "False", "Null": "Null", "NULL": "NULL",
    "on": "on", "off": "off", "yes": "yes", "no": "no", "ON": "ON", "y": "y", "n": "n",
    "0": 0, "7": 7, "-7": -7, "+7": 7, "217854": 217854, "-0": 0,
    "0012345": "0012345", "008": "008", "0123": "0123", "-01": "-01", "00": "00",
    "1_000": "1_000", "0x1F": "0x1F", "0o17": "0o17", "0b1": "0b1",
    "1:30": "1:30", "190:20:30": "190:20:30", "2024-01-01": "2024-01-01", "2024-13-45": "2024-13-45",
    "2024-01-01T10:00:00Z": "2024-01-01T10:00:00Z", "1.2.3": "1.2.3", "4.2.0": "4.2.0",
    "1.5": 1.5, "-1.5": -1.5, ".5": 0.5, "1.": 1.0, "1e3": 1000.0, "1E-2": 0.01, "1.10": 1.1, "0.0": 0.0,
    "00.5": "00.5", "1e": "1e", ".": ".", "+": "+", "1.5.": "1.5.", "١٢": "١٢",
    "inf": "inf", "nan": "nan", "infinity": "infinity", "=": "=", "<<": "<<", "gp:plan": "gp:plan",
}  # fmt: skip


@pytest.mark.parametrize("text", MEANINGS)
def test_a_plain_scalar_means_what_the_table_says(text: str) -> None:
    """Each plain scalar is the value of the table, of exactly that type."""
    (document,) = read_documents(f"a: {text}\n", "f.yaml")
    value = document.value["a"]
    assert (type(value), value) == (type(MEANINGS[text]), MEANINGS[text])


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "2024-01-01", "1:30", "0012345"])
def test_words_that_other_readers_convert_are_plain_keys(word: str) -> None:
    """`rolloutWeights: {on: 1, off: 1}` has the keys on and off."""
    assert read_documents(f"{word}: 1\n", "f.yaml")[0].value == {word: 1}


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("text", ["true", "null", "7", "1.5", "~", "", ".nan", "NaN", "<<"])
def test_what_stands_in_quotes_is_text(text: str, quote: str) -> None:
    """Quotes make text of everything, `<<` as a key included."""
    assert read_documents(f"a: {quote}{text}{quote}", "f")[0].value == {"a": text}
    assert read_documents(f"{quote}{text}{quote}: 1", "f")[0].value == {text: 1}


@pytest.mark.parametrize(
    "text",
    [
        ".nan", ".NaN", ".NAN", "NaN", "1e999", "-1e999",
        *(sign + name for sign in ("", "+", "-") for name in (".inf", ".Inf", ".INF", "Infinity")),
    ],
)  # fmt: skip
def test_a_number_that_json_cannot_carry_is_refused(text: str) -> None:
    """NaN and infinities are errors in every spelling, never text."""
    (finding,) = read_source(f"a: [1, {text}]\n", "f.yaml").diagnostics
    assert (finding.rule, str(finding.position), finding.path) == ("non-finite-number", "f.yaml:1:8", "/a/1")


@pytest.mark.parametrize("text", ["1" * 65, "-" + "9" * 64, "1" * 10_000, "0." + "3" * 63, "1" * 64 + ".0"])
def test_a_number_of_more_than_64_characters_is_refused(text: str) -> None:
    """An id that was not quoted does not become a huge number."""
    (finding,) = read_source(f"a: {text}\n", "f.yaml").diagnostics
    assert (finding.rule, str(finding.position)) == ("number-too-long", "f.yaml:1:4")


def test_a_number_of_64_digits_is_exact() -> None:
    """Whole numbers keep every digit up to the limit."""
    assert read_documents("a: " + "9" * 64, "f")[0].value["a"] == int("9" * 64)
