"""Decoding: a canvas of masked positions, rules that fill it, and one loop on the device."""
