//! WordNet's nouns: how near two words are in meaning.
//!
//! `assets/wordnet/nouns.txt.xz` holds every noun synset of WordNet 3.0 (Miller, "WordNet: a lexical database for
//! English", Commun. ACM 38, 1995) with its hypernyms and words; `assets/wordnet/build.py` says how it is laid out.

mod names;

use std::collections::HashMap;
use std::io::Read;
use std::sync::OnceLock;

use crate::{Error, Result};

pub use names::Resolved;

static PACKED: &[u8] = include_bytes!("../../assets/wordnet/nouns.txt.xz");

/// A synset: its number among the nouns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Synset(u32);

/// The hierarchy of nouns.
#[derive(Debug)]
pub struct Nouns {
    nodes: Vec<Node>,
    /// Synsets of a word as [`key`] spells it, the most frequent sense first.
    by_word: HashMap<String, Vec<Synset>>,
    /// Singulars of irregular plurals.
    irregular: HashMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Node {
    /// Byte offset in WordNet's `data.noun`, the number of a wnid.
    offset: u32,
    parents: Vec<Synset>,
    /// 1 at the root, along the shortest way to it.
    depth: u32,
    /// Its first word and the number of this sense of it.
    name: (String, u32),
}

/// Two synsets and how similar they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Wu and Palmer's, in (0, 1].
    pub similarity: f64,
    /// The first one.
    pub a: Synset,
    /// The second one.
    pub b: Synset,
}

/// The nouns that the program carries; read when they are first asked for.
///
/// # Errors
/// [`Error::Internal`] if they are damaged.
pub fn nouns() -> Result<&'static Nouns> {
    static NOUNS: OnceLock<Result<Nouns, String>> = OnceLock::new();
    let nouns = NOUNS.get_or_init(|| {
        let mut text = String::new();
        liblzma::read::XzDecoder::new(PACKED)
            .read_to_string(&mut text)
            .map_err(|e| e.to_string())?;
        Nouns::parse(&text)
    });
    nouns
        .as_ref()
        .map_err(|why| Error::internal(format!("the bundled WordNet is damaged: {why}")))
}

/// A word as the index spells it: lower case, and what may stand between its parts made equal.
fn key(word: &str) -> String {
    let mut key = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase) {
        match c {
            ' ' | '_' | '-' if key.is_empty() || key.ends_with('_') => {}
            ' ' | '_' | '-' => key.push('_'),
            // St. Bernard and St Bernard, Granny's and Grannys.
            '.' | '\'' | '’' => {}
            c => key.push(c),
        }
    }
    key.truncate(key.trim_end_matches('_').len());
    key
}

