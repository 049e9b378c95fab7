//! What operations on a chain of frozen parts share: factors beside frozen layers, what goes from part to part, and the
//! one node that the whole chain is in candle's graph.

use candle_core::{Shape, Tensor};

use super::buffer::Buffer;
use super::cpu::values;
use super::linear::tensor;
use super::node::{Output, node_of_parts};
use super::tracks;
use crate::Result;
use crate::random::Key;

/// Low-rank factors beside a frozen layer: they add `scale·B(A(dropout(x)))`.
#[derive(Clone)]
pub struct Factors {
    /// `[rank, inputs]`; of a convolution `[rank, inputs, kh, kw]`.
    pub a: Tensor,
    /// `[outputs, rank]`; of a convolution `[outputs, rank, 1, 1]`.
    pub b: Tensor,
    /// Factor of the product.
    pub scale: f64,
    /// Dropout of the input: the probability, and the key of the mask.
    pub dropout: Option<(f32, Key)>,
}

/// A part of a chain.
pub(super) trait Link {
    /// Its frozen tensors.
    fn frozen(&self) -> Vec<&Tensor>;

    /// What is trained beside them, in the order of the gradients.
    fn factors(&self) -> Vec<&Factors>;
}

/// Whether a chain can be one operation: everything is f32 on the CPU, and nothing but factors is trained.
pub(super) fn applies<L: Link>(x: &Tensor, links: &[L]) -> bool {
    super::fused(&[x])
        && links.iter().all(|link| {
            link.frozen()
                .iter()
                .all(|t| super::fused(&[t]) && !tracks(t))
                && link.factors().iter().all(|f| super::fused(&[&f.a, &f.b]))
        })
}

/// The first part that has a gradient, and so keeps something; the number of parts where none has.
pub(super) fn lowest<L: Link>(x: &Tensor, links: &[L]) -> usize {
    if tracks(x) {
        return 0;
    }
    let trained = |link: &L| {
        let factors = link.factors();
        factors.iter().any(|f| tracks(&f.a) || tracks(&f.b))
    };
    links.iter().position(trained).unwrap_or(links.len())
}

/// What goes into a part: the chain's input, or what the part before gave.
pub(super) enum Held {
    Given(Tensor),
    Computed(Buffer),
}

impl Held {
    pub(super) fn read<R>(&self, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
        match self {
            Self::Given(t) => f(&values(t)?),
            Self::Computed(b) => f(b),
        }
    }
}

/// The node of a chain that gave `out`. `backward(i, g, deep, y)` is asked for the parts from the last down to
/// [`lowest`]: from the gradient behind part `i` it makes the one before it, empty unless it is needed (`deep`), and
/// those of A and B of each of its factors; `y` is what the chain gave.
pub(super) fn node_of_chain<L: Link>(
    name: &'static str,
    x: &Tensor,
    links: &[L],
    out: &Held,
    shape: impl Into<Shape>,
    backward: impl Fn(usize, Buffer, bool, &Tensor) -> Result<(Buffer, Vec<Tensor>)>
    + Send
    + Sync
    + 'static,
) -> Result<Tensor> {
    let mut args = vec![x];
    for link in links {
        args.extend(link.factors().iter().flat_map(|f| [&f.a, &f.b]));
    }
    let (count, lowest, parts) = (args.len(), lowest(x, links), links.len());
    let (train_x, x_shape) = (tracks(x), x.shape().clone());
    // candle frees it by itself; so it is a copy, and the buffer is used again.
    let out = Output::Values(out.read(|y| Ok(y.to_vec()))?);
    node_of_parts(name, &args, out, shape, move |y, g| {
        let mut grads = vec![None; count];
        let mut end = count;
        let mut gradient = Buffer::new(g.elem_count());
        gradient.copy_from_slice(&values(g)?);
        for i in (lowest..parts).rev() {
            let deep = i > lowest || train_x;
            let (dx, factors) = backward(i, gradient, deep, y)?;
            end -= factors.len();
            for (slot, gradient) in grads[end..].iter_mut().zip(factors) {
                *slot = Some(gradient);
            }
            gradient = dx;
        }
        if train_x {
            grads[0] = Some(tensor(gradient.to_vec(), x_shape.clone())?);
        }
        Ok(grads)
    })
}

/// Rows cut into pieces of `rows`, each of `width` values; empty pieces of an empty buffer.
pub(super) fn cut(buffer: &mut [f32], rows: usize, width: usize, pieces: usize) -> Vec<&mut [f32]> {
    if buffer.is_empty() || width == 0 {
        (0..pieces).map(|_| Default::default()).collect()
    } else {
        buffer.chunks_mut(rows * width).collect()
    }
}
