//! What training needs of memory, from a recipe and its backbone's config alone.

use crate::Result;
use crate::backbone::{self, Config, Layer, LayerKind};
use crate::lora::TargetModule;
use crate::recipe::Recipe;

/// Bytes of a number, f32 throughout.
const NUMBER: usize = 4;

/// An estimate of what training holds at once, in bytes, where each operation keeps what it needs: on a GPU. On a CPU the
/// blocks of a backbone are one operation, which keeps about half of it. Images, the heads of tasks and the program
/// itself (some 150 MB) come on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The pretrained weights with their classifier; for a ResNet once more its convolutions with BatchNorm folded in;
    /// and the target modules as merged so far.
    pub weights: usize,
    /// What is trained, four times: values, gradients, and AdamW's two moments.
    pub trained: usize,
    /// What the backward pass of one batch needs of its forward pass, and the largest gradients on the way; or one batch
    /// of evaluation, where that is more.
    pub activations: usize,
}

/// A layer with the places that it is computed at: tokens, or pixels of its output and of its input.
struct Placed<'a> {
    layer: &'a Layer,
    inputs: usize,
    outputs: usize,
    linear: bool,
}

impl Memory {
    /// The estimate:
    ///
    /// - weights: 4·(P + C·(D + 1) + F + T) bytes for P parameters of the backbone, C pretrained classes on D features,
    ///   F numbers in the convolutions of a ResNet, and T in the target modules (none where the backbone is frozen);
    /// - trained: 4·4·A for A trained parameters;
    /// - activations: 4·(batch·Σ + G), or 4·`measure.batch_size`·E where that is given and more. Σ goes over the layers from the
    ///   first target on, for before it nothing tracks a gradient. A Linear keeps its input and its output (the input of
    ///   one is the norm, the attention or the GELU before it; attention weights are computed again), one whose output
    ///   is as wide as the features also the residual sum, and a wider one than its input that is no qkv also the slope
    ///   of its GELU. A convolution, with BatchNorm, sum and ReLU one operation, keeps its output. A target adds the
    ///   input after dropout, twice r numbers a place, and the output of B, and a Linear the sum with it. G is input and
    ///   output of the largest layer; E is three times that, an image, for what two layers and a sum hold.
    pub(in crate::lab) fn of(
        recipe: &Recipe,
        config: &Config,
        targets: &[TargetModule],
    ) -> Result<Self> {
        let layers = backbone::layers(config)?;
        let features = backbone::dim(config)?;
        let elements = |layer: &Layer| layer.weight_shape().iter().product::<usize>();
        let folded = match config.is_vit() {
            true => 0,
            false => layers.iter().map(elements).sum(),
        };
        let merged: usize = targets
            .iter()
            .map(|t| t.shape.iter().product::<usize>())
            .sum();
        let classifier = config.num_classes * (features + 1);
        let placed = placed(&layers, config);
        let batch = recipe.train.batch_size;
        let tracked = placed
            .iter()
            .skip_while(|p| targets.iter().all(|t| t.name != p.layer.name));
        let kept: usize = tracked
            .map(|p| p.kept(features, p.target(targets), recipe.lora.dropout > 0.0))
            .sum();
        let largest = placed
            .iter()
            .map(|p| p.inputs + p.outputs)
            .max()
            .unwrap_or(0);
        let gradients = if targets.is_empty() { 0 } else { largest };
        let training = batch.saturating_mul(kept + gradients);
        let images = recipe.measure.batch_size.unwrap_or(batch);
        let evaluation = images.saturating_mul(3 * largest);
        let trained: usize = targets.iter().map(|t| t.parameters).sum();
        Ok(Self {
            weights: NUMBER * (backbone::parameters(config)? + classifier + folded + merged),
            trained: 4 * NUMBER * trained,
            activations: NUMBER.saturating_mul(training.max(evaluation)),
        })
    }

    /// All of it.
    pub fn total(&self) -> usize {
        self.weights
            .saturating_add(self.trained)
            .saturating_add(self.activations)
    }
}

impl Placed<'_> {
    fn target<'t>(&self, targets: &'t [TargetModule]) -> Option<&'t TargetModule> {
        targets.iter().find(|t| t.name == self.layer.name)
    }

    /// Numbers that an image keeps of this layer.
    fn kept(&self, features: usize, target: Option<&TargetModule>, dropout: bool) -> usize {
        let (channels_in, channels_out, places) = self.channels();
        let own = match self.linear {
            false => self.outputs,
            true => {
                let residual = if channels_out == features {
                    self.outputs
                } else {
                    0
                };
                let gelu = channels_out > channels_in && !self.layer.name.ends_with("qkv");
                self.inputs + self.outputs + residual + if gelu { self.outputs } else { 0 }
            }
        };
        let Some(rank) = target.and_then(|t| t.rank) else {
            return own;
        };
        let dropped = if dropout { self.inputs } else { 0 };
        let sums = if self.linear { 2 } else { 1 };
        own + dropped + 2 * rank * places + sums * self.outputs
    }

    /// Channels in and out, and the places of the output.
    fn channels(&self) -> (usize, usize, usize) {
        let (LayerKind::Linear { inputs, outputs }
        | LayerKind::Conv2d {
            inputs, outputs, ..
        }) = self.layer.kind;
        (inputs, outputs, self.outputs / outputs.max(1))
    }
}

