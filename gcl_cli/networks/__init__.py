"""Neural networks; shapes in every docstring."""
