//! What is said in every report: definitions and methods.

use super::document::Block;
use crate::export::definitions;
use crate::measure::{Forgetting, NOT_INDEPENDENT};

/// Before the figure of contextual forgetting.
pub const CONTEXTUAL: &str = "Whether the foundation classes that a task is about lose more by its merge than the others. The \
    p-values are by permutation of classes as if they were exchangeable; the classes of a group are not independent of one \
    another, so read them as a description.";

/// Before the differences.
pub const DIFFERENCES: &str = "Runs are paired by their seed: the same seed has the same order of images and, where \
    shapes agree, the same first weights. A difference is called one where the p of a two-sided paired t-test is below .05 after Holm's correction; \
    the interval is not corrected. Where none is found, that is not evidence of none.";

/// How many tests Holm's correction is over.
pub fn family(tests: usize) -> String {
    match tests {
        0 => "No comparison could be tested.".into(),
        1 => "Holm's correction is over the 1 test of this section.".into(),
        n => format!("Holm's correction is over the {n} tests of this section."),
    }
}

/// Keys of `metrics.json` whose definitions a report needs.
const KEYS: [&str; 17] = [
    "accuracy",
    "plasticity",
    "average_plasticity",
    "average_accuracy",
    "average_forgetting",
    "contextual.context",
    "contextual.mean_drop_in_context",
    "contextual.mean_drop_of_rest",
    "contextual.difference",
    "contextual.p_one_sided",
    "contextual.p_two_sided",
    "contextual.similarity",
    "contextual.spearman_rho",
    "contextual.spearman_p_two_sided",
    "contextual.by_similarity",
    "contextual.by_similarity.decile_drop",
    "contextual.by_similarity.difference",
];

/// Every definition, under its name in `metrics.json`, then what a report adds.
pub fn methods(forgetting: Forgetting) -> Vec<Block> {
    let all = definitions();
    let defined = |key: &str| {
        let text = all.get(key)?.as_str()?;
        Some((key.to_owned(), text.to_owned()))
    };
    let mut terms: Vec<(String, String)> = KEYS.iter().filter_map(|key| defined(key)).collect();
    let kinds = Forgetting::ALL.map(|kind| format!("forgetting.{}", kind.name()));
    let at = terms
        .iter()
        .position(|t| t.0 == "average_forgetting")
        .unwrap_or(0);
    for key in kinds.iter().rev() {
        if let Some(term) = defined(key) {
            terms.insert(at, term);
        }
    }
    let own = |term: &str, meaning: &str| (term.to_owned(), meaning.to_owned());
    terms.extend([
        own(
            "foundation forgetting",
            &format!("forgetting.{} of the foundation's test set after the last task", forgetting.name()),
        ),
        own(
            "downstream forgetting",
            &format!(
                "average_forgetting.{}.without_foundation after the last task: the mean over the tasks of the sequence without \
                 the one learned last",
                forgetting.name()
            ),
        ),
        own(
            "plasticity (of a run)",
            "average_plasticity after the last task",
        ),
        own(
            "average accuracy",
            "average_accuracy.with_foundation after the last task",
        ),
        own(
            "contextual difference (of a run)",
            "mean of contextual.difference over the tasks that have one",
        ),
        own(
            "trainable share",
            "parameters of a task's adapter, at full rank of the modules that are trained, without the head, over those of the \
             backbone without its classifier",
        ),
    ]);
    vec![
        Block::Terms(terms),
        Block::Text(format!("{}.", crate::export::summary::capitalised(NOT_INDEPENDENT))),
        Block::Text(
            "A series is the runs of one backbone and mode whose recipes are equal but for rank and seed; alpha counts as a \
             multiple of the rank, and keys that change no figure (checkpoints, what is watched while a task is trained, caches \
             and threads, the batch of evaluation, Slurm) are not looked at. A frozen backbone (rank 0) belongs to the one series that is like it but for \
             the adapters' own keys. Runs with other test sets or another sequence are a study of their own: nothing is \
             averaged over both. Of two finished runs of one series, rank and seed the newer one counts. Runs that are not \
             finished, whose tasks were skipped or merged in part, and branches with other adapters in their first rows are \
             left out."
                .into(),
        ),
        Block::Text(
            "Standard deviations are of the sample (n − 1). With n seeds that both sides have, the differences d have mean m \
             and standard deviation s: t = m / (s / sqrt(n)) with n − 1 degrees of freedom, the 95 % interval is m ± t(0.975) \
             s / sqrt(n), and d_z = m / s (Cohen's, of paired differences). It assumes that differences are about normal, \
             which few seeds cannot show. The p by sign flips does not: it is the share of all 2^n choices of signs of the \
             differences whose mean is at least as far from 0 (of 9,999 random ones above 20 seeds), so that with 3, 4 and 5 \
             seeds it is never below .25, .125 and .0625. Holm's correction multiplies the k-th smallest of N p-values by N − k + 1 and \
             keeps their order. Imported logs are in no test."
                .into(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_that_of_metrics_json() {
        let blocks = methods(Forgetting::MaxAll);
        let Block::Terms(terms) = &blocks[0] else {
            panic!("{blocks:?}");
        };
        let all = definitions();
        for key in KEYS
            .iter()
            .map(|k| (*k).to_owned())
            .chain(Forgetting::ALL.map(|kind| format!("forgetting.{}", kind.name())))
        {
            let meant = all.get(&key).and_then(|t| t.as_str()).map(str::to_owned);
            let found = terms.iter().find(|t| t.0 == key).map(|t| t.1.clone());
            assert!(meant.is_some() && meant == found, "{key}");
        }
        let foundation = terms
            .iter()
            .find(|t| t.0 == "foundation forgetting")
            .unwrap();
        assert!(foundation.1.starts_with("forgetting.max-all "));
    }
}
