//! Pooling.

/// Number of windows along an axis in PyTorch's ceil mode: the last one must start inside.
pub(super) fn ceil_outputs(size: usize, kernel: usize, stride: usize) -> usize {
    let outputs = size.saturating_sub(kernel).div_ceil(stride) + 1;
    if (outputs - 1) * stride >= size {
        outputs - 1
    } else {
        outputs
    }
}
