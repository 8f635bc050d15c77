"""What each command does: a folder where it has parts of its own, else a file. Strangers to each other."""
