"""The only code that knows a file name: layout, publishing, manifests, checkpoints, formats."""
