"""What the link page offers and checks before a link is shared, and short links."""
