"""Verbs of the story: script → storyboard → clips → film. No database and no web server is known here."""
