"""This is sickbay: it reads sensors, quarantines what is faulty on the spot, and escalates only what a person must know."""

__version__ = "0.1.0"
