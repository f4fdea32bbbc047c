"""From other people's schemas to ours: named arrays in, named arrays out, no disk."""
