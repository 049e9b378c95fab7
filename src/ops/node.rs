//! A node of candle's graph whose values and gradients are computed here.
//!
//! candle's own custom operations take at most three arguments and compute a gradient for each of them. A
//! [`node`] takes any number and has edges only to those that track, so that nothing is computed or stored for
//! a frozen weight. Its forward pass has been computed before it is made.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Device, Error as CandleError, Layout,
    MetalStorage, Shape, Storage, Tensor,
};

use super::{Phase, timed};
use crate::{Error, Result};

type CandleResult<T> = candle_core::Result<T>;

/// The gradients of a node's inputs, in their order; `None` where the input does not track.
pub(super) type Gradients = Vec<Option<Tensor>>;

/// What a node computed.
pub(super) enum Output {
    /// Values on the CPU, row-major.
    Values(Vec<f32>),
    /// A tensor on any device, outside the graph.
    Tensor(Tensor),
}

/// Makes the node: `backward` is given the output and its gradient, contiguous and outside the graph.
pub(super) fn node(
    name: &'static str,
    inputs: &[&Tensor],
    output: Output,
    shape: impl Into<Shape>,
    backward: impl Fn(&Tensor, &Tensor) -> Result<Gradients> + Send + Sync + 'static,
) -> Result<Tensor> {
    node_of_parts(name, inputs, output, shape, move |output, g| {
        timed(name, Phase::Backward, g.device(), || backward(output, g))
    })
}

/// The same of an operation that accounts its parts by itself.
pub(super) fn node_of_parts(
    name: &'static str,
    inputs: &[&Tensor],
    output: Output,
    shape: impl Into<Shape>,
    backward: impl Fn(&Tensor, &Tensor) -> Result<Gradients> + Send + Sync + 'static,
) -> Result<Tensor> {
    let shape = shape.into();
    let tracked: Vec<usize> = (0..inputs.len())
        .filter(|i| inputs[*i].track_op())
        .collect();
    let args: Vec<Tensor> = tracked.iter().map(|i| inputs[*i].clone()).collect();
    if args.is_empty() {
        return Ok(match output {
            Output::Values(values) => Tensor::from_vec(values, shape, &Device::Cpu)?,
            Output::Tensor(tensor) => tensor,
        });
    }
    let op = |extra| Node {
        name,
        output: Mutex::new(Some(output)),
        shape,
        tracked,
        backward: Box::new(backward),
        extra,
    };
    Ok(match args.as_slice() {
        [a] => a.apply_op1(op(None))?,
        [a, b] => a.apply_op2(b, op(None))?,
        [a, b, c] => a.apply_op3(b, c, op(None))?,
        [a, b, rest @ ..] => {
            let letters = Letters::default();
            let bundle = bundle(rest, &letters, 0)?;
            a.apply_op3(b, &bundle, op(Some(letters)))?
        }
        [] => return Err(Error::internal("a node without arguments")),
    })
}

/// Gradients on their way from a node to the arguments that it has no direct edge to.
type Letters = Arc<Mutex<Vec<Option<Tensor>>>>;

/// Ties arguments beyond the second to one placeholder tensor. The node gives their gradients to `letters`, and
/// the bundle, which comes after the node in the backward pass, hands them on.
fn bundle(args: &[Tensor], letters: &Letters, from: usize) -> CandleResult<Tensor> {
    let op = Bundle {
        letters: letters.clone(),
        from,
        direct: if args.len() > 3 { 2 } else { args.len() },
    };
    match args {
        [a] => a.apply_op1(op),
        [a, b] => a.apply_op2(b, op),
        [a, b, c] => a.apply_op3(b, c, op),
        [a, b, rest @ ..] => {
            let rest = bundle(rest, letters, from + 2)?;
            a.apply_op3(b, &rest, op)
        }
        [] => Err(CandleError::msg("a bundle of nothing")),
    }
}

struct Bundle {
    letters: Letters,
    /// Which letter is for the first argument.
    from: usize,
    /// How many arguments get one; a further one is the rest of the bundle.
    direct: usize,
}

