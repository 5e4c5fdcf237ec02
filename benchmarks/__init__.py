"""Measurements. See ``README.md`` here."""
