"""Who somebody is, what they may do, and who did what."""
