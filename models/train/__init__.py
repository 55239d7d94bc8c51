"""This made the models that ship with sickbay: `python -m models.train.make` makes them again, byte for byte."""
