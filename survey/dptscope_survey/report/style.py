"""The frame of the page."""

from __future__ import annotations

_CSS = """
body { margin: 0; background: #f4f5f7; color: #20242c; font: 15px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 20px 60px; }
h1 { font-size: 27px; margin: 0; letter-spacing: -0.01em; }
header p { margin: 4px 0 26px; color: #6b7280; font-size: 16px; }
section { background: #fff; border: 1px solid #e5e7eb; border-radius: 10px; padding: 20px 24px; margin-bottom: 18px; }
h2 { font-size: 17px; margin: 0; }
section > p { margin: 4px 0 12px; color: #4b5563; max-width: 82ch; }
.wide { overflow-x: auto; }
.wide > img { display: block; }
.chart > img { width: 100%; min-width: 680px; }
figure { margin: 0; padding: 10px 0; border-top: 1px solid #eef0f3; }
figcaption { font-size: 13px; color: #4b5563; overflow-wrap: anywhere; }
figcaption b { color: #20242c; }
figcaption span { background: #eef0f3; border-radius: 9px; padding: 1px 8px; margin: 0 6px; white-space: nowrap; }
figure .wide { margin-top: 6px; }
.note { color: #9a3412; }
table { border-collapse: collapse; width: 100%; min-width: 680px; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid #eef0f3; }
th { color: #6b7280; font-weight: 600; }
footer { color: #6b7280; font-size: 13px; }
"""

PAGE = (
    '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>Survey of {title}</title><style>"
    + _CSS.replace("{", "{{").replace("}", "}}")
    + "</style></head>\n<body><main><header><h1>{title}</h1><p>{lead}</p></header>\n{body}\n"
    "<footer>{foot}</footer></main></body>\n</html>\n"
)
"""To be filled with ``title``, ``lead``, ``body`` and ``foot``."""
