//! Learning without Forgetting against PyTorch: the loss and the gradients of an adapter and its head.

use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use pentimento::backbone::{Backbone, Pass};
use pentimento::lora::peft;
use pentimento::ops;
use pentimento::recipe::LwfRecipe;
use pentimento::train::{Head, Teacher};

use crate::common::{Fixture, assert_close, model, path};

fn var(t: &Tensor) -> Tensor {
    Var::from_tensor(t).unwrap().into_inner()
}

#[test]
fn loss_and_gradients_with_distillation_are_pytorchs() {
    for (name, of) in [("vit_qkv", "vit"), ("resnet26d_conv3", "resnet26d")] {
        let (config, weights) = model(of);
        let backbone = Arc::new(Backbone::new(&config, &weights).unwrap());
        let batch = Fixture::read(&format!("lora/{name}/io.safetensors"));
        let io = Fixture::read(&format!("lwf/{name}.safetensors"));
        let mut adapter = peft::load(&path(&format!("lora/{name}")), &Device::Cpu).unwrap();
        for pair in adapter.modules.values_mut() {
            (pair.a, pair.b) = (var(&pair.a), var(&pair.b));
        }
        let head = Head {
            weight: var(batch.get("head0.weight")),
            bias: var(batch.get("head0.bias")),
        };
        let old = Head {
            weight: io.get("old.weight").clone(),
            bias: io.get("old.bias").clone(),
        };
        let teacher = Teacher {
            backbone: Arc::clone(&backbone),
            heads: vec![Head::pretrained(&config, &weights).unwrap(), old],
            lwf: LwfRecipe::default(),
        };
        let deltas = adapter.deltas(backbone.layers()).unwrap();
        let pass = Pass {
            deltas: Some(&deltas),
            ..Pass::eval()
        };
        let input = batch.get("input");
        let features = backbone.features(input, &pass).unwrap();
        let kept = teacher.loss(input, &features).unwrap();
        assert_close(&format!("{name} kept"), &kept, io.get("kept"));
        let logits = head.logits(&features).unwrap();
        let loss = ops::cross_entropy(&logits, &batch.labels(), 0.0).unwrap();
        let loss = (loss + kept).unwrap();
        assert_close(&format!("{name} loss"), &loss, io.get("loss"));
        let grads = loss.backward().unwrap();
        let mut compared = 0;
        let mut compare = |key: String, t: &Tensor| {
            let what = format!("{name} grad {key}");
            let grad = grads.get(t).unwrap_or_else(|| panic!("{what} is missing"));
            assert_close(&what, grad, io.get(&format!("grad.{key}")));
            compared += 1;
        };
        for (module, pair) in &adapter.modules {
            for (factor, t) in [("lora_A", &pair.a), ("lora_B", &pair.b)] {
                compare(format!("base_model.model.{module}.{factor}.weight"), t);
            }
        }
        compare("head.weight".into(), &head.weight);
        compare("head.bias".into(), &head.bias);
        assert_eq!(compared, io.names("grad.").len());
        // The old heads are frozen, and so is the backbone before the task.
        for frozen in &teacher.heads {
            assert!(grads.get(&frozen.weight).is_none() && grads.get(&frozen.bias).is_none());
        }
    }
}
