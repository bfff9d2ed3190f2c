"""Looking at a data set before training on it: what spoils a training, and a sheet of pictures."""
