"""Training EX-4D's adapter on a cache: `ex4d train`.

settings    what a run is given, and its config.toml
sample_choices  which clip, mask, prompt, noise level and noise a sample has
schedule    noise levels, their weights, and the loss
adapter     what is trained: low-rank changes and the geometry encoder
blocks      the frozen transformer: resident, streamed or sharded; each block runs twice
model       from a sample to its loss
steps       one step of the optimiser over any number of GPUs
checkpoints a run on disk, continued exactly
validation  sample videos and the loss of clips that are held out
run         all of it
"""
