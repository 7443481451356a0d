"""The physics: FMUs in, trajectories out. Knows no database and no account."""
