"""Pictures of depth and norms."""
