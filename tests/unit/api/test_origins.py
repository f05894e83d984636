"""Which addresses the key may go to."""

from __future__ import annotations

import pytest

from reconciler.api.credentials import REGIONS, origin_for
from reconciler.errors import UsageError

US = REGIONS["us"]
ALLOWED = {"RECONCILER_ALLOW_CUSTOM_HOST": "1"}

LOOPBACKS = {
    "http://127.0.0.1": "http://127.0.0.1",
    "http://127.0.0.1:1234": "http://127.0.0.1:1234",
    "http://127.0.0.1:1234/": "http://127.0.0.1:1234",
    "http://127.0.0.1:1234/api/1": "http://127.0.0.1:1234",
    "http://127.0.0.1:1234/api/1/": "http://127.0.0.1:1234",
    "https://127.0.0.1": "https://127.0.0.1",
    "http://127.200.3.4:9": "http://127.200.3.4:9",
    "http://localhost:5000": "http://localhost:5000",
    "HTTP://LocalHost:5000": "http://localhost:5000",
    "http://[::1]:5000": "http://[::1]:5000",
    "https://[::1]": "https://[::1]",
}

TRICKS = [
    # another's host behind a user name
    "https://experiment.amplitude.com@evil.example.com",
    "https://experiment.amplitude.com:443@evil.example.com",
    "https://user@127.0.0.1",
    "https://user:password@127.0.0.1",
    "http://127.0.0.1@evil.example.com",
    "http://127.0.0.1:80@evil.example.com/",
    "https://@127.0.0.1",
    "https://:@127.0.0.1",
    "https://%75ser@127.0.0.1",
    # backslashes, which parsers read in two ways
    "https://evil.example.com\\@127.0.0.1",
    "https://127.0.0.1\\@evil.example.com",
    "http:\\\\127.0.0.1",
    "http://127.0.0.1\\.evil.example.com",
    "https:/\\127.0.0.1",
    # dots that are none, dots too many
    "https://127。0。0。1",
    "https://127\uff0e0\uff0e0\uff0e1",
    "https://experiment.amplitude.com.",
    "https://localhost.",
    "http://127.0.0.1.",
    "https://experiment..amplitude.com",
    "https://.amplitude.com",
    "https://..",
    "https://example\uff61com",
    # letters that look alike, encoded or not
    "https://exp\u0435riment.amplitude.com",
    "https://xn--exprimnt-9cf.amplitude.com",
    "https://XN--exprimnt-9cf.amplitude.com",
    "https://\u24d4xample.com",
    "https://loc\u00e0lhost",
    "https://\uff4cocalhost",
    "https://example.com\u200b",
    "https://example\u00ad.com",
    "https://ex\u202eample.com",
    # escapes
    "https://127.0.0.1%2f@evil.example.com",
    "https://%6c%6f%63%61%6c%68%6f%73%74",
    "https://127.0.0.1%00.evil.example.com",
    "https://127.0.0.1%23.evil.example.com",
    "https://[::1%25lo]",
    "https://[fe80::1%25eth0]",
    # numbers that a resolver takes for this machine, or does not
    "http://2130706433",
    "http://0x7f000001",
    "http://0x7f.0.0.1",
    "http://0177.0.0.1",
    "http://127.1",
    "http://127.0.1",
    "http://127.0.0.01",
    "http://127.0.0.256",
    "http://127.0.0.1.1",
    "http://1",
    "http://0",
    "http://[127.0.0.1]",
    "http://[::1",
    "http://::1",
    "http://[:::1]",
    "http://[1:2]",
    # paths, queries, fragments
    "http://127.0.0.1/api/2",
    "http://127.0.0.1/api/1/flags",
    "http://127.0.0.1/api/1/../../evil",
    "http://127.0.0.1/..",
    "http://127.0.0.1//",
    "http://127.0.0.1//evil.example.com",
    "http://127.0.0.1/.",
    "http://127.0.0.1?",
    "http://127.0.0.1/?x=1",
    "http://127.0.0.1?@evil.example.com",
    "http://127.0.0.1#",
    "http://127.0.0.1#@evil.example.com",
    "http://127.0.0.1/#x",
    "http://127.0.0.1;x",
    # ports
    "http://127.0.0.1:",
    "http://127.0.0.1:0",
    "http://127.0.0.1:080",
    "http://127.0.0.1:65536",
    "http://127.0.0.1:999999",
    "http://127.0.0.1:80:80",
    "http://127.0.0.1:-1",
    "http://127.0.0.1:8a",
    "http://127.0.0.1:\u0661",
    # white space and control characters
    " http://127.0.0.1",
    "http://127.0.0.1 ",
    "http://127.0.0.1\n",
    "http://127.0.0.1\r\nHost: evil.example.com",
    "http://127.0.0.1\tevil",
    "http://\n127.0.0.1",
    "http://127.0.0.1\x00",
    # not an address
    "127.0.0.1",
    "127.0.0.1:8080",
    "//127.0.0.1",
    "http:127.0.0.1",
    "http:/127.0.0.1",
    "http:///127.0.0.1",
    "http://",
    "https://-example.com",
    "https://example-.com",
    "https://exa_mple.com",
    "https://example.com,evil.example.com",
    "https://" + "a" * 64 + ".com",
    "https://" + "a." * 130 + "com",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "javascript://127.0.0.1",
    "unix:///var/run/docker.sock",
    "http+unix://127.0.0.1",
    "httpss://127.0.0.1",
    "ws://127.0.0.1",
]


