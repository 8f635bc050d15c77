"""`gcl evaluate`: command.py, and what only it needs."""
