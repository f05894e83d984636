"""The one exception of the emulator: a request that is refused, with the status and the words of the answer."""

from __future__ import annotations


class RefusedError(Exception):
    """The request is answered with `status`, and `str(error)` as the text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def bad_request(message: str) -> RefusedError:
    """Missing or invalid input."""
    return RefusedError(400, message)


def not_found(what: str) -> RefusedError:
    """Nothing of that id or key."""
    return RefusedError(404, f"{what} not found")
