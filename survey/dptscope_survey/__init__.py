"""Surveys: what dptscope tells of one photo, asked of thousands, on the cores of a machine or of a cluster."""
