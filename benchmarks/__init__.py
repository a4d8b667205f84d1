"""Speed, memory and design comparisons; `make bench` runs the first of them."""
