"""The opened data: pictures, bodies, views, corrections."""
