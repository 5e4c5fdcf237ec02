"""``python -m dptscope``."""

from dptscope.cli import main

main()
