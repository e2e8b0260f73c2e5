"""What everything else stands on: errors, seeds, checks, text, files, locks. Imports nothing of the package."""
