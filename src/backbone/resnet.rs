//! timm's ResNet (He et al., arXiv 1512.03385), with the deep stem and the averaging shortcut of the `d`
//! variants (He et al., arXiv 1812.01187), and the wide and grouped ones.

use candle_core::{DType, Tensor};
use serde_json::json;

use super::Weights;
use super::arch::Args;
use super::config::Config;
use super::convnorm::{ConvNorm, bn_params};
use super::layer::{Layer, LayerKind, Pass};
use super::params::{Init, Param};
use crate::ops::{self, FrozenStage, StageEnd};
use crate::recipe::Precision;
use crate::{Error, Result};

/// The residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Basic,
    Bottleneck,
}

impl Block {
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// What an image goes through before the first pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stem {
    /// One 7×7 convolution to 64 channels.
    Plain,
    /// Three 3×3 convolutions of widths w, w, 2w.
    Deep,
    /// The same of widths 3·(w/4), w, 2w.
    Tiered,
}

/// A ResNet with every option resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spec {
    pub in_chans: usize,
    pub block: Block,
    pub layers: [usize; 4],
    pub channels: [usize; 4],
    pub stem: Stem,
    pub stem_width: usize,
    pub avg_down: bool,
    pub cardinality: usize,
    pub base_width: usize,
}

/// The arguments that timm's entry point for a name gives.
fn from_name(name: &str) -> Option<Spec> {
    use Block::{Basic, Bottleneck};
    let (stem, cardinality, base_width) = if let Some(rest) = name.strip_prefix("wide_") {
        (rest.strip_suffix("_2")?, 1, 128)
    } else if let Some(rest) = name.strip_prefix("resnext") {
        let (depth, groups) = rest.split_once('_')?;
        let (cardinality, width) = groups.split_once('x')?;
        let width = width.strip_suffix('d')?;
        // Only those that timm has.
        if !["50_32x4d", "101_32x4d", "101_32x8d", "101_64x4d"].contains(&rest) {
            return None;
        }
        return Some(Spec {
            cardinality: cardinality.parse().ok()?,
            base_width: width.parse().ok()?,
            ..from_name(&format!("resnet{depth}"))?
        });
    } else {
        (name, 1, 64)
    };
    let depth = stem.strip_prefix("resnet")?;
    // The letter says what differs from the plain one: He et al. (arXiv 1812.01187) for c and d.
    let variants = [
        ('c', Stem::Deep, 32, false),
        ('d', Stem::Deep, 32, true),
        ('s', Stem::Deep, 64, false),
        ('t', Stem::Tiered, 32, true),
    ];
    let variant = variants
        .iter()
        .find_map(|v| Some((depth.strip_suffix(v.0)?, v.1, v.2, v.3)));
    let (depth, stem_type, stem_width, avg_down) =
        variant.unwrap_or((depth, Stem::Plain, 64, false));
    let (block, layers) = match depth {
        "10" if stem_type == Stem::Tiered => (Basic, [1, 1, 1, 1]),
        "14" if stem_type == Stem::Tiered => (Bottleneck, [1, 1, 1, 1]),
        "18" => (Basic, [2, 2, 2, 2]),
        "34" => (Basic, [3, 4, 6, 3]),
        "26" => (Bottleneck, [2, 2, 2, 2]),
        "50" => (Bottleneck, [3, 4, 6, 3]),
        "101" => (Bottleneck, [3, 4, 23, 3]),
        "152" => (Bottleneck, [3, 8, 36, 3]),
        "200" => (Bottleneck, [3, 24, 36, 3]),
        _ => return None,
    };
    Some(Spec {
        in_chans: 3,
        block,
        layers,
        channels: [64, 128, 256, 512],
        stem: stem_type,
        stem_width,
        avg_down,
        cardinality,
        base_width,
    })
}

fn four(key: &str, sizes: Vec<usize>) -> Result<[usize; 4]> {
    sizes.try_into().map_err(|sizes: Vec<usize>| {
        Error::input(format!(
            "the backbone's config.json has {} values in model_args.{key}: a ResNet has four stages",
            sizes.len()
        ))
    })
}

