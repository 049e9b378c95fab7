//! In which order classes are shown, in which groups, and which of them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;

use super::classes::mean;
use super::{ForgettingLook, Grouping, Losses, Sort};

/// Classes that are shown together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name; empty where classes are not grouped.
    pub name: String,
    /// Its classes, in their order.
    pub classes: Vec<usize>,
}

/// The classes that are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    /// In their order, none of them empty.
    pub groups: Vec<Group>,
    /// Classes that there are.
    pub all: usize,
}

/// The group of names that WordNet does not have.
pub const UNKNOWN: &str = "not in WordNet";

impl Order {
    /// The order that the user chose.
    pub fn of(losses: &Losses, look: &ForgettingLook) -> Self {
        let all = losses.foundation.classes.len();
        let mut groups = grouped(losses, look);
        let wanted = look.filter.text().trim().to_lowercase();
        if !wanted.is_empty() {
            let has = |text: &str| text.to_lowercase().contains(&wanted);
            for group in &mut groups {
                let whole = has(&group.name);
                let named = |class: &usize| {
                    let own = losses.foundation.classes.get(*class);
                    let words = look.name(losses.foundation, *class);
                    has(words) || own.is_some_and(|c| has(&c.group))
                };
                group.classes.retain(|class| whole || named(class));
            }
            groups.retain(|group| !group.classes.is_empty());
        }
        sort(&mut groups, losses, look);
        Self { groups, all }
    }

    /// The classes one after the other.
    pub fn classes(&self) -> impl Iterator<Item = usize> + '_ {
        self.groups.iter().flat_map(|g| g.classes.iter().copied())
    }

    /// How many are shown.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|g| g.classes.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Groups with a name.
    pub fn headings(&self) -> usize {
        self.groups.iter().filter(|g| !g.name.is_empty()).count()
    }

    /// `class`, or the first that is shown where it is not.
    pub fn nearest(&self, class: usize) -> Option<usize> {
        let is = |c: &usize| *c == class;
        self.classes().find(is).or_else(|| self.classes().next())
    }

    /// The class `by` places further, no further than the ends.
    pub fn further(&self, class: usize, by: isize) -> Option<usize> {
        let at = self.classes().position(|c| c == class).unwrap_or(0);
        let last = self.len().saturating_sub(1);
        self.classes()
            .nth(at.saturating_add_signed(by).min(last))
            .or_else(|| self.classes().next())
    }

    /// The name of the group that a class is shown in.
    pub fn group(&self, class: usize) -> Option<&Group> {
        self.groups.iter().find(|g| g.classes.contains(&class))
    }
}

/// All classes in their groups, both in order of first appearance.
fn grouped(losses: &Losses, look: &ForgettingLook) -> Vec<Group> {
    let classes = &losses.foundation.classes;
    let all = || 0..classes.len();
    match (look.grouping, &look.ancestry) {
        (Grouping::Groups, _) => by_key(all(), |c| classes[c].group.as_str(), |&g| g.to_owned()),
        (Grouping::Meaning, Some(ancestry)) => by_key(
            all(),
            |c| ancestry.above(c, look.depth),
            |synset| synset.map_or(UNKNOWN, |s| ancestry.name(s)).to_owned(),
        ),
        (Grouping::None | Grouping::Meaning, _) => by_key(all(), |_| (), |&()| String::new()),
    }
}

fn by_key<K: Eq + Hash>(
    classes: impl Iterator<Item = usize>,
    key: impl Fn(usize) -> K,
    name: impl Fn(&K) -> String,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    for class in classes {
        let key = key(class);
        let place = places.get(&key).copied();
        match place.and_then(|at| groups.get_mut(at)) {
            Some(group) => group.classes.push(class),
            None => {
                groups.push(Group {
                    name: name(&key),
                    classes: vec![class],
                });
                places.insert(key, groups.len() - 1);
            }
        }
    }
    groups
}

