"""The page that shows a work folder: what was found, how it came about, and how it looks."""
