"""Runs as files: a folder that another machine imports, and one HTML page that opens without the app."""
