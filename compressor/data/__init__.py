"""Images and text to train on; none of them is downloaded."""
