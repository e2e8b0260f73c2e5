"""Every stream of chance comes from here."""

import hashlib
import json


def derive(seed: int, *labels: str | int) -> int:
    """Return the seed of one stream of chance, named by `labels`, in [0, 2**63).

    Streams with different labels are independent; no strategy, device or thread count is ever among the labels, so
    arms of one study share their initial weights and the order of their images. SHA-256 of canonical JSON.
    """
    text = json.dumps([seed, *labels], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
