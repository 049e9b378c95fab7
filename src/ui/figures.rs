//! A recipe's figures in words, for the form and its lists.

use crate::export::thousands;
use crate::lab::Preview;

/// Bytes as one says them: `62 MB`, `5.2 GB`.
pub fn bytes(n: usize) -> String {
    match n as f64 {
        n if n >= 1e10 => format!("{:.0} GB", n / 1e9),
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.0} MB", n / 1e6),
        n => format!("{:.1} MB", n / 1e6),
    }
}

/// What a backbone is: parameters, input, memory, where it is, architecture.
pub fn backbone(preview: &Preview) -> Vec<String> {
    let [c, h, w] = preview.input;
    let mut pieces = vec![
        format!("{} parameters", thousands(preview.parameters)),
        format!("{c}×{h}×{w}"),
        format!("≈ {}", bytes(preview.memory.total())),
    ];
    if !preview.here {
        pieces.push("on the hub".into());
    }
    pieces.push(preview.architecture.clone());
    pieces
}

/// What a task trains of it.
pub fn trainable(preview: &Preview) -> String {
    let share = 100.0 * preview.adapter_parameters as f64 / preview.parameters.max(1) as f64;
    // A share of a millionth is not none.
    let share = match share {
        x if x >= 0.1 => format!("{x:.2}"),
        x => format!("{x:.3}"),
    };
    format!(
        "{} trainable, {share} % of it, in {} modules",
        thousands(preview.adapter_parameters),
        preview.targets.len()
    )
}

/// What training needs of memory, part by part.
pub fn memory(preview: &Preview) -> String {
    let memory = &preview.memory;
    format!(
        "about {} in training: weights {}, what is trained with AdamW's moments {}, a batch {}; images come on top",
        bytes(memory.total()),
        bytes(memory.weights),
        bytes(memory.trained),
        bytes(memory.activations)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_two_figures() {
        let said = [
            0,
            96_000,
            2_400_000,
            62_400_000,
            5_240_000_000,
            81_000_000_000,
        ]
        .map(bytes);
        assert_eq!(
            said,
            ["0.0 MB", "0.1 MB", "2 MB", "62 MB", "5.2 GB", "81 GB"]
        );
    }
}