impl Bundle {
    fn forward(&self) -> CandleResult<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(1)))
    }

    fn take(&self, i: usize, arg: &Tensor) -> CandleResult<Option<Tensor>> {
        let letter = if i < self.direct {
            self.letters
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_mut(self.from + i)
                .and_then(Option::take)
        } else {
            None
        };
        match letter {
            Some(gradient) => Ok(Some(gradient)),
            None => arg.zeros_like().map(Some),
        }
    }
}

/// The tensor's values row-major from the start of its storage, where a copy of the storage has them.
fn from_the_start(tensor: Tensor) -> CandleResult<Tensor> {
    if tensor.is_contiguous() && tensor.layout().start_offset() == 0 {
        return Ok(tensor);
    }
    tensor.force_contiguous()
}

struct Node {
    name: &'static str,
    output: Mutex<Option<Output>>,
    shape: Shape,
    /// Which of the inputs are arguments in candle's graph.
    tracked: Vec<usize>,
    #[allow(clippy::type_complexity)]
    backward: Box<dyn Fn(&Tensor, &Tensor) -> Result<Gradients> + Send + Sync>,
    /// Where the gradients of arguments from the third on go, if there are more than three.
    extra: Option<Letters>,
}

impl Node {
    fn take(&self) -> CandleResult<Output> {
        self.output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(|| CandleError::msg(format!("{} was computed twice", self.name)))
    }

    fn cpu(&self) -> CandleResult<(CpuStorage, Shape)> {
        let values = match self.take()? {
            Output::Values(values) => values,
            Output::Tensor(tensor) => {
                let tensor = from_the_start(tensor)?;
                let (storage, _) = tensor.storage_and_layout();
                let Storage::Cpu(storage) = &*storage else {
                    return Err(CandleError::msg(format!("{} is elsewhere", self.name)));
                };
                return Ok((storage.clone(), self.shape.clone()));
            }
        };
        Ok((CpuStorage::F32(values), self.shape.clone()))
    }

    /// The output's storage on a device, taken out of the tensor by `pick`.
    fn device<S: BackendStorage>(
        &self,
        pick: impl Fn(&Storage) -> Option<&S>,
    ) -> CandleResult<(S, Shape)> {
        let Output::Tensor(tensor) = self.take()? else {
            return Err(CandleError::msg(format!("{} is for the CPU", self.name)));
        };
        let tensor = from_the_start(tensor)?;
        let (storage, layout) = tensor.storage_and_layout();
        match pick(&storage) {
            Some(storage) => Ok((storage.try_clone(layout)?, self.shape.clone())),
            None => Err(CandleError::msg(format!(
                "{} is on another device",
                self.name
            ))),
        }
    }

    fn gradients<const N: usize>(
        &self,
        args: [&Tensor; N],
        output: &Tensor,
        gradient: &Tensor,
    ) -> CandleResult<[Option<Tensor>; N]> {
        let gradient = gradient.detach().contiguous()?;
        let mut all = (self.backward)(&output.detach(), &gradient).map_err(CandleError::wrap)?;
        let mut picked = self.tracked.iter().map(|i| all.get_mut(*i)?.take());
        let mut direct: [Option<Tensor>; N] = std::array::from_fn(|_| None);
        let count = if self.extra.is_some() { N - 1 } else { N };
        for (slot, arg) in direct.iter_mut().zip(args).take(count) {
            *slot = Some(match picked.next().flatten() {
                Some(gradient) => gradient,
                None => arg.zeros_like()?,
            });
        }
        if let (Some(letters), Some(last)) = (&self.extra, args.last()) {
            *letters.lock().unwrap_or_else(PoisonError::into_inner) = picked.collect();
            direct[N - 1] = Some(last.zeros_like()?);
        }
        Ok(direct)
    }
}

fn cuda(storage: &Storage) -> Option<&CudaStorage> {
    match storage {
        Storage::Cuda(s) => Some(s),
        _ => None,
    }
}

