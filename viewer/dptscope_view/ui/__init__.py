"""A small toolkit that knows nothing of depth: places, events, and widgets.

Widgets are plain frozen values that draw themselves and answer mouse events with a new value; none keeps state.
"""
