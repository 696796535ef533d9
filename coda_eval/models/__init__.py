"""One decoder for every model family, and the loader that fills it from a Hugging Face directory."""
