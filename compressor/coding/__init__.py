"""Symbols as bytes and back: fixed width or Huffman, and whole tensors as streams of symbols."""
