"""What rules remember is kept beyond the process: where, by whom, and what one rule's memory goes through while it runs."""
