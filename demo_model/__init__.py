"""The workshop of the model that ``dptscope demo`` shows: rendered scenes, training, figures, and the files that ship.

A project of its own. It builds on ``dptscope`` and ``dptscope_export``; nothing in them, nor in the viewer, imports it.
"""
