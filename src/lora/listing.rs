//! What a recipe would train, module by module.

use super::patterns::Patterns;
use super::targets::{adapted, fan_in, outputs};
use crate::Result;
use crate::backbone::{self, Config, Layer};
use crate::recipe::LoraRecipe;

/// A module that a recipe's tasks change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetModule {
    /// timm's name.
    pub name: String,
    /// The weight's shape: `[outputs, inputs]`, or `[outputs, inputs, kh, kw]`.
    pub shape: Vec<usize>,
    /// Rank of its update; `None` where the module itself is trained (modes full and full_reset).
    pub rank: Option<usize>,
    /// Parameters that a task trains there: rank·(fan-in + outputs), or the weight's and the bias's.
    pub parameters: usize,
}

/// The modules that `lora` chooses in a backbone, in timm's order, each with its shape and what a task trains there;
/// none where the backbone is frozen.
///
/// # Errors
/// [`crate::Error::Input`] where the targets or the patterns match nothing.
pub fn target_modules(lora: &LoraRecipe, config: &Config) -> Result<Vec<TargetModule>> {
    let layers = backbone::layers(config)?;
    let patterns = Patterns::new(lora)?;
    let all = backbone::trainable_shapes(config)?;
    let elements = |name: &str| all.get(name).map_or(0, |s| s.iter().product::<usize>());
    let module = |layer: Layer| {
        let rank = (!lora.mode.is_full()).then(|| patterns.rank(&layer.name));
        TargetModule {
            shape: layer.weight_shape(),
            rank,
            parameters: match rank {
                Some(rank) => rank * (fan_in(&layer) + outputs(&layer)),
                None => elements(&layer.weight_name()) + elements(&layer.bias_name()),
            },
            name: layer.name,
        }
    };
    let chosen = adapted(lora, &config.architecture, &layers)?;
    Ok(chosen.into_iter().map(module).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::lora::{Adapter, testing};
    use crate::random::Key;
    use crate::recipe::Mode;

    fn config(architecture: &str) -> Config {
        let json = format!(r#"{{"architecture": "{architecture}", "num_classes": 1000}}"#);
        Config::from_json(json.as_bytes()).unwrap()
    }

    fn lora(targets: &str) -> LoraRecipe {
        LoraRecipe {
            targets: targets.into(),
            ..testing::recipe(2, 0.0)
        }
    }

    fn listed(targets: &str, architecture: &str) -> Vec<TargetModule> {
        target_modules(&lora(targets), &config(architecture)).unwrap()
    }

    /// The study's shares: 0.042 % of a ViT-B and 0.08 % of a ResNet-50 a rank.
    #[test]
    fn the_studys_modules_have_the_studys_shares() {
        for (architecture, count, share) in
            [("vit_base_patch16_224", 12, 0.043), ("resnet50", 16, 0.08)]
        {
            let config = config(architecture);
            let modules = listed("default", architecture);
            assert_eq!(modules.len(), count);
            let trained: usize = modules.iter().map(|m| m.parameters).sum();
            let all = backbone::parameters(&config).unwrap();
            let percent = 100.0 * trained as f64 / 2.0 / all as f64;
            assert!((percent - share).abs() < 0.003, "{architecture}: {percent}");
        }
    }

    #[test]
    fn names_choose_what_they_say() {
        let count = |targets: &str, architecture: &str| {
            target_modules(&lora(targets), &config(architecture)).map(|m| m.len())
        };
        let vit = "vit_base_patch16_224";
        assert_eq!(count("qkv", vit).unwrap(), 12);
        assert_eq!(count("all-linear", vit).unwrap(), 48);
        // The patches' projection is a convolution.
        assert_eq!(count("all-conv", vit).unwrap(), 1);
        assert_eq!(count("conv3", "resnet50").unwrap(), 16);
        assert_eq!(count("all-conv", "resnet50").unwrap(), 53);
        assert_eq!(count(".*", "resnet50").unwrap(), 53);
        for (targets, architecture) in [
            ("all-linear", "resnet50"),
            ("qkv", "resnet50"),
            ("conv3", "resnet18"),
        ] {
            let text = count(targets, architecture).unwrap_err().to_string();
            assert!(text.contains("layer1.0.conv1"), "{text}");
        }
        // In groups.
        assert!(count("all-conv", "resnext50_32x4d").is_err());
        assert_eq!(count("conv3", "resnext50_32x4d").unwrap(), 16);
    }

    #[test]
    fn a_modules_parameters_are_those_of_its_adapter() {
        let config = config("vit_tiny_patch16_224");
        let layers = backbone::layers(&config).unwrap();
        let lora = LoraRecipe {
            rank_pattern: [("fc1".to_string(), 5)].into(),
            ..lora("all-linear")
        };
        let modules = target_modules(&lora, &config).unwrap();
        let chosen = adapted(&lora, &config.architecture, &layers).unwrap();
        let adapter = Adapter::initialise(&chosen, &lora, Key::new(1), &Device::Cpu).unwrap();
        assert_eq!(modules.len(), adapter.modules.len());
        for module in &modules {
            let pair = &adapter.modules[&module.name];
            assert_eq!(module.rank, Some(pair.rank()));
            let wider = module.name.ends_with("fc1");
            assert_eq!(pair.rank(), if wider { 5 } else { 2 });
            let parameters = pair.a.elem_count() + pair.b.elem_count();
            assert_eq!(module.parameters, parameters, "{}", module.name);
        }
        let all: usize = modules.iter().map(|m| m.parameters).sum();
        assert_eq!(all, adapter.parameters());
    }

    #[test]
    fn at_full_rank_a_module_trains_its_weight_and_its_bias() {
        for (architecture, parameters) in [
            ("vit_base_patch16_224", 768 * 2304 + 2304),
            ("resnet50", 64 * 256),
        ] {
            let lora = LoraRecipe {
                mode: Mode::Full,
                rank: 0,
                ..lora("default")
            };
            let modules = target_modules(&lora, &config(architecture)).unwrap();
            assert_eq!(modules[0].rank, None);
            assert_eq!(modules[0].parameters, parameters, "{architecture}");
        }
    }
}
