"""These are the wires between a simulated machine and an unmodified daemon: a serial line, GPIO pins."""
