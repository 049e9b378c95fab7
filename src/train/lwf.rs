//! Learning without Forgetting: distillation from the model before the task.

use std::sync::Arc;

use candle_core::Tensor;

use super::Head;
use crate::Result;
use crate::backbone::{Backbone, Pass};
use crate::ops;
use crate::recipe::LwfRecipe;

/// What a task is not to forget (Li and Hoiem, "Learning without Forgetting", arXiv 1606.09282): the backbone before
/// the task, in evaluation, and the heads of all earlier tasks, the foundation's among them. They are frozen, and the
/// student's features go through the same heads.
///
/// With z the logits of an old head by the features of the student (s) and of the backbone before the task (t), the
/// loss of a batch of b images is
///
/// ```text
/// CE + alpha · Σ over old heads of 1/b Σ over images of KL( softmax(z_t / T) ‖ softmax(z_s / T) )
/// ```
///
/// There is no further factor T² (Hinton, Vinyals and Dean, arXiv 1503.02531, have one): it is as in Avalanche's LwF,
/// whose alpha and temperature the study's options are; alpha·T² in the place of alpha gives Hinton's.
pub struct Teacher {
    /// The backbone before the task, merged weights and all.
    pub backbone: Arc<Backbone>,
    /// The heads of earlier tasks but the one that is being trained.
    pub heads: Vec<Head>,
    /// alpha and T.
    pub lwf: LwfRecipe,
}

impl Teacher {
    /// alpha · Σ KL, a scalar, of images `[b, c, h, w]` and the student's features of them `[b, dim]`.
    pub fn loss(&self, x: &Tensor, features: &Tensor) -> Result<Tensor> {
        let before = self.backbone.features(x, &Pass::eval())?.detach();
        let mut total = Tensor::zeros((), features.dtype(), features.device())?;
        for head in &self.heads {
            let theirs = self.log_soft(head, &before)?.detach();
            let ours = self.log_soft(head, features)?;
            let divergence = (theirs.exp()? * (theirs - ours)?)?.sum_all()?;
            total = (total + divergence)?;
        }
        let images = features.dim(0)?.max(1) as f64;
        Ok(total.affine(self.lwf.alpha / images, 0.0)?)
    }

    fn log_soft(&self, head: &Head, features: &Tensor) -> Result<Tensor> {
        let logits = head.logits(features)?;
        ops::log_softmax_last_dim(&logits.affine(1.0 / self.lwf.temperature, 0.0)?)
    }
}
