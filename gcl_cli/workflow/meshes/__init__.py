"""The mesh artifact: bodies estimated or taken from elsewhere, read, exported."""
