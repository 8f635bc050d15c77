"""Queries and gallery: distances, ranked lists, figures."""
