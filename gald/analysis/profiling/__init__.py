"""What work costs: wall clock in turns, memory in a fresh process, multiplications counted, and the tables of it."""
