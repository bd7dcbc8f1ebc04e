"""The diffusion engine: EX-4D's adapter on Wan2.1-I2V-14B-480P, with diffsynth's model classes.

    files        folder -> weights -> architecture, checkpoint, lora, steps_lora -> overlay, load
    conditions   erosion -> conditioning (sizes, padding) -> vae, geometry, image, prompts
    model        model (its parts), block -> fused (plain or kernels), rotation, cross_keys, fp8
    sampling     transformer, windows, step_cache -> sampling; preview
    memory       memory (profiles) -> streaming (blocks that come and go)
    result       vae (decode) -> keep_source -> engine

Importing this package loads nothing; its modules import torch, and diffsynth only when they make
a model.
"""
