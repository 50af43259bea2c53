"""`make bench-build`: what a build and a start cost, against the plain way, on this engine."""
