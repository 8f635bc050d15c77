"""`gcl report`: command.py, and what only it needs."""
