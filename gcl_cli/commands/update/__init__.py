"""`gcl update`: command.py, and what only it needs."""
