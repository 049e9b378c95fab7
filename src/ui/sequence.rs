//! The sequence of tasks while it is put together: added, removed, moved, left out, split into halves.

use crate::recipe::{Budget, Recipe, TaskBudget, TaskRecipe};
use crate::{Error, Result};

/// Letters that a name keeps when a number is put behind it: names of files have 64 at most.
const STEM: usize = 56;

/// A task of the sequence, in or out.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskLine {
    /// The task.
    pub task: TaskRecipe,
    /// Whether the run has it.
    pub on: bool,
    /// Its steps or epochs.
    pub budget: usize,
}

/// Tasks in their order, each with its budget.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// From the first.
    pub lines: Vec<TaskLine>,
    /// Whether budgets are epochs; steps otherwise.
    pub epochs: bool,
}

impl Sequence {
    /// A recipe's.
    pub fn of(recipe: &Recipe) -> Self {
        let line = |(i, task): (usize, &TaskRecipe)| TaskLine {
            task: task.clone(),
            on: true,
            budget: match recipe.budget(i) {
                TaskBudget::Steps(n) | TaskBudget::Epochs(n) => n,
            },
        };
        Self {
            lines: recipe.tasks.iter().enumerate().map(line).collect(),
            epochs: recipe.train.epochs.is_some(),
        }
    }

    /// A recipe's, with the tasks that are left out here where they stand.
    pub fn with_recipe(&self, recipe: &Recipe) -> Self {
        let mut sequence = Self::of(recipe);
        for (i, line) in self.lines.iter().enumerate().filter(|(_, l)| !l.on) {
            let at = i.min(sequence.lines.len());
            sequence.lines.insert(at, line.clone());
        }
        sequence
    }

    /// Writes the tasks that are on, and their budgets, into a recipe.
    ///
    /// # Errors
    /// [`Error::Input`] where none is.
    pub fn write(&self, recipe: &mut Recipe) -> Result<()> {
        let on = || self.lines.iter().filter(|line| line.on);
        recipe.tasks = on().map(|line| line.task.clone()).collect();
        let each: Vec<usize> = on().map(|line| line.budget).collect();
        let budget = match each.split_first() {
            None => {
                return Err(Error::input(
                    "the sequence has no task: {add-task} adds one, {toggle} takes one in that is left out",
                ));
            }
            Some((first, rest)) if rest.iter().all(|n| n == first) => Budget::All(*first),
            Some(_) => Budget::Each(each),
        };
        (recipe.train.epochs, recipe.train.steps) = match self.epochs {
            true => (Some(budget), None),
            false => (None, Some(budget)),
        };
        Ok(())
    }

    /// The same budget for all.
    pub fn set_budgets(&mut self, budget: usize) {
        self.lines.iter_mut().for_each(|line| line.budget = budget);
    }

    /// The first budget of those that are on.
    pub fn first_budget(&self) -> Option<usize> {
        self.lines.iter().find(|l| l.on).map(|line| line.budget)
    }

    /// A name that no task has, and not the foundation either: `wanted`, or `wanted-2` and so on.
    fn free_id(&self, wanted: &str, foundation: &str) -> String {
        let taken = |id: &str| id == foundation || self.lines.iter().any(|line| line.task.id == id);
        if !taken(wanted) {
            return wanted.to_owned();
        }
        let stem: String = wanted.chars().take(STEM).collect();
        let numbered = (2..).map(|n| format!("{stem}-{n}"));
        numbered
            .into_iter()
            .find(|id| !taken(id))
            .unwrap_or_default()
    }

    /// The tasks that have the same images.
    pub fn visits<'a>(&'a self, task: &'a TaskRecipe) -> impl Iterator<Item = &'a TaskLine> {
        let same = |line: &&TaskLine| line.task.has_images_of(task);
        self.lines.iter().filter(same)
    }

    /// Adds a task behind `after`, or first, and gives its position. Its id becomes one of its own; where the sequence has
    /// the same images already, it is another visit and shares their head.
    pub fn add(&mut self, mut task: TaskRecipe, after: Option<usize>, foundation: &str) -> usize {
        let visited = self.visits(&task).next();
        if let Some(head) = visited.map(|line| line.task.column().to_owned()) {
            task.head = Some(head);
        }
        task.id = self.free_id(&task.id, foundation);
        let budget = self
            .first_budget()
            .unwrap_or(if self.epochs { 10 } else { 600 });
        let line = TaskLine {
            task,
            on: true,
            budget,
        };
        let at = after.map_or(0, |after| after + 1).min(self.lines.len());
        self.lines.insert(at, line);
        at
    }

    /// Takes a task out for good.
    pub fn remove(&mut self, at: usize) {
        if at < self.lines.len() {
            self.lines.remove(at);
        }
    }

