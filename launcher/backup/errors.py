"""What can go wrong with a backup or a restore; what was there before is as it was.

LaunchError
├── BackupFailed   no new backup was written
├── BadBackup      the file is no whole backup
└── NotRestored    the folder cannot have what is in it
"""

from __future__ import annotations

from launcher.errors import LaunchError


class BackupFailed(LaunchError):
    """There is no new backup; an earlier one is as it was."""


class BadBackup(LaunchError):
    """The file is no whole backup. Nothing was restored."""


class NotRestored(LaunchError):
    """The backup cannot be put there. It is as it was."""
