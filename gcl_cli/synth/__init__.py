"""Synthetic people: identities, clothing, cameras, scenes."""
