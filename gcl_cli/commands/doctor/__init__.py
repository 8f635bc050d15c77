"""`gcl doctor`: command.py, and what only it needs."""
