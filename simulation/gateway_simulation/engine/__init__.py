"""The FMPy engine: loads an FMU and runs it. Imported only by processes made for one run."""
