"""What is made ready before anybody clicks: warm sessions, and all that a class needs."""
