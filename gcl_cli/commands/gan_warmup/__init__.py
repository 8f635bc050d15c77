"""`gcl gan-warmup`: command.py, and what only it needs."""
