"""Floor 5: words in, words out, exit codes. One file per command; heavy imports inside the commands."""