fn metal(storage: &Storage) -> Option<&MetalStorage> {
    match storage {
        Storage::Metal(s) => Some(s),
        _ => None,
    }
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        self.cpu()
    }
    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> CandleResult<(CudaStorage, Shape)> {
        self.device(cuda)
    }
    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> CandleResult<(MetalStorage, Shape)> {
        self.device(metal)
    }
    fn bwd(&self, a: &Tensor, output: &Tensor, g: &Tensor) -> CandleResult<Option<Tensor>> {
        let [a] = self.gradients([a], output, g)?;
        Ok(a)
    }
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        self.cpu()
    }
    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> CandleResult<(CudaStorage, Shape)> {
        self.device(cuda)
    }
    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> CandleResult<(MetalStorage, Shape)> {
        self.device(metal)
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        output: &Tensor,
        g: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = self.gradients([a, b], output, g)?;
        Ok((a, b))
    }
}

type Three = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        self.cpu()
    }
    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> CandleResult<(CudaStorage, Shape)> {
        self.device(cuda)
    }
    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> CandleResult<(MetalStorage, Shape)> {
        self.device(metal)
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        output: &Tensor,
        g: &Tensor,
    ) -> CandleResult<Three> {
        let [a, b, c] = self.gradients([a, b, c], output, g)?;
        Ok((a, b, c))
    }
}

// The placeholder is only ever made on the CPU: a node elsewhere has at most three arguments.
impl CustomOp1 for Bundle {
    fn name(&self) -> &'static str {
        "bundle"
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        self.forward()
    }
    fn bwd(&self, a: &Tensor, _: &Tensor, _: &Tensor) -> CandleResult<Option<Tensor>> {
        self.take(0, a)
    }
}

impl CustomOp2 for Bundle {
    fn name(&self) -> &'static str {
        "bundle"
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        self.forward()
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        Ok((self.take(0, a)?, self.take(1, b)?))
    }
}

impl CustomOp3 for Bundle {
    fn name(&self) -> &'static str {
        "bundle"
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        self.forward()
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> CandleResult<Three> {
        Ok((self.take(0, a)?, self.take(1, b)?, self.take(2, c)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    /// Σ (i + 1)·xᵢ over any number of scalars.
    fn weighted(inputs: &[&Tensor]) -> Tensor {
        let sum = inputs
            .iter()
            .enumerate()
            .map(|(i, x)| (i + 1) as f32 * x.to_vec1::<f32>().unwrap()[0])
            .sum();
        let count = inputs.len();
        node(
            "weighted",
            inputs,
            Output::Values(vec![sum]),
            1,
            move |_, g| {
                (0..count)
                    .map(|i| Ok(Some(g.affine((i + 1) as f64, 0.0)?)))
                    .collect()
            },
        )
        .unwrap()
    }

    #[test]
    fn any_number_of_arguments_get_their_own_gradients() {
        for n in 1..=9 {
            let vars: Vec<Var> = (0..n)
                .map(|i| Var::new(&[i as f32], &Device::Cpu).unwrap())
                .collect();
            // An intermediate tensor between each variable and the node, as in a model.
            let inputs: Vec<Tensor> = vars.iter().map(|v| v.affine(2.0, 0.0).unwrap()).collect();
            let y = weighted(&inputs.iter().collect::<Vec<_>>());
            let grads = y.backward().unwrap();
            for (i, v) in vars.iter().enumerate() {
                let g = grads.get(v).unwrap().to_vec1::<f32>().unwrap();
                assert_eq!(g, [2.0 * (i + 1) as f32], "argument {i} of {n}");
            }
        }
    }

    #[test]
    fn inputs_that_do_not_track_are_no_arguments() {
        let frozen = Tensor::new(&[3f32], &Device::Cpu).unwrap();
        let var = Var::new(&[5f32], &Device::Cpu).unwrap();
        let y = weighted(&[&frozen, &var, &frozen]);
        assert_eq!(y.to_vec1::<f32>().unwrap(), [3.0 + 10.0 + 9.0]);
        let grads = y.backward().unwrap();
        assert_eq!(grads.get_ids().count(), 1);
        assert_eq!(grads.get(&var).unwrap().to_vec1::<f32>().unwrap(), [2.0]);
        assert!(!weighted(&[&frozen]).track_op());
    }
}
