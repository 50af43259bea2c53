"""When classes are, which ones are known, and whether they fit."""
