"""Which addresses the key may go to, and which keys are taken."""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING

import pytest

from reconciler.api import credentials
from reconciler.api.credentials import REGIONS, ApiKey, Origin, origin_for, read_key
from reconciler.errors import AccessError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-4f7d9a2b8c1e6035"
US = REGIONS["us"]
LOOPBACK = Origin(scheme="http", host="127.0.0.1", port=8080, is_loopback=True)
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
    assert str(origin_for(region, {})) == f"https://{host}"
    assert not origin_for(region, {}).is_loopback


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
    "address",
    [
        "https://mirror.example.com",
        "https://mirror.example.com:8443/api/1",
        "https://localhost.example.com",
        "https://127.0.0.1.example.com",
        "https://10.0.0.1",
        "https://0.0.0.0",
        "https://[2001:db8::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::]",
        "https://experiment.amplitude.com",
    ],
)
def test_another_host_needs_a_second_switch(address: str) -> None:
    """A host that is not this machine is taken only with RECONCILER_ALLOW_CUSTOM_HOST=1, exactly."""
    for switch in ({}, {"RECONCILER_ALLOW_CUSTOM_HOST": "true"}, {"RECONCILER_ALLOW_CUSTOM_HOST": ""}):
        with pytest.raises(UsageError, match="RECONCILER_ALLOW_CUSTOM_HOST=1"):
            origin_for("us", {"RECONCILER_API_URL": address, **switch})
    assert not origin_for("us", {"RECONCILER_API_URL": address, **ALLOWED}).is_loopback


def test_another_host_needs_tls() -> None:
    """Even with the switch, the key leaves this machine over https only."""
    with pytest.raises(UsageError, match="https"):
        origin_for("us", {"RECONCILER_API_URL": "http://mirror.example.com", **ALLOWED})


def test_there_are_enough_tricks() -> None:
    """The list of tricks is long, and none is there twice."""
    assert len(TRICKS) == len(set(TRICKS)) >= 80


@pytest.mark.parametrize("address", TRICKS)
def test_every_trick_is_refused(address: str) -> None:
    """An address that two parsers could read in two ways is refused, with or without the switch, and not repeated."""
    with pytest.raises(UsageError) as caught:
        origin_for("us", {"RECONCILER_API_URL": address, **ALLOWED})
    assert "evil" not in str(caught.value)
    assert "password" not in str(caught.value)


def test_the_key_comes_from_the_environment() -> None:
    """The variable's value is the key, without the newline that a shell may have left."""
    for text in (SECRET, SECRET + "\n", SECRET + "\r\n"):
        assert read_key({"AMPLITUDE_MANAGEMENT_API_KEY": text}, None, origin=US).reveal() == SECRET


def test_the_key_file_wins_over_the_environment(tmp_path: Path) -> None:
    """A file that was named on the command line is what counts."""
    file = tmp_path / "key"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    key = read_key({"AMPLITUDE_MANAGEMENT_API_KEY": "another-key-0123456789"}, file, origin=US)
    assert (key.reveal(), key.warnings) == (SECRET, ())


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_an_open_key_file_is_remarked_on(tmp_path: Path, mode: int) -> None:
    """A file that others may open is used, because CI systems mount secrets so, but not in silence."""
    file = tmp_path / "key"
    file.write_text(SECRET)
    file.chmod(mode)
    key = read_key({}, file, origin=US)
    place = repr(str(file))
    assert key.place == f"the file {place}"
    assert key.warnings == (
        f"The key file {place} is open to other users of this machine (mode {mode:04o}): `chmod 600` it.",
    )


def test_a_key_can_come_through_a_pipe(tmp_path: Path) -> None:
    """What a shell substitutes for a file has no permissions to remark on."""
    reader, writer = os.pipe()
    os.write(writer, SECRET.encode())
    os.close(writer)
    key = read_key({}, f"/dev/fd/{reader}", origin=US)
    os.close(reader)
    assert (key.reveal(), key.warnings) == (SECRET, ())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\nand more that is no part of it\n"])
