"""What the algorithm should do: suggestions, the experiments that would prove them, and their track record."""
