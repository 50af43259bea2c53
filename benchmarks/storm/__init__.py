"""`make bench-storm`: a class clicks at once, against plain containers of as many."""
