"""The tables of a survey as a page: numbers, charts, HTML."""
