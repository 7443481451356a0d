"""Models: the verified library and what accounts have uploaded."""
