//! Every path of the repository that a document names exists.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// The first parts of the paths that are checked. Other paths, such as `target/release`, are not in the repository.
const DIRECTORIES: [&str; 6] = [".cargo", ".ci", "contrib", "crates", "docs", "xtask"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents that are checked, relative to the repository. The changelog is not: it names what existed once.
fn documents() -> Vec<PathBuf> {
    let mut documents = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md")];
    for directory in ["docs", "docs/decisions"] {
        for entry in fs::read_dir(repository().join(directory)).unwrap() {
            documents.push(Path::new(directory).join(entry.unwrap().file_name()));
        }
    }
    for entry in fs::read_dir(repository().join("crates")).unwrap() {
        let name = entry.unwrap().file_name();
        documents.push(Path::new("crates").join(name).join("README.md"));
    }
    documents.retain(|path| {
        path.extension().is_some_and(|extension| extension == "md")
            && repository().join(path).is_file()
    });
    documents.sort();
    documents
}

/// Returns the paths that `text` names, in the order of the text. `a/{b,c}.rs` names two, `a/*.rs` names `a`.
fn named_paths(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "/._-{},*".contains(c);
    text.split(|c| !is_part(c))
        .map(|word| match word.split_once('*') {
            Some((start, _)) => start
                .rsplit_once('/')
                .map_or("", |(directory, _)| directory),
            None => word.trim_end_matches(['.', ',', '/']),
        })
        .filter(|word| {
            word.split_once('/')
                .is_some_and(|(first, _)| DIRECTORIES.contains(&first))
        })
        .flat_map(expand)
        .collect()
}

/// Expands the braces of a path.
fn expand(path: &str) -> Vec<String> {
    let Some((start, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (choices, end) = rest.split_once('}').unwrap_or((rest, ""));
    choices
        .split(',')
        .map(|choice| format!("{start}{choice}{end}"))
        .collect()
}

#[test]
fn paths_in_documents_exist() {
    let mut missing = Vec::new();
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(repository().join(&document)).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            for path in named_paths(line) {
                checked += 1;
                if !repository().join(&path).exists() {
                    missing.push(format!("{}:{number}: {path}", document.display()));
                }
            }
        }
    }
    assert!(checked > 50, "only {checked} paths were found");
    assert!(
        missing.is_empty(),
        "these documents name paths that do not exist:\n{}",
        missing.join("\n")
    );
}

#[test]
fn paths_are_found_in_running_text() {
    let text = "See [the map](docs/architecture.md), `crates/cli/src/{main,args}.rs`, xtask/tests/, contrib/systemd/windlass.*. \
                Not `target/release/windlass`, https://docs.rs/tokio or docs.";
    let expected = [
        "docs/architecture.md",
        "crates/cli/src/main.rs",
        "crates/cli/src/args.rs",
        "xtask/tests",
        "contrib/systemd",
    ];
    assert_eq!(named_paths(text), expected);
}
