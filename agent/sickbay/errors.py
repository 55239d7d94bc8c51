"""This is the one base of every error that sickbay raises."""


class SickbayError(Exception):
    """This is an error whose text says what happened, to what, what was done and what you can do."""


class ConfigError(SickbayError, ValueError):
    """This is a configuration that cannot be used; the text names the file, the key and a mend."""


class ModelFileError(SickbayError, ValueError):
    """This is a model file that cannot be read or does not fit its part."""


class WireError(SickbayError, ValueError):
    """This is a message from outside that is not of the agreed shape."""


class StoreError(SickbayError, OSError):
    """This is a state folder or database that cannot be written."""


class ConsoleError(SickbayError, ConnectionError):
    """This is a daemon that cannot be reached, or that refused an order."""


class OrderRefused(SickbayError, ValueError):
    """This is an order that cannot be carried out, or that nobody but a person at the device may give."""
