"""What several stages do alike: open the data, build networks from artifacts, follow a training loop, share work."""
