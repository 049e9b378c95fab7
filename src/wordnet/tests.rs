use super::*;

/// What nltk reads in the same files.
#[derive(serde::Deserialize)]
struct Reference {
    tasks: Vec<String>,
    words: HashMap<String, Vec<String>>,
    plurals: HashMap<String, Vec<String>>,
    pairs: Vec<(String, String, f64)>,
    /// wnid, name, depth, words, similarity to each of `tasks`.
    imagenet: Vec<(String, String, u32, String, Vec<f64>)>,
}

fn reference() -> Reference {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wordnet.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn names(name: &str) -> Vec<String> {
    let nouns = nouns().unwrap();
    let synsets = nouns.resolve(name).synsets;
    synsets.into_iter().map(|s| nouns.name(s)).collect()
}

#[test]
fn every_noun_is_there_and_below_the_one_root() {
    let nouns = nouns().unwrap();
    assert_eq!(nouns.len(), 82_115);
    let root = nouns.synset("entity.n.01").unwrap();
    assert_eq!(
        (nouns.depth(root), nouns.wnid(root)),
        (1, "n00001740".into())
    );
    let roots = nouns.nodes.iter().filter(|n| n.parents.is_empty());
    assert_eq!(roots.count(), 1);
    assert!(PACKED.len() < 1_200_000);
}

#[test]
fn words_have_the_senses_that_nltk_finds_in_its_order() {
    let reference = reference();
    for (word, senses) in reference.words.iter().chain(&reference.plurals) {
        assert!(!senses.is_empty(), "{word}");
        assert_eq!(&names(word), senses, "{word}");
    }
}

#[test]
fn the_study_s_check_values() {
    let nouns = nouns().unwrap();
    let similarity = |a: &str, b: &str| {
        let [a, b] = [a, b].map(|w| nouns.resolve(w).synsets);
        nouns.nearest(&a, &b).unwrap().similarity
    };
    for (a, b, value) in [
        ("car", "sports car", 0.9565),
        ("airplane", "airliner", 0.96),
        ("airplane", "warplane", 1.0),
        ("bird", "quail", 0.9524),
        ("flower", "daisy", 0.9565),
    ] {
        assert!((similarity(a, b) - value).abs() < 5e-5, "{a} {b}");
    }
    for (a, b, value) in reference().pairs {
        assert!((similarity(&a, &b) - value).abs() < 1e-12, "{a} {b}");
    }
}

/// Found by wnid, by name and by their lists of words, and as similar to the study's four words as nltk's
/// hierarchy makes them.
#[test]
fn the_thousand_classes_of_imagenet() {
    let (nouns, reference) = (nouns().unwrap(), reference());
    let tasks: Vec<Vec<Synset>> = reference
        .tasks
        .iter()
        .map(|word| nouns.resolve(word).synsets)
        .collect();
    assert_eq!(reference.imagenet.len(), 1000);
    for (wnid, name, depth, words, to_tasks) in &reference.imagenet {
        let synset = nouns.synset(wnid).unwrap();
        assert_eq!(nouns.synset(name), Some(synset), "{name}");
        assert_eq!((&nouns.wnid(synset), &nouns.name(synset)), (wnid, name));
        assert_eq!(nouns.depth(synset), *depth, "{name}");
        assert_eq!(nouns.resolve(wnid).synsets, [synset]);
        assert!(nouns.resolve(words).synsets.contains(&synset), "{words}");
        for (task, expected) in tasks.iter().zip(to_tasks) {
            let pair = nouns.nearest(&[synset], task).unwrap();
            assert!((pair.similarity - expected).abs() < 1e-8, "{name}");
            assert_eq!(pair.similarity, nouns.similarity(pair.b, pair.a));
        }
    }
}

#[test]
fn a_list_of_synonyms_means_what_they_share() {
    assert_eq!(names("crane, Grus"), ["grus.n.01"]);
    // By itself a crane is a machine, a bird, a writer or a constellation.
    assert!(names("crane").len() > 3);
    assert_eq!(names("tench, Tinca tinca"), ["tench.n.01"]);
    assert_eq!(names("drake, qwxz"), names("drake"));
}

#[test]
fn names_of_data_sets_find_their_word() {
    for (name, first) in [
        ("Sports-Car", "sports_car.n.01"),
        ("001.Black_footed_Albatross", "black-footed_albatross.n.01"),
        ("022.Chuck_will_Widow", "widow.n.01"),
        ("crane (bird)", names("crane")[0].as_str()),
        ("maillot_1", names("maillot")[0].as_str()),
        ("Acura TL Sedan 2012", "sedan.n.01"),
        ("red sports cars", "sports_car.n.01"),
        ("St. Bernard", "saint_bernard.n.01"),
        ("n02084071", "dog.n.01"),
        ("dog.n.03", "dog.n.03"),
        ("cupsful", "cup.n.02"),
    ] {
        assert_eq!(
            names(name).first().map(String::as_str),
            Some(first),
            "{name}"
        );
    }
    let word = |name| nouns().unwrap().resolve(name).word;
    assert_eq!(word("007.red_Sports_cars"), "sports_car");
    for nothing in [
        "",
        "737-200",
        "n99999999",
        "dog.n.99",
        "qwxz",
        "α",
        "(car)",
        "_",
    ] {
        assert!(names(nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn names_in_plain_words() {
    for (name, plain) in [
        ("sports_car, sport car", "sports car"),
        ("001.Black_footed_Albatross", "Black footed Albatross"),
        ("n04285008", "sports car"),
        ("crane.n.05", "crane"),
        ("maillot_1", "maillot"),
        ("737-200", "737-200"),
        ("7", "7"),
        ("crane (bird)", "crane"),
        ("", ""),
    ] {
        assert_eq!(nouns().unwrap().plain(name), plain, "{name}");
    }
}

#[test]
fn the_way_from_the_root_is_as_long_as_the_depth() {
    let nouns = nouns().unwrap();
    for id in ["dog.n.01", "entity.n.01", "sports_car.n.01", "tench.n.01"] {
        let synset = nouns.synset(id).unwrap();
        let path = nouns.path(synset);
        assert_eq!(path.len(), nouns.depth(synset) as usize, "{id}");
        assert_eq!(nouns.name(path[0]), "entity.n.01");
        assert_eq!(path.last(), Some(&synset));
        assert!(
            path.windows(2)
                .all(|w| nouns.node(w[1]).parents.contains(&w[0]))
        );
    }
}

#[test]
fn of_equally_similar_pairs_the_most_frequent_senses() {
    let nouns = nouns().unwrap();
    let bird = nouns.resolve("bird").synsets;
    let pair = nouns.nearest(&bird, &bird).unwrap();
    assert_eq!((pair.similarity, pair.a, pair.b), (1.0, bird[0], bird[0]));
    assert_eq!(nouns.nearest(&[], &bird), None);
}

#[test]
fn damage_is_told() {
    for (text, complaint) in [
        ("1 7 a\n", "below one that is absent"),
        ("1  a\n1 2 b\n1 1 c\n", "no way leads"),
        ("1  a\nx 0 b\n", "is no synset"),
        ("1 0\n", "is no synset"),
    ] {
        let error = Nouns::parse(text).unwrap_err();
        assert!(error.contains(complaint), "{error}");
    }
}
