"""This checks orders from afar: whose keys are trusted, and a short-lived process that looks at signatures."""
