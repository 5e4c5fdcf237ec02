"""What is done to a traced graph."""