/// One residual block: its convolutions and what they are called.
struct BlockPlan {
    name: String,
    inputs: usize,
    planes: usize,
    stride: usize,
}

impl Spec {
    /// The model of a config, or none if the architecture's name is not a ResNet's.
    pub(super) fn of(config: &Config) -> Result<Option<Self>> {
        let Some(base) = from_name(&config.architecture) else {
            return Ok(None);
        };
        let cfg = &config.pretrained_cfg;
        let mut args = Args::new(config);
        let layers = args.sizes("layers")?.map(|v| four("layers", v));
        let channels = args.sizes("channels")?.map(|v| four("channels", v));
        let block = match args.text("block")? {
            None => base.block,
            Some("BasicBlock") => Block::Basic,
            Some("Bottleneck") => Block::Bottleneck,
            Some(other) => {
                return Err(Error::input(format!(
                    "the backbone's config.json has model_args.block {other:?}: BasicBlock and Bottleneck are \
                     supported"
                )));
            }
        };
        let stem = match args.text("stem_type")? {
            None => base.stem,
            Some("") => Stem::Plain,
            Some("deep") => Stem::Deep,
            Some("deep_tiered") => Stem::Tiered,
            Some(other) => {
                return Err(Error::input(format!(
                    "the backbone's config.json has model_args.stem_type {other:?}: \"\", \"deep\" and \
                     \"deep_tiered\" are supported"
                )));
            }
        };
        let spec = Self {
            in_chans: args.size("in_chans")?.unwrap_or(cfg.input_size[0]),
            block,
            layers: layers.transpose()?.unwrap_or(base.layers),
            channels: channels.transpose()?.unwrap_or(base.channels),
            stem_width: args.size("stem_width")?.unwrap_or(base.stem_width),
            stem,
            avg_down: args.flag("avg_down")?.unwrap_or(base.avg_down),
            cardinality: args.size("cardinality")?.unwrap_or(base.cardinality),
            base_width: args.size("base_width")?.unwrap_or(base.base_width),
        };
        args.only("global_pool", &[json!("avg")])?;
        args.only("output_stride", &[json!(32)])?;
        for key in ["block_reduce_first", "down_kernel_size"] {
            args.only(key, &[json!(1)])?;
        }
        for key in ["drop_rate", "drop_path_rate", "drop_block_rate"] {
            args.only(key, &[json!(0.0), json!(0)])?;
        }
        args.only("replace_stem_pool", &[json!(false)])?;
        args.only("zero_init_last", &[json!(true)])?;
        args.only("num_classes", &[json!(config.num_classes)])?;
        args.finish()?;
        if let Some(pool) = cfg.other.get("global_pool").filter(|p| **p != json!("avg")) {
            return Err(Error::input(format!(
                "the backbone's config.json has pretrained_cfg.global_pool {pool}: a ResNet is supported with \
                 \"avg\""
            )));
        }
        if spec.block == Block::Basic && (spec.cardinality, spec.base_width) != (1, 64) {
            return Err(Error::input(
                "the backbone's config.json asks for groups or another base_width with BasicBlock: only \
                 Bottleneck has them",
            ));
        }
        if let Some(planes) = spec.channels.iter().find(|p| spec.width(**p) == 0) {
            return Err(Error::input(format!(
                "the backbone's config.json gives a stage of {planes} channels an inner width of 0: raise \
                 base_width or channels"
            )));
        }
        Ok(Some(spec))
    }

    /// Width of the features.
    pub(super) fn dim(&self) -> usize {
        self.channels[3] * self.block.expansion()
    }

    fn stem_outputs(&self) -> usize {
        match self.stem {
            Stem::Plain => 64,
            Stem::Deep | Stem::Tiered => 2 * self.stem_width,
        }
    }

    /// Channels inside a bottleneck.
    fn width(&self, planes: usize) -> usize {
        planes * self.base_width / 64 * self.cardinality
    }

    fn blocks(&self) -> Vec<BlockPlan> {
        let mut inputs = self.stem_outputs();
        let mut all = Vec::new();
        for (stage, (&planes, &count)) in self.channels.iter().zip(&self.layers).enumerate() {
            for i in 0..count {
                all.push(BlockPlan {
                    name: format!("layer{}.{i}", stage + 1),
                    inputs,
                    planes,
                    stride: if i == 0 && stage > 0 { 2 } else { 1 },
                });
                inputs = planes * self.block.expansion();
            }
        }
        all
    }

