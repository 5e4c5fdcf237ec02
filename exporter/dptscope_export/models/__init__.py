"""The torch models: one clean module a family, built from a frozen config, free of anything that only the export needs."""
