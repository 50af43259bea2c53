"""The database of a data folder: what is remembered and is in no container's or image's label."""

from launcher.database.database import Database, DatabaseTrouble

__all__ = ["Database", "DatabaseTrouble"]
