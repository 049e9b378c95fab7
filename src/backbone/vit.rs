//! timm's VisionTransformer (Dosovitskiy et al., arXiv 2010.11929).

use candle_core::{D, Tensor};
use serde_json::json;

use super::Weights;
use super::arch::Args;
use super::config::Config;
use super::layer::{Layer, LayerKind, Pass};
use super::params::{Init, Param, norm};
use crate::ops::{self, FrozenBlock, FrozenLinear, FrozenNorm};
use crate::recipe::Precision;
use crate::{Error, Result};

/// How tokens become one vector of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    Token,
    Average,
}

/// A VisionTransformer with every option resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spec {
    pub img_size: [usize; 2],
    pub patch: usize,
    pub in_chans: usize,
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub hidden: usize,
    pub qkv_bias: bool,
    /// LayerScale's first value (Touvron et al., arXiv 2103.17239); none without LayerScale.
    pub init_values: Option<f64>,
    pub class_token: bool,
    /// Whether the class token comes without a position embedding.
    pub no_embed_class: bool,
    pub pool: Pool,
    /// Whether the norm comes after pooling instead of before.
    pub fc_norm: bool,
    /// Whether there is a norm before the first block too; patches then have no bias.
    pub pre_norm: bool,
    /// Of every LayerNorm, timm's `norm_layer`.
    pub eps: f64,
}

/// What timm's name of an architecture says.
struct Named {
    patch: usize,
    dim: usize,
    depth: usize,
    heads: usize,
    init_values: Option<f64>,
    no_embed_class: bool,
    /// Without a class token, pooled by the mean after the norm.
    gap: bool,
    pre_norm: bool,
    qkv_bias: bool,
}

impl Named {
    /// Reads a name like `vit_base_patch16_224`, `vit_base_patch16_224_miil`, `vit_medium_patch16_gap_256`,
    /// `vit_base_patch16_clip_224`, `deit_small_patch16_224`, `deit3_base_patch16_384` or `vit_base_patch14_dinov2`.
    fn parse(name: &str) -> Option<Self> {
        let (family, rest) = name.split_once('_')?;
        let (size, rest) = rest.split_once("_patch")?;
        let (patch, variant) = rest.split_once('_')?;
        let is_side = |text: &str| text.parse::<u32>().is_ok();
        let (kind, side) = match variant.split_once('_') {
            Some((kind @ ("gap" | "clip"), side)) => (kind, side),
            Some((side, kind @ "miil")) => (kind, side),
            None if variant == "dinov2" => ("dinov2", "518"),
            _ => ("", variant),
        };
        let medium = matches!((family, kind), ("deit3", "") | ("vit", "gap" | "clip"));
        let (dim, depth, heads) = match size {
            "tiny" => (192, 12, 3),
            "small" => (384, 12, 6),
            "medium" if medium => (512, 12, 8),
            "base" if kind == "gap" => (768, 12, 16),
            "base" => (768, 12, 12),
            "large" => (1024, 24, 16),
            "huge" => (1280, 32, 16),
            _ => return None,
        };
        let init_values = match (family, kind) {
            ("vit", "dinov2") => Some(1e-5),
            ("vit", "gap") if size == "medium" => Some(1e-6),
            ("vit", "" | "gap" | "clip" | "miil") | ("deit", "") => None,
            ("deit3", "") => Some(1e-6),
            _ => return None,
        };
        if !is_side(side) {
            return None;
        }
        Some(Self {
            patch: patch.parse().ok().filter(|p| *p > 0)?,
            dim,
            depth,
            heads,
            init_values,
            no_embed_class: family == "deit3",
            gap: kind == "gap",
            pre_norm: kind == "clip",
            qkv_bias: !(kind == "miil" || kind == "gap" && size == "medium"),
        })
    }
}

/// Whether timm's name of an architecture is that of a VisionTransformer that is supported.
pub fn is_vit(name: &str) -> bool {
    Named::parse(name).is_some()
}

