"""How the hot loops are compiled."""

from ex4d.runtime.jit import inlined_kernel, kernel


def test_kernels_compile_where_no_cache_can_be_written():
    """As in a container without a home; numba cannot cache a function without a file either."""
    namespace = {}
    exec("def double(x): return 2 * x", namespace)  # noqa: S102
    assert kernel(namespace["double"])(3) == 6
    assert inlined_kernel(namespace["double"])(4) == 8
