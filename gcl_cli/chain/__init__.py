"""The chain as one command: what is there is kept, the rest is made, each step by its own stage."""
