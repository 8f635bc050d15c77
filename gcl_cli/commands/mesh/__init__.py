"""`gcl mesh`: command.py, and what only it needs."""
