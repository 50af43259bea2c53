"""How settings are read; what they are is in `launcher/config.py`."""
