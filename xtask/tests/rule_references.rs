//! Every rule that windlass promises to follow has a test that refers to it, and every rule that is referred to
//! is listed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The sections of `docs/compatibility.md` whose every rule has a test.
const TESTED: [&str; 10] = ["DL", "DM", "EP", "FB", "HT", "MF", "S1", "S2", "ST", "TM"];
/// The prefixes of rules of the form letters, hyphen, number.
const FAMILIES: [&str; 20] = [
    "API", "DL", "DM", "EP", "FB", "HT", "IM", "LS", "MD", "MF", "PG", "REF", "RS", "S1", "S2",
    "ST", "TM", "CF", "CR", "UX",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap()
}

/// Returns the Rust files below `directory`.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Returns the tests in a file: all of it, or the part after the attribute.
fn tests(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let is_test = path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs");
    if is_test {
        return text;
    }
    text.split_once("#[cfg(test)]")
        .map_or(String::new(), |(_, tests)| tests.to_owned())
}

/// Returns the rules that `text` refers to; `FB-1..FB-3` are three.
fn rules(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.');
    for word in words {
        let mut ends = word.split("..").filter_map(rule);
        let Some((family, first)) = ends.next() else {
            continue;
        };
        let last = match ends.next() {
            Some((other, last)) if other == family => last,
            _ => first,
        };
        found.extend((first..=last).map(|number| format!("{family}-{number}")));
    }
    found
}

fn rule(word: &str) -> Option<(&str, u32)> {
    let (family, number) = word.trim_matches('.').split_once('-')?;
    FAMILIES.contains(&family).then_some(())?;
    Some((family, number.parse().ok()?))
}

/// Returns the rules of `docs/compatibility.md`, with the column about windlass.
fn promises() -> Vec<(String, String)> {
    let document = document("compatibility.md");
    let rows = document.lines().filter(|line| line.starts_with("| "));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let verdict = cells.get(3).copied().unwrap_or_default().to_owned();
        rules(cells.get(1).copied().unwrap_or_default())
            .into_iter()
            .map(move |rule| (rule, verdict.clone()))
    })
    .collect()
}

#[test]
fn every_promise_has_a_test() {
    let mut tested = BTreeSet::new();
    for path in sources(&repository().join("crates")) {
        tested.extend(rules(&tests(&path)));
    }
    let untested: Vec<String> = promises()
        .into_iter()
        .filter(|(rule, verdict)| {
            let is_kept = verdict.starts_with("same") || verdict.starts_with("better");
            TESTED.contains(&rule.split('-').next().unwrap()) && is_kept && !tested.contains(rule)
        })
        .map(|(rule, _)| rule)
        .collect();
    assert!(untested.is_empty(), "no test names {untested:?}");
}

#[test]
fn every_rule_that_is_named_is_listed() {
    let mut listed = rules(&document("rules.md"));
    listed.extend(promises().into_iter().map(|(rule, _)| rule));
    let mut unknown = BTreeSet::new();
    for path in sources(&repository().join("crates")) {
        let text = fs::read_to_string(&path).unwrap();
        let comments = text
            .lines()
            .filter(|line| line.trim_start().starts_with("//"));
        let named = rules(&comments.collect::<Vec<_>>().join("\n"));
        unknown.extend(named.difference(&listed).cloned());
    }
    assert!(
        unknown.is_empty(),
        "neither docs/rules.md nor docs/compatibility.md lists {unknown:?}"
    );
}

#[test]
fn ranges_are_read() {
    let found = rules("FB-1..FB-3, (S1-4) and UTF-8, EP-7.");
    let expected = ["EP-7", "FB-1", "FB-2", "FB-3", "S1-4"];
    assert_eq!(found, expected.map(str::to_owned).into());
}
