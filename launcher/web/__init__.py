"""Blueprints that translate requests into calls and answers into pages; no decisions here."""