def test_a_pipe_is_read_to_its_first_newline(tmp_path: Path, end: str) -> None:
    """Its writer may stay: nothing waits for it to close."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, f"{SECRET}{end}".encode())
    assert read_key({}, pipe, origin=US).reveal() == SECRET
    os.close(writer)


@pytest.mark.parametrize("written", [None, b"", SECRET.encode()])
def test_a_pipe_that_gives_no_line_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes | None
) -> None:
    """Without a writer, or with one that writes nothing, or no line break, and stays: the error names the file."""
    monkeypatch.setattr(credentials, "_PIPE_SECONDS", 0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = None if written is None else os.open(pipe, os.O_RDWR)
    if writer is not None and written:
        os.write(writer, written)
    with pytest.raises(UsageError, match="gave no key within") as caught:
        read_key({}, pipe, origin=US)
    assert repr(str(pipe)) in str(caught.value)
    assert "canary" not in str(caught.value)
    if writer is not None:
        os.close(writer)


def test_a_key_that_comes_in_pieces_is_one(tmp_path: Path) -> None:
    """What is there at first is not taken for all of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, SECRET[:5].encode())
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(read_key({}, pipe, origin=US).reveal()))
    reader.start()
    while select.select([writer], [], [], 0)[0]:
        time.sleep(0.001)
    os.write(writer, f"{SECRET[5:]}\n".encode())
    reader.join()
    os.close(writer)
    assert found == [SECRET]


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_key_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path, name: str) -> None:
    """A file that is not there, or is a directory, is named in the refusal."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_key({}, tmp_path / name, origin=US)


NO_KEY = (
    "There is no management key: set AMPLITUDE_MANAGEMENT_API_KEY, or name a file that holds it with --api-key-file."
)
NOT_ONE = (
    " does not hold a management key: one has at least 16 printable ASCII characters and no space. Copy it again from"
    " Amplitude's settings."
)


@pytest.mark.parametrize(
    ("variable", "file", "said"),
    [
        (None, None, NO_KEY),
        ("", None, NO_KEY),
        ("\n", None, NO_KEY),
        ("a key", None, f"AMPLITUDE_MANAGEMENT_API_KEY{NOT_ONE}"),
        (SECRET, "\r\n", "The file 'KEY' is empty; it should hold the management key."),
        (SECRET, "a key", f"The file 'KEY'{NOT_ONE}"),
    ],
)
def test_a_key_that_is_none_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, file: str | None, said: str
) -> None:
    """The exit code is 4, nothing was sent, and the message names the place where the key should be."""
    monkeypatch.chdir(tmp_path)
    if file is not None:
        (tmp_path / "KEY").write_text(file)
    environ = {} if variable is None else {"AMPLITUDE_MANAGEMENT_API_KEY": variable}
    with pytest.raises(AccessError) as caught:
        read_key(environ, None if file is None else "KEY", origin=US)
    assert (str(caught.value), caught.value.exit_code, caught.value.attempts) == (said, 4, 0)


@pytest.mark.parametrize(
    "text",
    [
        "canary-short-key",
        f" {SECRET}",
        f"{SECRET} ",
        f"{SECRET}\n\n",
        f"{SECRET}\nX-Evil: 1",
        f"{SECRET}\r\n\r\n",
        f"{SECRET}\x00",
        f"{SECRET}\x7f",
        f"{SECRET}\u00e9",
        f"{SECRET}\ud83d",
        f"Bearer {SECRET}",
        SECRET * 200,
    ],
)
def test_what_cannot_be_a_key_is_refused_and_never_shown(text: str) -> None:
    """A key that would break a header, or is too short to be one, is refused without being quoted."""
    if text == "canary-short-key":
        text = text[:-1]
    with pytest.raises(AccessError) as caught:
        read_key({"AMPLITUDE_MANAGEMENT_API_KEY": text}, None, origin=US)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("length", [16, 4096])
def test_keys_of_the_shortest_and_the_longest_length_are_taken(length: int) -> None:
    """One character less, or more, is no key."""
    beyond = length - 1 if length == 16 else length + 1
    assert read_key({"AMPLITUDE_MANAGEMENT_API_KEY": "k" * length}, None, origin=US).reveal() == "k" * length
    with pytest.raises(AccessError):
        read_key({"AMPLITUDE_MANAGEMENT_API_KEY": "k" * beyond}, None, origin=US)


def test_a_file_that_is_no_key_is_refused_and_never_shown(tmp_path: Path) -> None:
    """A file of another kind, named by mistake, is not quoted."""
    file = tmp_path / "credentials"
    file.write_bytes(b"[default]\naws_secret_access_key = canary\n" + b"\xff" * 9000)
    with pytest.raises(AccessError) as caught:
        read_key({}, file, origin=US)
    assert "canary" not in str(caught.value)


def test_loopback_takes_any_key() -> None:
    """A test server's key may be short."""
    assert read_key({"AMPLITUDE_MANAGEMENT_API_KEY": "k"}, None, origin=LOOPBACK).reveal() == "k"


def test_a_key_has_no_readable_form() -> None:
    """Neither repr, str nor formatting shows a key."""
    key = ApiKey(SECRET)
    assert {repr(key), str(key), f"{key}", f"{key!r}", "%s" % key} == {"ApiKey(***)"}  # noqa: UP031 - a form of its own
    assert SECRET not in repr({"key": key})
