"""From an item's text to its interests."""
