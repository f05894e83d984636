"""The key in every form that a server or a library might give it back in."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from html import escape
from quopri import encodestring
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.credentials import ApiKey, _readings, pattern_of, quotation

SECRET = 'canary/4f+7d"9a&2b=8c?1e\\60\\<%41>'

FORMS = {
    "plain": SECRET,
    "header": f"Bearer {SECRET}",
    "url": quote(SECRET, safe=""),
    "url, slashes kept": quote(SECRET),
    "form": quote_plus(SECRET),
    "url, mixed case": quote(SECRET, safe="").replace("%2F", "%2f").replace("%3F", "%3f"),
    "json": json.dumps({"key": SECRET}),
    "json, slashes escaped": json.dumps(SECRET).replace("/", "\\/"),
    "json, all escaped": "".join(f"\\u{ord(item):04X}" for item in SECRET),
    "json, some escaped": json.dumps(SECRET).replace("4", "\\u0034"),
    "json in json": json.dumps(json.dumps(SECRET)),
    "json in json, all escaped": json.dumps("".join(f"\\u{ord(item):04x}" for item in SECRET)),
    "a literal": "".join(f"\\x{ord(item):02x}" for item in SECRET),
    "a literal with braces": "".join(f"\\u{{{ord(item):x}}}" for item in SECRET),
    "octal": "".join(f"\\{ord(item):03o}" for item in SECRET),
    "url, all escaped": "".join(f"%{ord(item):02x}" for item in SECRET),
    "url in url": quote(quote(SECRET, safe=""), safe=""),
    "html": escape(SECRET),
    "html in html": escape(escape(SECRET)),
    "html, named": SECRET.replace("&", "&amp;").replace("/", "&sol;").replace("+", "&plus;").replace("=", "&equals;"),
    "html, decimal": "".join(f"&#{ord(item)};" for item in SECRET),
    "html, hexadecimal": "".join(f"&#x{ord(item):x};" for item in SECRET),
    "html, with zeros and without semicolons": "".join(f"&#X{ord(item):06X}" for item in SECRET),
    "html in json": json.dumps("".join(f"&#x{ord(item):X};" for item in SECRET)),
    "quoted-printable": encodestring(SECRET.encode()).decode(),
    "quoted-printable, all escaped": "".join(f"={ord(item):02X}" for item in SECRET),
    "hexadecimal": SECRET.encode().hex(),
    "hexadecimal, in capitals": SECRET.encode().hex().upper(),
    "base64 in a url": quote(b64encode(SECRET.encode()).decode(), safe=""),
    "base64 in json": json.dumps(b64encode(SECRET.encode()).decode()).replace("/", "\\/"),
    "base64": b64encode(SECRET.encode()).decode(),
    "base64 for urls": urlsafe_b64encode(SECRET.encode()).decode(),
    "base64 of the header": b64encode(f"Bearer {SECRET}".encode()).decode(),
    "base64 of name and key": b64encode(f"user:{SECRET}:more".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_replaced(form: str) -> None:
    """No form of the key survives, and what stands around it does."""
    text = ApiKey(SECRET).redact(f"before {FORMS[form]} after")
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "***" in text
    pattern = pattern_of(SECRET)
    assert pattern is not None
    assert pattern.search(text) is None
    assert pattern.search(ApiKey(SECRET).redact(FORMS[form])) is None


def test_a_key_that_is_the_beginning_of_its_own_base64_is_replaced_as_a_whole() -> None:
    """Nothing of the longer form stays."""
    secret = "Vm0wd2QyUXlVWGxW"
    longer = b64encode(secret.encode()).decode()
    assert longer.startswith(secret)
    assert ApiKey(secret).redact(f"{secret} {longer.rstrip('=')[:21]}") == "*** ***"


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=64), st.text())
def test_no_text_keeps_the_key(secret: str, text: str) -> None:
    """With any key and any text around it, the key is gone."""
    assert secret not in ApiKey(secret).redact(f"{text}{secret}{text}").replace("***", "\0")


@given(st.binary(max_size=9), st.text(alphabet="abcXYZ019-_/+", min_size=16, max_size=40), st.binary(max_size=9))
def test_no_base64_keeps_the_key(lead: bytes, secret: str, trail: bytes) -> None:
    """Wherever the key stands in what was encoded, its part of the base64 text is gone."""
    for encode in (b64encode, urlsafe_b64encode):
        assert "***" in ApiKey(secret).redact(encode(lead + secret.encode() + trail).decode())


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=40), st.data())
def test_no_mixture_of_escapes_keeps_the_key(secret: str, data: st.DataObject) -> None:
    """Each letter and digit of the key written in another way; its signs are escaped or not."""
    ways = ["{0}", "\\u{1:04x}", "&#{1};", "&#x{1:X};", "%{1:02X}", "\\x{1:02x}"]
    plain = "".join(item if item.isalnum() else "x" for item in secret)
    text = "".join(data.draw(st.sampled_from(ways)).format(item, ord(item)) for item in plain)
    assert ApiKey(plain).redact(f"<{text}>") == "<***>"


def test_what_stands_around_the_key_is_kept() -> None:
    """Also where it is escaped more often than the key, and where the key comes several times."""
    key = "canary-4f7d9a2b8c"
    html = "".join(f"&#{ord(item)};" for item in key)
    text = f"a {key} &amp;amp;amp;lt; {html}{html} b &amp;#x41; {key}c \\\\\\\\ {html.replace('&', '&amp;')}."
    expected = "a *** &amp;amp;amp;lt; ****** b &amp;#x41; ***c \\\\\\\\ ***."
    assert ApiKey(key).redact(text) == expected


def test_a_long_key_in_a_long_text_is_found_soon() -> None:
    """Of as many signs as a key may have, which may be escapes themselves."""
    for secret in ("a1" * 2048, "\\" * 4096, "%25" * 1365, "&amp;" * 819):
        text = secret[:-1] * 4 + "\\" * 1000 + "&amp;" * 1000
        assert "***" in ApiKey(secret).redact(text + secret)


def test_a_tiny_key_does_not_eat_the_text() -> None:
    """A key of a few letters, as on test servers, is not hunted for in ordinary words."""
    assert ApiKey("key").redact("the flag key") == "the flag key"


def test_a_key_of_six_characters_is_looked_for() -> None:
    """And none that is shorter; each of its forms is longer than that."""
    assert pattern_of("k3y-x") is None
    assert ApiKey("k3y-x").redact("k3y-x") == "k3y-x"
    for lead in ("", "1", "22"):
        encoded = b64encode(f"{lead}k3y-xy".encode()).decode()
        assert "***" in ApiKey("k3y-xy").redact(f"k3y-xy {encoded}").removeprefix("***")


def test_a_quotation_is_one_short_visible_line() -> None:
    """What a server writes is clipped and loses control, bidirectional and zero-width characters."""
    said = quotation("a\r\n\x1b[31mb\u202e\u200b\tc\x00" + "d" * 1000)
    assert said.startswith("a [31mb c d")
    assert len(said) == 300
    assert said.isprintable()
    assert quotation("d" * 300) == "d" * 300
    assert quotation("d" * 301) == "d" * 299 + "…"


@pytest.mark.parametrize("trail", [b"", b"!", b"!!"])
@pytest.mark.parametrize(("lead", "first"), [(b"", 0), (b"!", 2), (b"!!", 3), (b"!!!", 4)])
def test_all_of_a_key_in_base64_is_replaced_and_no_more(lead: bytes, first: int, trail: bytes) -> None:
    """But for the signs that it shares with what stands around it."""
    secret = "canary-4f7d9a2b8c1e6035"
    text = b64encode(lead + secret.encode() + trail).decode()
    last = len(lead + secret.encode()) * 8 // 6
    assert ApiKey(secret).redact(text) == f"{text[:first]}***{text[last:]}"


def test_escapes_within_escapes_are_undone_forty_times() -> None:
    """Not without end: a text may be made of nothing else."""
    assert len(list(_readings("%" + "25" * 60 + "41"))) == 40


def test_a_key_under_two_kinds_of_escapes_is_found_beside_many_of_a_third() -> None:
    """What takes few steps is looked at first."""
    key = "canary-4f7d9a2b8c"
    hidden = quote("".join(f"\\u{ord(item):04x}" for item in key), safe="")
    many = "&" + "amp;" * 60
    assert ApiKey(key).redact(f"{many} {hidden}.") == f"{many} ***."
