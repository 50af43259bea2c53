"""The sections of the settings, and how they are read; `launcher/config.py` joins them."""