impl Spec {
    /// The model of a config, or none if the architecture's name is not a VisionTransformer's.
    pub(super) fn of(config: &Config) -> Result<Option<Self>> {
        let Some(named) = Named::parse(&config.architecture) else {
            return Ok(None);
        };
        let cfg = &config.pretrained_cfg;
        let [channels, h, w] = cfg.input_size;
        let mut args = Args::new(config);
        let patch = args.size("patch_size")?.unwrap_or(named.patch);
        let dim = args.size("embed_dim")?.unwrap_or(named.dim);
        let depth = args.size("depth")?.unwrap_or(named.depth);
        let heads = args.size("num_heads")?.unwrap_or(named.heads);
        let img_size = args.img_size()?.unwrap_or(if cfg.fixed_input_size {
            [h, w]
        } else {
            [224, 224]
        });
        let in_chans = args.size("in_chans")?.unwrap_or(channels);
        let mlp_ratio = args.number("mlp_ratio")?.unwrap_or(4.0);
        let qkv_bias = args.flag("qkv_bias")?.unwrap_or(named.qkv_bias);
        let init_values = args.number("init_values")?.or(named.init_values);
        let class_token = args.flag("class_token")?.unwrap_or(!named.gap);
        let pool = args
            .text("global_pool")?
            .or_else(|| cfg.other.get("global_pool").and_then(|v| v.as_str()))
            .unwrap_or(if named.gap { "avg" } else { "token" });
        let fc_norm = args.flag("fc_norm")?.or(named.gap.then_some(false));
        let no_embed_class = args.flag("no_embed_class")?;
        for key in [
            "drop_rate",
            "pos_drop_rate",
            "patch_drop_rate",
            "proj_drop_rate",
        ] {
            args.only(key, &[json!(0.0), json!(0)])?;
        }
        for key in ["attn_drop_rate", "drop_path_rate", "reg_tokens"] {
            args.only(key, &[json!(0.0), json!(0)])?;
        }
        args.only("pre_norm", &[json!(named.pre_norm)])?;
        for key in ["qk_norm", "dynamic_img_size"] {
            args.only(key, &[json!(false)])?;
        }
        for key in ["dynamic_img_pad", "scale_attn_norm", "scale_mlp_norm"] {
            args.only(key, &[json!(false)])?;
        }
        args.only("proj_bias", &[json!(true)])?;
        args.only("final_norm", &[json!(true)])?;
        args.only("pos_embed", &[json!("learn")])?;
        args.only("weight_init", &[json!("")])?;
        args.only("num_classes", &[json!(config.num_classes)])?;
        args.finish()?;
        let pool = match pool {
            "token" if class_token => Pool::Token,
            "avg" => Pool::Average,
            other => {
                return Err(Error::input(format!(
                    "the backbone's config.json has global_pool {other:?}: {} is supported with \"avg\", and \
                     with \"token\" where it has a class token",
                    config.architecture
                )));
            }
        };
        if dim % heads != 0 || img_size.iter().any(|s| s % patch != 0) {
            return Err(Error::input(format!(
                "the backbone's config.json does not fit together: embed_dim {dim} must be a multiple of \
                 num_heads {heads}, and the image {img_size:?} of patch_size {patch}"
            )));
        }
        Ok(Some(Self {
            img_size,
            patch,
            in_chans,
            dim,
            depth,
            heads,
            hidden: (dim as f64 * mlp_ratio) as usize,
            qkv_bias,
            init_values,
            class_token,
            no_embed_class: no_embed_class.unwrap_or(named.no_embed_class),
            pool,
            fc_norm: fc_norm.unwrap_or(pool == Pool::Average),
            pre_norm: named.pre_norm,
            // OpenAI's, which every CLIP of timm's has.
            eps: if named.pre_norm { 1e-5 } else { 1e-6 },
        }))
    }

    /// Rows and columns of patches.
    pub(super) fn grid(&self) -> [usize; 2] {
        self.img_size.map(|s| s / self.patch)
    }

