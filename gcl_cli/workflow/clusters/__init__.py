"""Around the clusters: corrections by hand, what fits in memory, earlier labels, a sheet to look at."""
