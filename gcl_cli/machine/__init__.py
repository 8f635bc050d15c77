"""What depends on this machine: devices, processes, RAM."""