/// Sorts classes in their groups, and the groups; what has no figure comes last.
fn sort(groups: &mut [Group], losses: &Losses, look: &ForgettingLook) {
    let figures = match look.sort {
        Sort::Own => None,
        Sort::Name => {
            let name = |c: usize| losses.foundation.classes.get(c).map(|c| c.name.as_str());
            for group in &mut *groups {
                group.classes.sort_by_key(|c| name(*c));
            }
            groups.sort_by(|a, b| a.name.cmp(&b.name));
            None
        }
        Sort::Drop => Some(losses.drops(look.since_start)),
        Sort::Similarity => Some(losses.similarities(look)),
    };
    if let Some(figures) = figures {
        let figure = |c: usize| figures.get(c).copied().unwrap_or(f64::NAN);
        for group in &mut *groups {
            let falling = |a: &usize, b: &usize| falling(figure(*a), figure(*b));
            group.classes.sort_by(falling);
        }
        let mean = |group: &Group| mean(group.classes.iter().map(|c| figure(*c)));
        groups.sort_by(|a, b| falling(mean(a), mean(b)));
    }
    groups.sort_by_key(|g| g.name == UNKNOWN);
}

fn falling(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.total_cmp(&a))
}

#[cfg(test)]
mod tests {
    use super::super::super::line::Line;
    use super::super::Merge;
    use super::*;
    use crate::run::RunView;
    use crate::run::testing::sample_view;

    fn names(order: &Order) -> Vec<(&str, usize)> {
        let groups = order.groups.iter();
        groups.map(|g| (g.name.as_str(), g.classes.len())).collect()
    }

    fn of(view: &RunView, look: &ForgettingLook) -> Order {
        Order::of(&Losses::of(view, Merge::Row(1)).unwrap(), look)
    }

    #[test]
    fn classes_stand_in_the_datas_groups_in_its_order() {
        let view = sample_view();
        let mut look = ForgettingLook::default();
        let order = of(&view, &look);
        assert_eq!(names(&order), [("digits", 4), ("lower", 4), ("upper", 4)]);
        assert!(order.classes().eq(0..12));
        look.grouping = Grouping::None;
        let order = of(&view, &look);
        assert_eq!((names(&order), order.headings()), (vec![("", 12)], 0));
    }

    #[test]
    fn the_largest_loss_is_first_in_its_group_and_the_groups_likewise() {
        let view = sample_view();
        let losses = Losses::of(&view, Merge::Row(1)).unwrap();
        for sort in [Sort::Drop, Sort::Similarity] {
            let look = ForgettingLook {
                sort,
                ..ForgettingLook::default()
            };
            let figures = match sort {
                Sort::Drop => losses.drops(false),
                _ => losses.similarities(&look),
            };
            let order = Order::of(&losses, &look);
            let mut means = Vec::new();
            for group in &order.groups {
                let of: Vec<f64> = group.classes.iter().map(|c| figures[*c]).collect();
                assert!(of.windows(2).all(|w| w[0] >= w[1] || w[1].is_nan()));
                means.push(mean(of.into_iter()));
            }
            assert!(means.windows(2).all(|w| w[0] >= w[1]), "{means:?}");
        }
        assert_eq!(falling(f64::NAN, 0.0), Ordering::Greater);
    }

    #[test]
    fn a_filter_is_of_names_and_groups_in_any_case() {
        let view = sample_view();
        let shown = |filter: &str| {
            let look = ForgettingLook {
                filter: Line::new(filter),
                ..ForgettingLook::default()
            };
            let order = of(&view, &look);
            (order.len(), order.all, order.nearest(11))
        };
        assert_eq!(shown("DIGIT"), (4, 12, Some(0)));
        // No class has the letter, but a group has.
        assert_eq!(shown("W").0, 4);
        assert_eq!(shown("no such class"), (0, 12, None));
        assert_eq!(shown("  "), (12, 12, Some(11)));
    }

    #[test]
    fn places_end_where_the_classes_do() {
        let order = of(&sample_view(), &ForgettingLook::default());
        assert_eq!(order.further(0, -1), Some(0));
        assert_eq!(order.further(9, 1), Some(10));
        assert_eq!(order.further(10, isize::MAX), Some(11));
        assert_eq!(order.further(999, 1), Some(1));
        assert_eq!(Order::default().further(0, 1), None);
    }
}
