"""How many sessions fit, and the line of those who wait for room."""
