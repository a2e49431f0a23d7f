"""The nine published layers and where their numbers come from."""
