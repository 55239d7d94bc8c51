"""These are the simulated machines: physics only, no sensors, no faults of their own making."""