    /// Makes two tasks of one: each learns from a half of its images, which have none in common, both under its head and
    /// measured on all its test images. Steps are halved with the images, passes over them are not.
    pub fn split(&mut self, at: usize, foundation: &str) {
        if at >= self.lines.len() {
            return;
        }
        let whole = self.lines.remove(at);
        let [from, to] = whole.task.part.unwrap_or([0.0, 1.0]);
        let middle = 0.5 * (from + to);
        let stem: String = whole.task.id.chars().take(STEM).collect();
        let halves = [(1, [from, middle]), (2, [middle, to])];
        for (i, (number, part)) in halves.into_iter().enumerate() {
            let task = TaskRecipe {
                id: self.free_id(&format!("{stem}-{number}"), foundation),
                head: Some(whole.task.column().to_owned()),
                part: Some(part),
                ..whole.task.clone()
            };
            let budget = match self.epochs {
                true => whole.budget,
                false => whole.budget.div_ceil(2),
            };
            let line = TaskLine {
                task,
                budget,
                ..whole.clone()
            };
            self.lines.insert(at + i, line);
        }
    }

    /// Moves a task by one place; gives its new one.
    pub fn shift(&mut self, at: usize, later: bool) -> usize {
        let to = at.saturating_add_signed(if later { 1 } else { -1 });
        if at >= self.lines.len() || to >= self.lines.len() {
            return at;
        }
        self.lines.swap(at, to);
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> (Recipe, Sequence) {
        let recipe = Recipe::load("demo", &[]).unwrap();
        let sequence = Sequence::of(&recipe);
        (recipe, sequence)
    }

    fn written(sequence: &Sequence) -> Recipe {
        let (mut recipe, _) = demo();
        sequence.write(&mut recipe).unwrap();
        recipe.validate().unwrap();
        recipe
    }

    fn ids(sequence: &Sequence) -> Vec<&str> {
        sequence.lines.iter().map(|l| l.task.id.as_str()).collect()
    }

    #[test]
    fn an_untouched_sequence_is_its_recipes() {
        let (recipe, sequence) = demo();
        assert_eq!(written(&sequence), recipe);
    }

    #[test]
    fn halves_share_their_head_and_no_image() {
        let (_, mut sequence) = demo();
        sequence.split(0, "latin");
        sequence.split(1, "latin");
        assert_eq!(
            ids(&sequence)[..4],
            ["parity-1", "parity-2-1", "parity-2-2", "lower-thirds"]
        );
        let recipe = written(&sequence);
        let parts: Vec<_> = recipe.tasks[..3].iter().map(|t| t.part.unwrap()).collect();
        assert_eq!(parts, [[0.0, 0.5], [0.5, 0.75], [0.75, 1.0]]);
        assert!(
            recipe.tasks[..3]
                .iter()
                .all(|t| t.column() == "parity" && t.context == ["digits"])
        );
        assert_eq!(
            recipe.train.steps,
            Some(Budget::Each(vec![400, 200, 200, 800, 800, 1200, 1200]))
        );
        // What is split a second time finds other names.
        let mut twice = sequence.clone();
        twice.add(TaskRecipe::of("parity-1", "bundled:hebrew"), None, "latin");
        assert_eq!(twice.lines[0].task.id, "parity-1-2");
        written(&twice);
    }

    #[test]
    fn what_is_added_has_an_id_of_its_own_and_a_second_visit_the_head_of_the_first() {
        let (_, mut sequence) = demo();
        let at = sequence.add(TaskRecipe::of("hebrew", "bundled:hebrew"), Some(4), "latin");
        assert_eq!((at, sequence.lines[5].task.column()), (5, "hebrew"));
        let again = sequence.add(TaskRecipe::of("greek", "bundled:greek"), Some(0), "latin");
        let task = &sequence.lines[again].task;
        assert_eq!(
            (again, task.id.as_str(), task.column()),
            (1, "greek-2", "greek")
        );
        let foundation = sequence.add(TaskRecipe::of("latin", "bundled:latin"), None, "latin");
        assert_eq!(sequence.lines[foundation].task.id, "latin-2");
        written(&sequence);
        (0..9).for_each(|_| sequence.remove(0));
        let error = sequence.write(&mut demo().0).unwrap_err().to_string();
        assert!(error.contains("{add-task} adds one"), "{error}");
        assert_eq!(
            sequence.add(TaskRecipe::of("greek", "bundled:greek"), Some(7), "latin"),
            0
        );
    }

    #[test]
    fn tasks_left_out_stay_where_they_are_when_a_key_changes() {
        let (_, mut sequence) = demo();
        sequence.lines[1].on = false;
        let mut recipe = written(&sequence);
        recipe.tasks[1].context = vec!["digits".into()];
        let after = sequence.with_recipe(&recipe);
        assert_eq!(ids(&after), ids(&sequence));
        assert!(!after.lines[1].on && after.lines[2].task.context == ["digits"]);
    }

    #[test]
    fn long_names_stay_names_of_files() {
        let (_, mut sequence) = demo();
        let long = "x".repeat(64);
        for _ in 0..3 {
            sequence.add(
                TaskRecipe::of(long.clone(), "bundled:hebrew"),
                None,
                "latin",
            );
        }
        sequence.split(0, "latin");
        written(&sequence);
    }
}
