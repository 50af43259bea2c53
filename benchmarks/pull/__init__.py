"""`make bench-pull`: our pull and nbgitpuller's, in the same situations and at the same work."""
