"""`gcl joint`: command.py, and what only it needs."""
