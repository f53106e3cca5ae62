"""What is given any bytes whatever: the decoders of all that strangers may send. `make fuzz` looks for bytes that break one."""
