"""What a model needs on accelerators that are not here: compiled for TPUs, by arithmetic for GPUs."""
