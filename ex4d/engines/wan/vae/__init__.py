"""Wan's video autoencoder: from frames to latents and back.

    model        its parts, with the names of the published weights
    layers       what it is made of
    steps        convolutions, and what lies between them -> plain (PyTorch), or kernels and
                 conv_kernel (Triton)
    tiling       which frames are one latent, and tiles where memory is short
    autoencoder  all of it on a device

Frames stay in memory as the convolutions of a GPU want them, all channels of a pixel beside each
other (`channels_last_3d`): [B, T, H, W, C] in this package.
"""
