"""The one public port: HTTP and WebSockets to sessions, everything else to the app.

A process of its own, so that a restart of the app closes nobody's notebook. Knows routes and
cookies; knows nothing of engines, links or content.
"""
