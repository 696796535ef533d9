"""The measured claims of the README, side by side with the peer, one module each."""
