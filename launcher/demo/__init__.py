"""`launcher demo`: a sample course on this machine, from nothing to an opened notebook."""
