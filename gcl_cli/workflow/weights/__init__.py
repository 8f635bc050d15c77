"""Networks: new ones, those that artifacts hold, and weights made elsewhere."""
