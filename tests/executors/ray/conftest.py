"""How Ray starts in tests."""

import os

# Read when Ray is imported; with a token given, Ray writes none into the home folder.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
