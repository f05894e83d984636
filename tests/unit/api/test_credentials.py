"""Which keys are taken, and from where."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from reconciler.api import credentials
from reconciler.api.credentials import REGIONS, ApiKey, Origin, read_key
from reconciler.errors import AccessError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-4f7d9a2b8c1e6035"
US = REGIONS["us"]
LOOPBACK = Origin(scheme="http", host="127.0.0.1", port=8080, is_loopback=True)


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


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o601, 0o610, 0o666])
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


def test_a_key_file_is_closed_again(tmp_path: Path) -> None:
    """Also one in which there is no key: the next file that is opened gets the same number."""
    for content in (SECRET, ""):
        file = tmp_path / "key"
        file.write_text(content)
        numbers = []
        for _ in range(2):
            numbers.append(os.open(file, os.O_RDONLY))
            os.close(numbers[-1])
            with nullcontext() if content else pytest.raises(AccessError):
                read_key({}, file, origin=US)
        assert numbers[0] == numbers[1]


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
    assert credentials._PIPE_SECONDS == 10
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
    assert (str(caught.value), caught.value.exit_code) == (said, 4)


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
def test_keys_of_the_shortest_and_the_longest_length_are_taken(tmp_path: Path, length: int) -> None:
    """One character less, or more, is no key."""
    beyond = length - 1 if length == 16 else length + 1
    file = tmp_path / "key"
    file.write_bytes(b"k" * length + b"\r\n")
    assert read_key({"AMPLITUDE_MANAGEMENT_API_KEY": "k" * length}, None, origin=US).reveal() == "k" * length
    assert read_key({}, file, origin=US).reveal() == "k" * length
    with pytest.raises(AccessError):
        read_key({"AMPLITUDE_MANAGEMENT_API_KEY": "k" * beyond}, None, origin=US)
    file.write_bytes(b"k" * length + b"\r\nk")
    with pytest.raises(AccessError):
        read_key({}, file, origin=US)


def test_a_file_that_is_no_key_is_refused_and_never_shown(tmp_path: Path) -> None:
    """A file of another kind, named by mistake, is not quoted."""
    file = tmp_path / "credentials"
    file.write_bytes(b"[default]\naws_secret_access_key = canary\n" + b"\xff" * 9000)
    with pytest.raises(AccessError) as caught:
        read_key({}, file, origin=US)
    assert "canary" not in str(caught.value)
    reader, writer = os.pipe()
    os.write(writer, b"canary" + b"\xff" * 20 + b"\n")
    with pytest.raises(AccessError) as caught:
        read_key({}, f"/dev/fd/{reader}", origin=US)
    assert "canary" not in str(caught.value)
    os.close(reader)
    os.close(writer)


def test_no_more_is_read_than_a_key_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many pieces as it comes; a file of another kind may be large."""
    sizes, read = list[int](), os.read

    def in_pieces(descriptor: int, most: int) -> bytes:
        sizes.append(most)
        return read(descriptor, min(most, 2000))

    file = tmp_path / "key"
    file.write_bytes(b"k" * 9000)
    monkeypatch.setattr("reconciler.api.credentials.os.read", in_pieces)
    with pytest.raises(AccessError):
        read_key({}, file, origin=US)
    assert sizes == [4099, 2099, 99]


def test_loopback_takes_any_key() -> None:
    """A test server's key may be short."""
    assert read_key({"AMPLITUDE_MANAGEMENT_API_KEY": "k"}, None, origin=LOOPBACK).reveal() == "k"


def test_a_key_has_no_readable_form() -> None:
    """Neither repr, str nor formatting shows a key."""
    key = ApiKey(SECRET)
    assert {repr(key), str(key), f"{key}", f"{key!r}", "%s" % key} == {"ApiKey(***)"}  # noqa: UP031 - a form of its own
    assert SECRET not in repr({"key": key})
    assert key == ApiKey(SECRET, ("a warning",), "a file") != ApiKey(SECRET[:-1])
