"""What is scaled: today a pool of processes on this host."""
