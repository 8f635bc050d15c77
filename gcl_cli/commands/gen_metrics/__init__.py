"""`gcl gen-metrics`: command.py, and what only it needs."""
