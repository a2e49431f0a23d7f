"""What flows between the steps: dense tensors, codes, sparse columns, packed layers. Types only: no step, no file."""
