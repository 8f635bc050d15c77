"""`gcl search`: command.py, and what only it needs."""
