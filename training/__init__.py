"""The training of the embedded demonstration model: rendered scenes, the training loop, and its figures.

A package of the checkout (``python -m training.train``), not of the wheel.
"""