impl Nouns {
    fn parse(text: &str) -> Result<Self, String> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut senses: HashMap<String, Vec<(u32, Synset)>> = HashMap::new();
        let mut irregular = HashMap::new();
        let mut lines = text.lines().skip_while(|line| line.starts_with('#'));
        let mut offset = 0;
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let broken = || format!("the line {line:?} is no synset");
            let mut fields = line.split(' ');
            let delta = fields.next().and_then(|f| f.parse::<u32>().ok());
            offset += delta.ok_or_else(broken)?;
            let parents = fields.next().ok_or_else(broken)?;
            let parents = parents.split(',').filter(|p| !p.is_empty());
            let parents = parents.map(|p| p.parse().map(Synset).map_err(|_| broken()));
            let synset = Synset(nodes.len() as u32);
            let mut name = None;
            for field in fields {
                let (word, rank) = match field.split_once('#') {
                    Some((word, rank)) => (word, rank.parse().map_err(|_| broken())?),
                    None => (field, 1),
                };
                name.get_or_insert_with(|| (word.to_owned(), rank));
                senses.entry(key(word)).or_default().push((rank, synset));
            }
            nodes.push(Node {
                offset,
                parents: parents.collect::<Result<_, _>>()?,
                depth: 0,
                name: name.ok_or_else(broken)?,
            });
        }
        for line in lines {
            let mut words = line.split(' ').map(key);
            if let Some(plural) = words.next() {
                irregular.insert(plural, words.collect());
            }
        }
        set_depths(&mut nodes)?;
        let by_frequency = |mut senses: Vec<(u32, Synset)>| {
            senses.sort_unstable();
            let mut synsets: Vec<Synset> = senses.into_iter().map(|(_, s)| s).collect();
            synsets.dedup();
            synsets
        };
        Ok(Self {
            nodes,
            by_word: senses
                .into_iter()
                .map(|(word, senses)| (word, by_frequency(senses)))
                .collect(),
            irregular,
        })
    }

    fn node(&self, synset: Synset) -> &Node {
        &self.nodes[synset.0 as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Its name, as nltk writes it: `car.n.01`.
    pub fn name(&self, synset: Synset) -> String {
        let (word, rank) = &self.node(synset).name;
        format!("{word}.n.{rank:02}")
    }

    /// Its wnid, as ImageNet writes it: `n02958343`.
    pub fn wnid(&self, synset: Synset) -> String {
        format!("n{:08}", self.node(synset).offset)
    }

    /// The synset that a wnid (`n02958343`) or a name (`car.n.01`) means.
    pub fn synset(&self, id: &str) -> Option<Synset> {
        if let Some(offset) = wnid(id) {
            let found = self.nodes.binary_search_by_key(&offset, |n| n.offset);
            return found.ok().map(|i| Synset(i as u32));
        }
        let (word, rank) = id.rsplit_once(".n.")?;
        let (word, rank) = (word.to_lowercase(), rank.parse::<u32>().ok()?);
        let candidates = self.by_word.get(&key(&word))?.iter().copied();
        candidates
            .into_iter()
            .find(|&s| self.node(s).name == (word.clone(), rank))
    }

    /// Nodes between a synset and the root, both included, along the shortest way: 1 for the root.
    pub fn depth(&self, synset: Synset) -> u32 {
        self.node(synset).depth
    }

    /// The shortest way from the root to a synset, both included; of equally short ones that by the first parents.
    pub fn path(&self, synset: Synset) -> Vec<Synset> {
        let mut path = vec![synset];
        let mut at = self.node(synset);
        while let Some(&parent) = at.parents.iter().find(|p| self.depth(**p) + 1 == at.depth) {
            path.push(parent);
            at = self.node(parent);
        }
        path.reverse();
        path
    }

    /// It and all above it.
    fn ancestors(&self, synset: Synset) -> Vec<Synset> {
        let mut found = vec![synset];
        let mut next = 0;
        while let Some(&s) = found.get(next) {
            for &parent in &self.node(s).parents {
                if !found.contains(&parent) {
                    found.push(parent);
                }
            }
            next += 1;
        }
        found
    }

    /// 2·depth(lcs) / (depth(a) + depth(b)) with lcs the deepest synset above both (Wu and Palmer, "Verb semantics
    /// and lexical selection", ACL 1994), depths along the shortest way to the root. The lcs can be deeper than one
    /// of the two, which has a shorter way past it; the similarity is then 1.
    pub fn similarity(&self, a: Synset, b: Synset) -> f64 {
        self.similarity_below(&self.ancestors(a), a, b)
    }

    fn similarity_below(&self, above_a: &[Synset], a: Synset, b: Synset) -> f64 {
        let common = self
            .ancestors(b)
            .into_iter()
            .filter(|s| above_a.contains(s));
        let lcs = common.map(|s| self.depth(s)).max().unwrap_or(0);
        let sum = self.depth(a) + self.depth(b);
        (f64::from(2 * lcs) / f64::from(sum)).min(1.0)
    }

    /// The most similar pair of one of `a` and one of `b`; of equally similar ones the first, so that the more
    /// frequent sense of a word is taken. `None` if one of the two is empty.
    pub fn nearest(&self, a: &[Synset], b: &[Synset]) -> Option<Pair> {
        let mut best: Option<Pair> = None;
        for &a in a {
            let above = self.ancestors(a);
            for &b in b {
                let similarity = self.similarity_below(&above, a, b);
                if best.is_none_or(|best| similarity > best.similarity) {
                    best = Some(Pair { similarity, a, b });
                }
            }
        }
        best
    }
}

/// The number of `n` and eight digits.
fn wnid(text: &str) -> Option<u32> {
    let digits = text.strip_prefix(['n', 'N'])?;
    let is = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
    is.then(|| digits.parse().ok()).flatten()
}

/// Depths from the root down, level by level.
fn set_depths(nodes: &mut [Node]) -> Result<(), String> {
    let mut children = vec![Vec::new(); nodes.len()];
    let mut level = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        if node.parents.is_empty() {
            level.push(i);
        }
        for parent in &node.parents {
            let of = children.get_mut(parent.0 as usize);
            of.ok_or_else(|| format!("a synset below one that is absent, {}", parent.0))?
                .push(i);
        }
    }
    let mut depth = 1;
    while !level.is_empty() {
        for &i in &level {
            nodes[i].depth = depth;
        }
        let mut below: Vec<usize> = level.iter().flat_map(|&i| &children[i]).copied().collect();
        below.retain(|&i| nodes[i].depth == 0);
        below.sort_unstable();
        below.dedup();
        level = below;
        depth += 1;
    }
    match nodes.iter().find(|n| n.depth == 0) {
        Some(node) => Err(format!("no way leads from {} to the root", node.name.0)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
