//! AdamW with its state in the open.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

use super::inplace::{Zip2, Zip3};
use crate::backbone::Weights;
use crate::{Error, Result};

/// AdamW's constants beside the learning rate and the weight decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// β1, how much of the mean gradient is kept at a step.
    pub beta1: f64,
    /// β2, the same of the mean squared gradient.
    pub beta2: f64,
    /// What is added to the root of the mean squared gradient.
    pub eps: f64,
}

impl Default for Constants {
    /// PyTorch's, with which everything is trained.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
        }
    }
}

/// A trained tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in the state.
    pub name: String,
    /// Its value, f32.
    pub var: Var,
    /// Whether weight decay is applied to it.
    pub decay: bool,
}

/// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv 1711.05101) as PyTorch's
/// `torch.optim.AdamW` with its default betas (0.9, 0.999) and eps 1e-8: for step t = 1, 2, … with gradient g,
///
/// ```text
/// p ← p − lr·decay·p
/// m ← m + (1 − β1)(g − m)            v ← β2·v + (1 − β2)·g²
/// p ← p − lr/(1 − β1^t) · m / (√v / √(1 − β2^t) + eps)
/// ```
///
/// The state is the parameters, their moments m and v, and the number of steps; [`AdamW::state`] and
/// [`AdamW::restore`] carry it bit for bit.
pub struct AdamW {
    constants: Constants,
    decay: f64,
    steps: usize,
    slots: Vec<Slot>,
}

struct Slot {
    parameter: Parameter,
    m: Tensor,
    v: Tensor,
}

/// The numbers of one step that all parameters share.
#[derive(Clone, Copy)]
struct Rates {
    constants: Constants,
    /// What a decayed parameter is multiplied by.
    keep: f64,
    /// lr / (1 − β1^t)
    size: f64,
    /// √(1 − β2^t)
    correction: f64,
}

impl AdamW {
    /// No step taken yet, the moments zero.
    pub fn new(parameters: Vec<Parameter>, weight_decay: f64) -> Result<Self> {
        Self::with_constants(parameters, weight_decay, Constants::default())
    }

