"""Commands around the steps: run them, watch them, use what they made."""
