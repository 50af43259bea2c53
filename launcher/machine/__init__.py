"""What this machine has and gives: memory, open files, ports."""