    /// The same with other constants than PyTorch's.
    pub fn with_constants(
        parameters: Vec<Parameter>,
        weight_decay: f64,
        constants: Constants,
    ) -> Result<Self> {
        let slots = parameters
            .into_iter()
            .map(|parameter| {
                Ok(Slot {
                    m: parameter.var.zeros_like()?,
                    v: parameter.var.zeros_like()?,
                    parameter,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            constants,
            decay: weight_decay,
            steps: 0,
            slots,
        })
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// What is trained.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.slots.iter().map(|s| &s.parameter)
    }

    /// One step with these gradients.
    ///
    /// # Errors
    /// [`Error::Internal`] where a parameter has no gradient: the graph was cut. Nothing is changed then.
    pub fn step(&mut self, grads: &GradStore, lr: f64) -> Result<()> {
        let grads = self
            .slots
            .iter()
            .map(|slot| match grads.get(slot.parameter.var.as_tensor()) {
                Some(grad) => Ok(grad.contiguous()?),
                None => Err(Error::internal(format!(
                    "no gradient reached {}",
                    slot.parameter.name
                ))),
            })
            .collect::<Result<Vec<_>>>()?;
        self.steps += 1;
        let t = self.steps as f64;
        for (slot, grad) in self.slots.iter_mut().zip(&grads) {
            let decay = if slot.parameter.decay {
                self.decay
            } else {
                0.0
            };
            let constants = self.constants;
            let rates = Rates {
                constants,
                keep: 1.0 - lr * decay,
                size: lr / (1.0 - constants.beta1.powf(t)),
                correction: (1.0 - constants.beta2.powf(t)).sqrt(),
            };
            match grad.device() {
                Device::Cpu => slot.step_in_place(grad, rates)?,
                _ => slot.step_composed(grad, rates)?,
            }
        }
        Ok(())
    }

    /// The whole state: `step` (as PyTorch, an f32), and `value.NAME`, `m.NAME`, `v.NAME` of each parameter, as
    /// copies that later steps do not change.
    pub fn state(&self) -> Result<Weights> {
        let step = Tensor::new(self.steps as f32, &Device::Cpu)?;
        let mut state = Weights::from([("step".to_string(), step)]);
        for slot in &self.slots {
            for (kind, tensor) in slot.tensors() {
                let name = format!("{kind}.{}", slot.parameter.name);
                state.insert(name, tensor.detach().copy()?);
            }
        }
        Ok(state)
    }

    /// Takes over a [`AdamW::state`].
    ///
    /// # Errors
    /// [`Error::Input`] where it is not one of these parameters; nothing is changed then.
    pub fn restore(&mut self, state: &Weights) -> Result<()> {
        let wrong = |text: String| Error::input(format!("the training state does not fit: {text}"));
        let get = |name: &str, shape: &[usize]| match state.get(name) {
            Some(t) if t.dims() == shape => Ok(t),
            Some(t) => Err(wrong(format!(
                "{name} has the shape {:?} instead of {shape:?}",
                t.dims()
            ))),
            None => Err(wrong(format!("it has no {name}"))),
        };
        let steps = get("step", &[])?.to_scalar::<f32>()?;
        if steps < 0.0 || steps.fract() != 0.0 || steps > (1 << 24) as f32 {
            return Err(wrong(format!("step is {steps}")));
        }
        let expected = 1 + 3 * self.slots.len();
        if state.len() != expected {
            return Err(wrong(format!(
                "it has {} tensors instead of {expected}",
                state.len()
            )));
        }
        for slot in &self.slots {
            for (kind, tensor) in slot.tensors() {
                get(&format!("{kind}.{}", slot.parameter.name), tensor.dims())?;
            }
        }
        for slot in &mut self.slots {
            let shape = slot.m.dims().to_vec();
            let take = |kind: &str| get(&format!("{kind}.{}", slot.parameter.name), &shape);
            let device = slot.m.device();
            slot.parameter.var.set(&take("value")?.to_device(device)?)?;
            // Copies: the moments are written in place.
            let m = take("m")?.to_device(device)?.copy()?;
            let v = take("v")?.to_device(device)?.copy()?;
            (slot.m, slot.v) = (m, v);
        }
        self.steps = steps as usize;
        Ok(())
    }

    /// The mean squared gradient of each parameter, by its name, without the bias of few steps; none before the first.
    pub(super) fn mean_squares(&self) -> impl Iterator<Item = (&str, Result<Tensor>)> {
        let corrected = 1.0 - self.constants.beta2.powf(self.steps as f64);
        let slots = self.slots.iter().filter(move |_| corrected > 0.0);
        slots.map(move |slot| {
            let squares = slot.v.affine(1.0 / corrected, 0.0).map_err(Error::from);
            (slot.parameter.name.as_str(), squares)
        })
    }

    /// Whether every parameter is a finite number.
    pub(super) fn is_finite(&self) -> Result<bool> {
        for slot in &self.slots {
            // A sum of magnitudes is finite only if all are; that of f32 weights does not overflow.
            let sum = slot.parameter.var.abs()?.sum_all()?.to_scalar::<f32>()?;
            if !sum.is_finite() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Slot {
    fn tensors(&self) -> [(&'static str, &Tensor); 3] {
        [
            ("value", self.parameter.var.as_tensor()),
            ("m", &self.m),
            ("v", &self.v),
        ]
    }

    /// On a CPU: no allocation, and the same bits with any number of threads.
    fn step_in_place(&mut self, grad: &Tensor, rates: Rates) -> Result<()> {
        let Constants { beta1, beta2, eps } = rates.constants;
        let (a, b) = ((1.0 - beta1) as f32, beta2 as f32);
        let c = (1.0 - beta2) as f32;
        self.m
            .inplace_op2(grad, &Zip2(|m: f32, g: f32| m + a * (g - m)))?;
        self.v
            .inplace_op2(grad, &Zip2(|v: f32, g: f32| b * v + c * g * g))?;
        let (keep, size) = (rates.keep as f32, rates.size as f32);
        let (correction, eps) = (rates.correction as f32, eps as f32);
        let update = |p: f32, m: f32, v: f32| p * keep - size * m / (v.sqrt() / correction + eps);
        let var = &self.parameter.var;
        var.inplace_op3(&self.m, &self.v, &Zip3(update))?;
        Ok(())
    }

    /// The same of candle's operations, for any device.
    fn step_composed(&mut self, grad: &Tensor, rates: Rates) -> Result<()> {
        let Constants { beta1, beta2, eps } = rates.constants;
        self.m = (&self.m + (grad - &self.m)?.affine(1.0 - beta1, 0.0)?)?;
        self.v = (self.v.affine(beta2, 0.0)? + grad.sqr()?.affine(1.0 - beta2, 0.0)?)?;
        let spread = self.v.sqrt()?.affine(1.0 / rates.correction, eps)?;
        let update = (self.m.affine(rates.size, 0.0)? / spread)?;
        let var = &self.parameter.var;
        let value = (var.detach().affine(rates.keep, 0.0)? - update)?;
        Ok(var.set(&value)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    const N: usize = 40_000;

    fn tensor(key: Key) -> Tensor {
        let v: Vec<f32> = (0..N as u64).map(|i| key.normal(i)).collect();
        Tensor::from_vec(v, (N / 100, 100), &Device::Cpu).unwrap()
    }

    fn optimiser(decay: bool) -> AdamW {
        let parameter = Parameter {
            name: "w".into(),
            var: Var::from_tensor(&tensor(Key::new(1))).unwrap(),
            decay,
        };
        AdamW::new(vec![parameter], 0.05).unwrap()
    }

    fn var(optimiser: &AdamW) -> Var {
        optimiser.parameters().next().unwrap().var.clone()
    }

    /// The gradient of Σ w·c is c.
    fn step(optimiser: &mut AdamW, i: u64) {
        let c = tensor(Key::new(2).index(i));
        let loss = (var(optimiser).as_tensor() * c).unwrap().sum_all().unwrap();
        optimiser.step(&loss.backward().unwrap(), 1e-2).unwrap();
    }

    fn bits(state: &Weights) -> Vec<(String, Vec<u32>)> {
        let of = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        state
            .iter()
            .map(|(n, t)| (n.clone(), of(t).iter().map(|v| v.to_bits()).collect()))
            .collect()
    }

    #[test]
    fn steps_follow_the_formula() {
        for decay in [true, false] {
            let mut optimiser = optimiser(decay);
            let mut p: Vec<f64> = (0..N as u64)
                .map(|i| Key::new(1).normal(i).into())
                .collect();
            let (mut m, mut v) = (vec![0f64; N], vec![0f64; N]);
            for t in 0..4u64 {
                step(&mut optimiser, t);
                for i in 0..N {
                    let g = f64::from(Key::new(2).index(t).normal(i as u64));
                    m[i] = 0.9 * m[i] + 0.1 * g;
                    v[i] = 0.999 * v[i] + 0.001 * g * g;
                    let n = t as i32 + 1;
                    let (mh, vh) = (
                        m[i] / (1.0 - 0.9f64.powi(n)),
                        v[i] / (1.0 - 0.999f64.powi(n)),
                    );
                    if decay {
                        p[i] -= 1e-2 * 0.05 * p[i];
                    }
                    p[i] -= 1e-2 * mh / (vh.sqrt() + 1e-8);
                }
            }
            let got: Vec<f32> = var(&optimiser).flatten_all().unwrap().to_vec1().unwrap();
            for (g, e) in got.iter().zip(&p) {
                assert!((f64::from(*g) - e).abs() < 2e-6, "{g} {e}");
            }
        }
    }

    #[test]
    fn in_place_and_composed_agree() {
        let (mut one, mut two) = (optimiser(true), optimiser(true));
        for t in 1..=3 {
            let grad = tensor(Key::new(3).index(t));
            let rates = Rates {
                constants: Constants::default(),
                keep: 0.999,
                size: 0.03 / t as f64,
                correction: 0.2,
            };
            one.slots[0].step_in_place(&grad, rates).unwrap();
            two.slots[0].step_composed(&grad, rates).unwrap();
        }
        for ((kind, a), (_, b)) in one.slots[0]
            .tensors()
            .into_iter()
            .zip(two.slots[0].tensors())
        {
            let off = (a.detach() - b.detach()).unwrap().abs().unwrap();
            let off = off.max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(off < 1e-6, "{kind}: {off}");
        }
    }

    #[test]
    fn a_restored_state_goes_on_bit_for_bit() {
        let mut straight = optimiser(true);
        for i in 0..3 {
            step(&mut straight, i);
        }
        let state = straight.state().unwrap();
        let before = bits(&state);
        for i in 3..6 {
            step(&mut straight, i);
        }
        assert_eq!(bits(&state), before, "the state is a copy");
        let mut restored = optimiser(true);
        restored.restore(&state).unwrap();
        assert_eq!(restored.steps(), 3);
        for i in 3..6 {
            step(&mut restored, i);
        }
        assert_eq!(bits(&state), before, "restoring copies too");
        assert_eq!(
            bits(&restored.state().unwrap()),
            bits(&straight.state().unwrap())
        );
    }

    #[test]
    fn threads_do_not_change_the_bits() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut optimiser = optimiser(true);
                (0..2).for_each(|i| step(&mut optimiser, i));
                bits(&optimiser.state().unwrap())
            })
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn a_state_that_does_not_fit_changes_nothing() {
        let mut optimiser = optimiser(true);
        step(&mut optimiser, 0);
        let good = optimiser.state().unwrap();
        let mut cases = Vec::new();
        for (name, shape) in [("v.w", vec![3]), ("step", vec![1]), ("other", vec![2])] {
            let mut state = good.clone();
            state.insert(
                name.into(),
                Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap(),
            );
            cases.push(state);
        }
        for name in ["m.w", "value.w", "step"] {
            let mut state = good.clone();
            state.remove(name);
            cases.push(state);
        }
        let mut state = good.clone();
        state.insert("step".into(), Tensor::new(0.5f32, &Device::Cpu).unwrap());
        cases.push(state);
        for state in cases {
            assert!(matches!(optimiser.restore(&state), Err(Error::Input(_))));
            assert_eq!(bits(&optimiser.state().unwrap()), bits(&good));
        }
    }

    #[test]
    fn a_cut_graph_is_an_error() {
        let mut optimiser = optimiser(true);
        let before = bits(&optimiser.state().unwrap());
        let other = Var::from_tensor(&tensor(Key::new(9))).unwrap();
        let grads = other.sum_all().unwrap().backward().unwrap();
        let text = optimiser.step(&grads, 1.0).unwrap_err().to_string();
        assert!(text.contains("no gradient reached w"), "{text}");
        assert_eq!(bits(&optimiser.state().unwrap()), before);
    }
}
