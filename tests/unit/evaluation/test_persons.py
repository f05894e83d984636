"""Made-up users with a wanted hash: murmur3 taken back, beside the hash itself."""

from __future__ import annotations

from random import Random

import mmh3

from reconciler.evaluation.persons import _body_state, _last_block


def test_the_last_block_leads_to_the_wanted_hash() -> None:
    """For any beginning of whole blocks and any hash, exactly."""
    random = Random(7)
    for _ in range(500):
        body, wanted = random.randbytes(4 * random.randint(0, 6)), random.randrange(2**32)
        block = _last_block(_body_state(body), len(body) + 4, wanted)
        assert mmh3.hash(body + block.to_bytes(4, "little"), signed=False) == wanted
