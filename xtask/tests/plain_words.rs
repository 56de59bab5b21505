//! The code uses the terms of its field: comments do not describe code or data as persons, and retired names stay
//! retired. `CONTRIBUTING.md` says how to write instead.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "plain_words/lexer.rs"]
mod lexer;

use std::fs;
use std::path::{Path, PathBuf};

use lexer::{Piece, pieces};

/// Words of comments that make a person of code or data. Code returns, reports, sends, reads, requires; things are
/// present, configured, requested, in use.
const PERSONS: &[&str] = &[
    "anybody",
    "anyone",
    "ask",
    "asked",
    "asking",
    "asks",
    "believes",
    "everybody",
    "everyone",
    "hopes",
    "know",
    "knowing",
    "knows",
    "nobody",
    "said",
    "say",
    "saying",
    "says",
    "sees",
    "somebody",
    "someone",
    "tell",
    "telling",
    "tells",
    "thinks",
    "told",
    "want",
    "wants",
    "who",
    "whoever",
    "whom",
    "wishes",
];

/// Parts of names that are retired: what each meant has a name in the field's own language.
const RETIRED: &[&str] = &[
    "ask",
    "asked",
    "asking",
    "asks",
    "bring",
    "carrier",
    "carry",
    "conduct",
    "crew",
    "deed",
    "deeds",
    "door",
    "doors",
    "errand",
    "everybody",
    "everybodys",
    "facts",
    "freight",
    "hatch",
    "haul",
    "hauling",
    "hauls",
    "knows",
    "nobody",
    "nobodys",
    "patience",
    "patient",
    "party",
    "said",
    "says",
    "somebody",
    "somebodys",
    "tell",
    "telling",
    "tells",
    "told",
    "who",
    "whoever",
];

/// Retired names that documents must not bring back.
const RETIRED_IN_DOCUMENTS: &[&str] = &[
    "crew", "deeds", "errand", "freight", "hatch", "haul", "hauling", "hauls",
];

/// Where a word is right all the same: a file, the word, and the reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "xtask/tests/plain_words.rs",
        "*",
        "this test lists the words",
    ),
    (
        "xtask/tests/plain_words/lexer.rs",
        "*",
        "its tests use the words",
    ),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below `directory` with this extension, by their paths relative to the repository.
fn files(directory: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository().join(directory)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{directory}/{name}");
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, extension));
        } else if Path::new(&name)
            .extension()
            .is_some_and(|it| it == extension)
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_allowed(path: &str, word: &str) -> bool {
    let mut allowed = ALLOWED.iter();
    allowed.any(|(file, allowed, _)| *file == path && (*allowed == "*" || *allowed == word))
}

/// The parts of an identifier, in lower case: `HatchError` and `hatch_error` have the same two.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if c == '_' || c == '-' || (c.is_uppercase() && was_lower) {
            parts.push(String::new());
        }
        if c.is_alphanumeric() {
            parts.last_mut().unwrap().extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    parts
}

/// The words of running text, without what stands between backticks or is an address.
fn words(text: &str) -> Vec<String> {
    let outside_code = text.split('`').step_by(2);
    outside_code
        .flat_map(str::split_whitespace)
        .filter(|word| !word.contains("://"))
        .flat_map(|word| word.split(|c: char| !c.is_alphabetic() && c != '\''))
        .map(str::to_lowercase)
        .collect()
}

/// What is wrong with the file at `path`, a line each.
fn problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut report = |line: usize, word: &str, what: &str| {
        if !is_allowed(path, word) {
            problems.push(format!("{path}:{line}: {what} `{word}`"));
        }
    };
    for part in path.split(['/', '.']).flat_map(parts) {
        if RETIRED.contains(&&*part) || part == "words" && path.contains("/src/") {
            report(1, &part, "a file name has the retired part");
        }
    }
    for (line, piece) in pieces(text) {
        match piece {
            Piece::Comment(comment) => {
                for word in words(comment) {
                    if PERSONS.contains(&&*word) {
                        report(line, &word, "a comment makes a person of code with");
                    }
                }
            }
            Piece::Name(name) => {
                for part in parts(name) {
                    if RETIRED.contains(&&*part) {
                        report(
                            line,
                            &part,
                            &format!("the name {name} has the retired part"),
                        );
                    }
                }
            }
        }
    }
    problems
}

#[test]
fn code_uses_plain_words() {
    let sources = files("crates", "rs")
        .into_iter()
        .chain(files("xtask", "rs"));
    let mut all = Vec::new();
    let mut checked = 0;
    for path in sources {
        let text = fs::read_to_string(repository().join(&path)).unwrap();
        all.extend(problems(&path, &text));
        checked += 1;
    }
    assert!(checked > 0, "no source was found");
    assert!(
        all.is_empty(),
        "{} places use retired words; see CONTRIBUTING.md:\n{}",
        all.len(),
        all.join("\n")
    );
}

#[test]
fn documents_use_plain_words() {
    let mut documents = files("docs", "md");
    documents.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(String::from));
    let mut all = Vec::new();
    for path in documents {
        let text = fs::read_to_string(repository().join(&path)).unwrap();
        for (number, line) in text.lines().enumerate() {
            let names = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
            for part in names.flat_map(parts) {
                if RETIRED_IN_DOCUMENTS.contains(&&*part) {
                    all.push(format!("{path}:{}: the retired name `{part}`", number + 1));
                }
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn every_exception_is_in_use() {
    for (path, word, reason) in ALLOWED {
        let path = repository().join(path);
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            *word == "*" || text.to_lowercase().contains(word),
            "{} no longer needs `{word}` ({reason})",
            path.display()
        );
    }
}

#[test]
fn the_check_finds_what_it_is_for() {
    let text = "\
/// Tells whether `who` came.
fn haul_away(told: &str) -> &'static str {
    \"nobody // said\" // everybody
}
";
    assert_eq!(
        problems("crates/x/src/hatch.rs", text),
        [
            "crates/x/src/hatch.rs:1: a file name has the retired part `hatch`",
            "crates/x/src/hatch.rs:1: a comment makes a person of code with `tells`",
            "crates/x/src/hatch.rs:2: the name haul_away has the retired part `haul`",
            "crates/x/src/hatch.rs:2: the name told has the retired part `told`",
            "crates/x/src/hatch.rs:3: a comment makes a person of code with `everybody`",
        ]
    );
}