    /// Tokens before the patches that have a position embedding.
    pub(super) fn embedded_prefix(&self) -> usize {
        usize::from(self.class_token && !self.no_embed_class)
    }

    pub(super) fn layers(&self) -> Vec<Layer> {
        let mut layers = vec![Layer {
            name: "patch_embed.proj".into(),
            kind: LayerKind::Conv2d {
                inputs: self.in_chans,
                outputs: self.dim,
                kernel: [self.patch; 2],
                stride: self.patch,
                padding: 0,
                dilation: 1,
                groups: 1,
            },
        }];
        for i in 0..self.depth {
            layers.extend([
                Layer::linear(format!("blocks.{i}.attn.qkv"), self.dim, 3 * self.dim),
                Layer::linear(format!("blocks.{i}.attn.proj"), self.dim, self.dim),
                Layer::linear(format!("blocks.{i}.mlp.fc1"), self.dim, self.hidden),
                Layer::linear(format!("blocks.{i}.mlp.fc2"), self.hidden, self.dim),
            ]);
        }
        layers
    }

    pub(super) fn params(&self) -> Vec<Param> {
        let dim = self.dim;
        // timm's `init_weights_vit_timm`: Linear trunc_normal .02 and zero bias; the patch convolution keeps
        // PyTorch's default.
        let linear = |name: String, outputs: usize, inputs: usize, bias: bool| {
            let weight = Param::new(
                format!("{name}.weight"),
                &[outputs, inputs],
                Init::Normal(0.02),
            );
            let bias =
                bias.then(|| Param::new(format!("{name}.bias"), &[outputs], Init::Constant(0.0)));
            std::iter::once(weight).chain(bias)
        };
        let [rows, columns] = self.grid();
        let mut all = Vec::new();
        if self.class_token {
            all.push(Param::new("cls_token", &[1, 1, dim], Init::Normal(1e-6)));
        }
        all.push(Param::new(
            "pos_embed",
            &[1, rows * columns + self.embedded_prefix(), dim],
            Init::Normal(0.02),
        ));
        let fan_in = self.in_chans * self.patch * self.patch;
        let kernel = [dim, self.in_chans, self.patch, self.patch];
        all.push(Param::torch_default(
            "patch_embed.proj.weight",
            &kernel,
            fan_in,
        ));
        match self.pre_norm {
            true => all.extend(norm("norm_pre", dim)),
            false => all.push(Param::torch_default(
                "patch_embed.proj.bias",
                &[dim],
                fan_in,
            )),
        }
        for i in 0..self.depth {
            let at = |name: &str| format!("blocks.{i}.{name}");
            let scale = |name: &str| {
                self.init_values
                    .map(|v| Param::new(at(name), &[dim], Init::Constant(v as f32)))
            };
            all.extend(norm(&at("norm1"), dim));
            all.extend(linear(at("attn.qkv"), 3 * dim, dim, self.qkv_bias));
            all.extend(linear(at("attn.proj"), dim, dim, true));
            all.extend(scale("ls1.gamma"));
            all.extend(norm(&at("norm2"), dim));
            all.extend(linear(at("mlp.fc1"), self.hidden, dim, true));
            all.extend(linear(at("mlp.fc2"), dim, self.hidden, true));
            all.extend(scale("ls2.gamma"));
        }
        all.extend(norm(if self.fc_norm { "fc_norm" } else { "norm" }, dim));
        all
    }
}

