"""DepthCrafter (arXiv 2409.02095): a video diffusion model that makes disparity. Its code and its
weights are for academic use only; the pipeline here is our own, on diffusers' model classes."""
