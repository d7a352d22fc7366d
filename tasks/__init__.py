"""Verbs of the story: script → storyboard → clips → film. Knows Luma, files and pictures; no database, no web server."""