@pytest.mark.parametrize("region", ["us", "eu"])
def test_regions_are_compiled_in(region: str) -> None:
    """Without anything in the environment the key goes to Amplitude over https."""
    host = {"us": "experiment.amplitude.com", "eu": "experiment.eu.amplitude.com"}[region]
    origin = origin_for(region, {})
    assert (str(origin), origin.region, origin.is_loopback) == (f"https://{host}", region, False)


def test_an_empty_variable_is_no_address() -> None:
    """RECONCILER_API_URL set to nothing, as CI systems do, means the region."""
    assert origin_for("us", {"RECONCILER_API_URL": ""}) is US


def test_an_unknown_region_is_refused() -> None:
    """A region that is not compiled in is wrong usage, and the message names those that are."""
    with pytest.raises(UsageError, match="us, eu"):
        origin_for("mars", {})


@pytest.mark.parametrize(("address", "url"), LOOPBACKS.items())
def test_loopback_is_taken_as_it_is(address: str, url: str) -> None:
    """This machine may be named with or without TLS, on any port, and needs no second switch."""
    origin = origin_for("us", {"RECONCILER_API_URL": address})
    assert (origin.url, origin.is_loopback, origin.region) == (url, True, None)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://mirror.example.com", None),
        ("https://mirror.example.com:8443/api/1", "https://mirror.example.com:8443"),
        ("HTTPS://Mirror.example.com:443", "https://mirror.example.com"),
        ("https://mirror.example.com:80", None),
        ("https://mirror.example.com:65535", None),
        ("https://localhost.example.com", None),
        ("https://127.0.0.1.example.com", None),
        ("https://10.0.0.1", None),
        ("https://0.0.0.0", None),
        ("https://[2001:db8::1]", None),
        ("https://[::ffff:127.0.0.1]", None),
        ("https://[::]", None),
        ("https://experiment.amplitude.com", None),
    ],
)
def test_another_host_needs_a_second_switch(address: str, url: str | None) -> None:
    """A host that is not this machine is taken only with RECONCILER_ALLOW_CUSTOM_HOST=1, exactly."""
    for switch in ({}, {"RECONCILER_ALLOW_CUSTOM_HOST": "true"}, {"RECONCILER_ALLOW_CUSTOM_HOST": ""}):
        with pytest.raises(UsageError) as caught:
            origin_for("us", {"RECONCILER_API_URL": address, **switch})
        assert str(caught.value) == (
            "RECONCILER_API_URL names a host that is not this machine. The key would go there: set"
            " RECONCILER_ALLOW_CUSTOM_HOST=1 beside it if that is meant, or unset RECONCILER_API_URL."
        )
    origin = origin_for("us", {"RECONCILER_API_URL": address, **ALLOWED})
    assert (origin.url, origin.is_loopback, origin.region) == (url or address, False, None)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://mirror.example.com", " must begin with https:// for a host that is not this machine."),
        ("https://mirror.example.com:65536", " names a port above 65535."),
        ("https://a..example.com", " names a host with an empty, malformed or internationalised part."),
        ("https://1.2.3", " names a host made of numbers that is no IP address."),
        (
            "https://user@example.com",
            (
                " is not an address of the form https://host or http://127.0.0.1:port: a user name, path, query,"
                " fragment, escape or a character outside ASCII in it is refused."
            ),
        ),
    ],
)
def test_an_address_that_is_refused_says_why(address: str, said: str) -> None:
    """Even with the switch: the key leaves this machine over https only, and to one place that is sure."""
    with pytest.raises(UsageError) as caught:
        origin_for("us", {"RECONCILER_API_URL": address, **ALLOWED})
    assert str(caught.value) == f"RECONCILER_API_URL{said}"


def test_there_are_enough_tricks() -> None:
    """The list of tricks is long, and none is there twice."""
    assert len(TRICKS) == len(set(TRICKS)) >= 80


@pytest.mark.parametrize("address", TRICKS)
def test_every_trick_is_refused(address: str) -> None:
    """An address that two parsers could read in two ways is refused, with or without the switch, and not repeated."""
    for spelling in {address, address.replace("http:", "https:", 1)}:
        with pytest.raises(UsageError) as caught:
            origin_for("us", {"RECONCILER_API_URL": spelling, **ALLOWED})
        assert "evil" not in str(caught.value)
        assert "password" not in str(caught.value)