/// Each layer with the numbers of its input and its output for one image, in the order of the forward pass.
fn placed<'a>(layers: &'a [Layer], config: &Config) -> Vec<Placed<'a>> {
    let [_, mut h, mut w] = config.pretrained_cfg.input_size;
    let mut stem = true;
    let place = |layer: &'a Layer| match layer.kind {
        // The class token is one more.
        LayerKind::Linear { inputs, outputs } => Placed {
            layer,
            inputs: inputs * (h * w + 1),
            outputs: outputs * (h * w + 1),
            linear: true,
        },
        LayerKind::Conv2d {
            inputs,
            outputs,
            stride,
            ..
        } => {
            if stem && layer.name.starts_with("layer") {
                // The max pool ends the stem.
                (h, w, stem) = (h.div_ceil(2), w.div_ceil(2), false);
            }
            // A shortcut comes after its path, which has made the image smaller already.
            let step = if layer.name.contains("downsample") {
                1
            } else {
                stride
            };
            let before = h * w;
            (h, w) = (h.div_ceil(step), w.div_ceil(step));
            Placed {
                layer,
                inputs: inputs * before,
                outputs: outputs * h * w,
                linear: false,
            }
        }
    };
    layers.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora;

    fn memory(architecture: &str, overrides: &[&str]) -> Memory {
        let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
        let recipe = Recipe::load("demo", &overrides).unwrap();
        let json = format!(r#"{{"architecture": "{architecture}", "num_classes": 1000}}"#);
        let config = Config::from_json(json.as_bytes()).unwrap();
        let targets = lora::target_modules(&recipe.lora, &config).unwrap();
        Memory::of(&recipe, &config, &targets).unwrap()
    }

    /// By hand for a ViT-B at 197 tokens: 19 times the width a block and 4 times for the GELU's slope, and the adapters.
    #[test]
    fn a_vits_activations_are_those_of_its_blocks() {
        let memory = memory(
            "vit_base_patch16_224",
            &["lora.rank=4", "train.batch_size=32"],
        );
        let adapter = 12 * 4 * (768 + 3 * 768);
        assert_eq!(memory.trained, 4 * 4 * adapter);
        let (tokens, dim) = (197, 768);
        let block = (18 + 4) * dim + (dim + 2 * 4 + 2 * 3 * dim);
        let kept = 12 * tokens * block;
        assert_eq!(memory.activations, 4 * 32 * (kept + 5 * dim * tokens));
        let weights = 85_798_656 + 1000 * 769 + 12 * 3 * dim * dim;
        assert_eq!(memory.weights, 4 * weights);
    }

    #[test]
    fn what_is_not_trained_keeps_nothing() {
        let of = |overrides: &[&str]| memory("resnet50", overrides);
        let frozen = of(&["lora.rank=0", "measure.batch_size=1"]);
        assert_eq!(frozen.trained, 0);
        let some = of(&["lora.rank=2"]);
        let last = of(&["lora.rank=2", r"lora.targets=layer4\..*\.conv3"]);
        assert!(frozen.activations < last.activations && last.activations < some.activations);
        let larger = of(&["lora.rank=2", "train.batch_size=64"]);
        assert_eq!(larger.activations, 2 * some.activations);
        let full = of(&["lora.mode=full"]);
        assert!(full.trained > 10 * some.trained && full.activations < some.activations);
    }

    #[test]
    fn a_resnets_images_shrink_by_its_strides() {
        let json = br#"{"architecture": "resnet50", "num_classes": 1000}"#;
        let config = Config::from_json(json).unwrap();
        let layers = backbone::layers(&config).unwrap();
        let all = placed(&layers, &config);
        let side = |name: &str| {
            let placed = all.iter().find(|p| p.layer.name == name).unwrap();
            placed.channels().2.isqrt()
        };
        assert_eq!(side("conv1"), 112);
        assert_eq!(side("layer1.0.downsample.0"), 56);
        assert_eq!([side("layer2.0.conv1"), side("layer2.0.conv2")], [56, 28]);
        assert_eq!(
            [side("layer2.0.downsample.0"), side("layer4.2.conv3")],
            [28, 7]
        );
    }
}
