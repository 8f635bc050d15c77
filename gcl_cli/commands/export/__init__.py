"""`gcl export`: command.py, and what only it needs."""
