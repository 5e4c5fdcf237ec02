"""The two views, and the parts that they are made of."""
