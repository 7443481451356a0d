"""Records of runs and what they produced."""
