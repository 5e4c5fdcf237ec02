"""Debian's Chromium, as tests start it."""

CHROMIUM = "/usr/bin/chromium"
# No sandbox, for tests may run as root; no look-ups of its own on the network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
