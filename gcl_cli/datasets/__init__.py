"""Folders on disk -> samples -> pictures in memory."""
