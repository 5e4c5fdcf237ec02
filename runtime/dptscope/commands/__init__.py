"""The subcommands of ``dptscope``, a file each."""
