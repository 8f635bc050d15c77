"""`gcl render`: command.py, and what only it needs."""
