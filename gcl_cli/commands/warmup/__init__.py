"""`gcl warmup`: command.py, and what only it needs."""
