"""Looking without touching: what a work folder holds and needs, and what machine and data set are like."""
