"""The few widgets: plain frozen values that draw themselves and answer mouse events with a new value.

None of them keeps state: what they show comes in, what the user wants goes out.
"""

from dptscope_view.widgets.chart import ColourBar, Histogram, Strip
from dptscope_view.widgets.choice import Button, Choice
from dptscope_view.widgets.slider import Slider
from dptscope_view.widgets.tiles import FileList, Tile, TileGrid

__all__ = ["Button", "Choice", "ColourBar", "FileList", "Histogram", "Slider", "Strip", "Tile", "TileGrid"]
