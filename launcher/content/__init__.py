"""Content repositories: mirrored on the host, brought into students' folders, reconciled."""
