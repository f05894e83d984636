"""A shop whose checkout is behind a flag, with Amplitude's SDK for Python as it is."""

from __future__ import annotations

from amplitude_experiment import LocalEvaluationClient, LocalEvaluationConfig, User


class Shop:
    """The shop. `flags_url` is None in production: then the SDK asks Amplitude."""

    def __init__(self, deployment_key: str, flags_url: str | None = None) -> None:
        config = LocalEvaluationConfig(server_url=flags_url) if flags_url else LocalEvaluationConfig()
        self._flags = LocalEvaluationClient(deployment_key, config)
        self._flags.start()

    def checkout_button(self, user_id: str, country: str = "US") -> str:
        """What the button of the checkout says to a user."""
        variant = self._flags.evaluate_v2(User(user_id=user_id, country=country)).get("new-checkout")
        if variant is not None and variant.key == "treatment":
            return str(variant.payload["button"])
        return "Go to checkout"

    def close(self) -> None:
        """End what the SDK does behind."""
        self._flags.stop()
