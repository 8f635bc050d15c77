"""`gcl run`: command.py, and what only it needs."""