/// Weight and bias of a LayerNorm.
struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn new(weights: &Weights, name: &str, eps: f64) -> Result<Self> {
        Ok(Self {
            eps,
            weight: tensor(weights, &format!("{name}.weight"))?,
            bias: tensor(weights, &format!("{name}.bias"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, &self.weight, &self.bias, self.eps)
    }

    fn frozen(&self) -> FrozenNorm {
        FrozenNorm {
            weight: self.weight.clone(),
            bias: self.bias.clone(),
            eps: self.eps,
        }
    }
}

/// Weight and bias of a Linear.
struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    precision: Precision,
}

impl Linear {
    fn new(weights: &Weights, name: &str, precision: Precision) -> Result<Self> {
        let weight = tensor(weights, &format!("{name}.weight"))?;
        let bias = weights.get(&format!("{name}.bias"));
        Ok(Self {
            weight: precision.of_frozen(&weight.flatten_from(1)?)?,
            bias: bias.map(|b| precision.of_frozen(b)).transpose()?,
            precision,
        })
    }

    /// Without the layer's delta; `x` is in the layer's precision.
    fn base(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|b| self.precision.of(b));
        let weight = self.precision.of(&self.weight)?;
        ops::linear(x, &weight, bias.transpose()?.as_ref())
    }

    /// With its delta as factors, if it is one.
    fn frozen(&self, layer: &Layer, pass: &Pass) -> Option<FrozenLinear> {
        Some(FrozenLinear {
            weight: self.weight.clone(),
            bias: self.bias.clone(),
            factors: pass.factors(layer)?,
        })
    }

    fn forward(&self, x: &Tensor, layer: &Layer, pass: &Pass) -> Result<Tensor> {
        let x = &self.precision.of(x)?;
        let y = self.base(x)?;
        Ok(match pass.delta(layer, x)? {
            Some(delta) => ops::add(&y, &delta)?,
            None => y,
        })
    }
}

/// A checked weight: that it is there was seen before.
pub(super) fn tensor(weights: &Weights, name: &str) -> Result<Tensor> {
    weights
        .get(name)
        .cloned()
        .ok_or_else(|| Error::internal(format!("the checked weights lack {name}")))
}

struct Block {
    norm1: Norm,
    qkv: Linear,
    proj: Linear,
    scale1: Option<Tensor>,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
    scale2: Option<Tensor>,
}

impl Block {
    fn new(weights: &Weights, i: usize, eps: f64, precision: Precision) -> Result<Self> {
        let norm = |name: &str| Norm::new(weights, &format!("blocks.{i}.{name}"), eps);
        let linear = |name: &str| Linear::new(weights, &format!("blocks.{i}.{name}"), precision);
        let scale = |name: &str| weights.get(&format!("blocks.{i}.{name}.gamma")).cloned();
        Ok(Self {
            norm1: norm("norm1")?,
            qkv: linear("attn.qkv")?,
            proj: linear("attn.proj")?,
            scale1: scale("ls1"),
            norm2: norm("norm2")?,
            fc1: linear("mlp.fc1")?,
            fc2: linear("mlp.fc2")?,
            scale2: scale("ls2"),
        })
    }

    /// The block as a part of one operation, if its deltas are factors.
    fn frozen(&self, layers: &[Layer], pass: &Pass) -> Option<FrozenBlock> {
        let [qkv, proj, fc1, fc2] = layers else {
            return None;
        };
        Some(FrozenBlock {
            norm1: self.norm1.frozen(),
            qkv: self.qkv.frozen(qkv, pass)?,
            proj: self.proj.frozen(proj, pass)?,
            gamma1: self.scale1.clone(),
            norm2: self.norm2.frozen(),
            fc1: self.fc1.frozen(fc1, pass)?,
            fc2: self.fc2.frozen(fc2, pass)?,
            gamma2: self.scale2.clone(),
        })
    }

    fn forward(&self, x: &Tensor, heads: usize, layers: &[Layer], pass: &Pass) -> Result<Tensor> {
        let [qkv, proj, fc1, fc2] = layers else {
            return Err(Error::internal("a block has four layers"));
        };
        let h = self.qkv.forward(&self.norm1.forward(x)?, qkv, pass)?;
        let h = ops::attention(&h, heads)?;
        let h = self.proj.forward(&h, proj, pass)?;
        let x = ops::add_scaled(x, &h, self.scale1.as_ref())?;
        let h = self.fc1.forward(&self.norm2.forward(&x)?, fc1, pass)?;
        let h = self.fc2.forward(&ops::gelu(&h)?, fc2, pass)?;
        ops::add_scaled(&x, &h, self.scale2.as_ref())
    }
}

