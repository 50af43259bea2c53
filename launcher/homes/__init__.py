"""Students' folders: where they are, how full, sent as a zip, and the bin."""
