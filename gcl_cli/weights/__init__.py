"""Networks and where their weights come from: artifacts, given files, published files."""