pub(super) struct Vit {
    spec: Spec,
    class_token: Option<Tensor>,
    pos_embed: Tensor,
    patch: Linear,
    pre_norm: Option<Norm>,
    blocks: Vec<Block>,
    norm: Norm,
}

impl Vit {
    pub(super) fn new(spec: &Spec, weights: &Weights, precision: Precision) -> Result<Self> {
        let norm = |name: &str| Norm::new(weights, name, spec.eps);
        Ok(Self {
            spec: spec.clone(),
            class_token: weights.get("cls_token").cloned(),
            pos_embed: tensor(weights, "pos_embed")?,
            patch: Linear::new(weights, "patch_embed.proj", precision)?,
            pre_norm: spec.pre_norm.then(|| norm("norm_pre")).transpose()?,
            blocks: (0..spec.depth)
                .map(|i| Block::new(weights, i, spec.eps, precision))
                .collect::<Result<_>>()?,
            norm: norm(if spec.fc_norm { "fc_norm" } else { "norm" })?,
        })
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The patches' embeddings, `[b, c, h, w]` → `[b, patches, dim]`.
    fn embed(&self, x: &Tensor, layer: &Layer, pass: &Pass) -> Result<Tensor> {
        let x = &self.patch.precision.of(x)?;
        // The windows of the patch convolution do not overlap, so it is a Linear over cut-out patches.
        let patches = ops::patches(x, self.spec.patch)?;
        let y = self.patch.base(&patches)?;
        Ok(match pass.delta(layer, x)? {
            Some(delta) => ops::add(&y, &delta.flatten_from(2)?.transpose(1, 2)?)?,
            None => y,
        })
    }

    pub(super) fn features(&self, x: &Tensor, layers: &[Layer], pass: &Pass) -> Result<Tensor> {
        let Some((first, layers)) = layers.split_first() else {
            return Err(Error::internal("a VisionTransformer without layers"));
        };
        let patches = self.embed(x, first, pass)?;
        let mut x = match &self.class_token {
            Some(token) if self.spec.no_embed_class => {
                let patches = ops::embed(&patches, &self.pos_embed, None)?;
                let (batch, _, dim) = patches.dims3()?;
                Tensor::cat(&[&token.broadcast_as((batch, 1, dim))?, &patches], 1)?
            }
            token => ops::embed(&patches, &self.pos_embed, token.as_ref())?,
        };
        if let Some(norm) = &self.pre_norm {
            x = norm.forward(&x)?;
        }
        let blocks = || self.blocks.iter().zip(layers.chunks(4));
        let frozen: Option<Vec<_>> = blocks().map(|(b, l)| b.frozen(l, pass)).collect();
        x = match frozen {
            Some(frozen) if ops::blocks_apply(&x, &frozen) => {
                let only_first = self.spec.pool == Pool::Token;
                ops::blocks(&x, &frozen, self.spec.heads, only_first)?
            }
            _ => blocks().try_fold(x, |x, (block, layers)| {
                block.forward(&x, self.spec.heads, layers, pass)
            })?,
        };
        // The norm is token by token, so only those that are pooled need it.
        let prefix = usize::from(self.spec.class_token);
        match (self.spec.pool, self.spec.fc_norm) {
            (Pool::Token, _) => self
                .norm
                .forward(&x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?),
            (Pool::Average, fc_norm) => {
                let patches = x.narrow(1, prefix, x.dim(1)? - prefix)?;
                if fc_norm {
                    self.norm.forward(&patches.mean(1)?)
                } else {
                    Ok(self.norm.forward(&patches.contiguous()?)?.mean(D::Minus2)?)
                }
            }
        }
    }
}