    /// The convolutions of the stem, each with its BatchNorm's name.
    fn stem(&self) -> Vec<(Layer, String)> {
        let (outputs, width) = (self.stem_outputs(), self.stem_width);
        let first = match self.stem {
            Stem::Plain => {
                let only = conv("conv1", self.in_chans, outputs, 7, 2);
                return vec![(only, "bn1".into())];
            }
            Stem::Deep => width,
            Stem::Tiered => 3 * (width / 4),
        };
        vec![
            (
                conv("conv1.0", self.in_chans, first, 3, 2),
                "conv1.1".into(),
            ),
            (conv("conv1.3", first, width, 3, 1), "conv1.4".into()),
            (conv("conv1.6", width, outputs, 3, 1), "bn1".into()),
        ]
    }

    /// The convolutions on a block's main path, each with its BatchNorm's name.
    fn path(&self, plan: &BlockPlan) -> Vec<(Layer, String)> {
        let at = |name: &str| format!("{}.{name}", plan.name);
        let planes = plan.planes;
        match self.block {
            Block::Basic => vec![
                (
                    conv(at("conv1"), plan.inputs, planes, 3, plan.stride),
                    at("bn1"),
                ),
                (conv(at("conv2"), planes, planes, 3, 1), at("bn2")),
            ],
            Block::Bottleneck => {
                let width = self.width(planes);
                let mut middle = conv(at("conv2"), width, width, 3, plan.stride);
                if let LayerKind::Conv2d { groups, .. } = &mut middle.kind {
                    *groups = self.cardinality;
                }
                vec![
                    (conv(at("conv1"), plan.inputs, width, 1, 1), at("bn1")),
                    (middle, at("bn2")),
                    (conv(at("conv3"), width, 4 * planes, 1, 1), at("bn3")),
                ]
            }
        }
    }

    /// The convolution on a block's shortcut with its BatchNorm's name, where there is one.
    fn shortcut(&self, plan: &BlockPlan) -> Option<(Layer, String)> {
        let outputs = plan.planes * self.block.expansion();
        if plan.stride == 1 && plan.inputs == outputs {
            return None;
        }
        // timm's Sequential starts with the pool (or an Identity) in the averaging shortcut.
        let (first, stride) = if self.avg_down {
            (1, 1)
        } else {
            (0, plan.stride)
        };
        let at = |i: usize| format!("{}.downsample.{i}", plan.name);
        Some((
            conv(at(first), plan.inputs, outputs, 1, stride),
            at(first + 1),
        ))
    }

    /// Every convolution and its BatchNorm, in timm's order of modules.
    fn convs(&self) -> Vec<(Layer, String)> {
        let mut all = self.stem();
        for plan in self.blocks() {
            all.extend(self.path(&plan));
            all.extend(self.shortcut(&plan));
        }
        all
    }

    pub(super) fn layers(&self) -> Vec<Layer> {
        self.convs().into_iter().map(|(layer, _)| layer).collect()
    }

    pub(super) fn params(&self) -> Vec<Param> {
        // timm's `zero_init_last`: a block starts as its shortcut.
        let last = match self.block {
            Block::Basic => ".bn2",
            Block::Bottleneck => ".bn3",
        };
        self.convs()
            .into_iter()
            .flat_map(|(layer, bn)| {
                let shape = layer.weight_shape();
                // timm: `kaiming_normal_(mode="fan_out", nonlinearity="relu")`.
                let fan_out = shape[0] * shape[2] * shape[3];
                let std = (2.0 / fan_out as f32).sqrt();
                let weight = Param::new(layer.weight_name(), &shape, Init::Normal(std));
                let gain = if bn.starts_with("layer") && bn.ends_with(last) {
                    0.0
                } else {
                    1.0
                };
                std::iter::once(weight).chain(bn_params(&bn, shape[0], gain))
            })
            .collect()
    }
}

