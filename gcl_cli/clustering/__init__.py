"""Neighbours, Jaccard distance, radius and density clustering: pure functions."""
