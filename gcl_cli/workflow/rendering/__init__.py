"""Views of bodies: drawn, taken from elsewhere, read as training input."""
