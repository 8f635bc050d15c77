"""`gcl cluster`: command.py, and what only it needs."""