/// A convolution whose output has the size of its input divided by the stride.
fn conv(
    name: impl Into<String>,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
) -> Layer {
    Layer {
        name: name.into(),
        kind: LayerKind::Conv2d {
            inputs,
            outputs,
            kernel: [kernel; 2],
            stride,
            padding: kernel / 2,
            dilation: 1,
            groups: 1,
        },
    }
}

/// Convolutions and what ends them as a part of one operation, if nothing of them is trained and their deltas are
/// factors.
fn frozen(path: &[ConvNorm], end: StageEnd, layers: &[Layer], pass: &Pass) -> Option<FrozenStage> {
    let path: Option<_> = path.iter().map(|conv| conv.frozen(layers, pass)).collect();
    path.map(|path| FrozenStage { path, end })
}

struct Residual {
    path: Vec<ConvNorm>,
    /// The stride of the average before the shortcut's convolution, and that convolution.
    shortcut: Option<(usize, ConvNorm)>,
}

impl Residual {
    /// The block as a part of one operation, if that can be.
    fn frozen(&self, layers: &[Layer], pass: &Pass) -> Option<FrozenStage> {
        let shortcut = match &self.shortcut {
            None => None,
            Some((1, conv)) => Some(conv.frozen(layers, pass)?),
            Some(_) => return None,
        };
        frozen(&self.path, StageEnd::Sum(shortcut), layers, pass)
    }

    fn forward(&self, x: &Tensor, layers: &[Layer], pass: &Pass) -> Result<Tensor> {
        let shortcut = match &self.shortcut {
            None => x.clone(),
            Some((1, conv)) => conv.forward(x, None, false, layers, pass)?,
            Some((stride, conv)) => {
                conv.forward(&ops::avg_pool2d(x, 2, *stride)?, None, false, layers, pass)?
            }
        };
        let Some((last, first)) = self.path.split_last() else {
            return Err(Error::internal("a residual block without convolutions"));
        };
        let mut h = x.clone();
        for conv in first {
            h = conv.forward(&h, None, true, layers, pass)?;
        }
        last.forward(&h, Some(&shortcut), true, layers, pass)
    }
}

pub(super) struct Resnet {
    spec: Spec,
    stem: Vec<ConvNorm>,
    blocks: Vec<Residual>,
}

impl Resnet {
    pub(super) fn new(spec: &Spec, weights: &Weights, precision: Precision) -> Result<Self> {
        let mut next = 0;
        let mut build = |(layer, bn): (Layer, String)| {
            next += 1;
            ConvNorm::new(next - 1, &layer, &bn, weights, precision)
        };
        let stem = spec
            .stem()
            .into_iter()
            .map(&mut build)
            .collect::<Result<_>>()?;
        let mut blocks = Vec::new();
        for plan in spec.blocks() {
            let path = spec
                .path(&plan)
                .into_iter()
                .map(&mut build)
                .collect::<Result<_>>()?;
            let stride = if spec.avg_down { plan.stride } else { 1 };
            let shortcut = spec
                .shortcut(&plan)
                .map(|conv| build(conv).map(|c| (stride, c)))
                .transpose()?;
            blocks.push(Residual { path, shortcut });
        }
        Ok(Self {
            spec: spec.clone(),
            stem,
            blocks,
        })
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn features(&self, x: &Tensor, layers: &[Layer], pass: &Pass) -> Result<Tensor> {
        let stem = || frozen(&self.stem, StageEnd::MaxPool, layers, pass);
        let stages: Option<Vec<_>> = std::iter::once_with(stem)
            .chain(self.blocks.iter().map(|b| b.frozen(layers, pass)))
            .collect();
        let x = match stages {
            Some(stages) if ops::stages_apply(x, &stages) => ops::stages(x, &stages)?,
            _ => {
                let mut x = x.clone();
                for conv in &self.stem {
                    x = conv.forward(&x, None, true, layers, pass)?;
                }
                x = ops::max_pool2d(&x, 3, 2, 1)?;
                for block in &self.blocks {
                    x = block.forward(&x, layers, pass)?;
                }
                x
            }
        };
        // The features that a head sees are f32.
        ops::global_avg_pool2d(&x.to_dtype(DType::F32)?)
    }
}
