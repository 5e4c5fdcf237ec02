"""Model-local functions, one a block: the readable form."""
