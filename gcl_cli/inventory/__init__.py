"""What a work folder holds, how it was made, and what is stale."""
