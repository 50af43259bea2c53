"""What a box needs, looked at: each check yields findings, with the way out where one is bad."""
