"""Speed claims, as ratios of two ways measured in turn in one run. `make bench` prints them."""
