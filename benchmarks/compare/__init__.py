"""Side-by-side measurements: this project's exports, and what people would use instead, with the same weights."""
