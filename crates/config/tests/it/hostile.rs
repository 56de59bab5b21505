//! No content of a file makes reading it panic, or shows a secret.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::support::{CERTIFICATE, Files, KEY};

/// Pieces of which files that are nearly right are made.
const PIECES: [&str; 44] = [
    "server",
    "host",
    "ca",
    "client",
    "header",
    "registry",
    "mirror",
    "url",
    "proxy",
    "timeouts",
    "insecure-registries",
    "capabilities",
    "\"docker.io\"",
    "\"*\"",
    "\"https://m.test\"",
    "'a.test:5000'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    ":",
    "\n",
    " ",
    "\"",
    "'",
    "'''",
    "#",
    "true",
    "1",
    "-1",
    "1979-05-27",
    "\"http://u:hunter2@p.test\"",
    "\"10.0.0.0/8\"",
    "\"\"",
    "\"1s\"",
    "skip_verify",
    "\"pull\"",
    "\u{feff}",
    "null",
];

fn text() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40);
    prop_oneof![pieces.prop_map(|pieces| pieces.concat()), any::<String>(),]
}

/// Loads `content` in the place of every file, and returns all that is told of it.
fn told_of(content: &[u8]) -> String {
    let mut told = String::new();
    for name in [
        "system.toml",
        "daemon.json",
        "first/a.test/hosts.toml",
        "first/_default/hosts.toml",
        "first/a.test/ca.crt",
    ] {
        let files = Files::new(&[
            ("first/b.test/a.cert", CERTIFICATE),
            ("first/b.test/a.key", KEY),
        ]);
        files.write(name, content);
        match files.load() {
            Err(error) => told.push_str(&error),
            Ok(loaded) => {
                told.push_str(&serde_json::to_string(&loaded.overview(None)).unwrap());
                write!(told, "{:?}", loaded.unusable).unwrap();
                told.push_str(&files.findings(&loaded).concat());
            }
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// I7.
    #[test]
    fn no_text_panics_or_tells_a_password(text in text()) {
        prop_assert!(!told_of(text.as_bytes()).contains("hunter2@"));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        told_of(&bytes);
    }
}

/// E11.
#[test]
fn nesting_has_a_limit() {
    for (open, close) in [("[", "]"), ("{a=", "}"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        told_of(deep.as_bytes());
        told_of(format!("ca = {deep}").as_bytes());
    }
    told_of(format!("a{} = 1", ".a".repeat(100_000)).as_bytes());
}

/// R9.
#[test]
fn what_steers_a_terminal_is_spelled_out() {
    let told = told_of(b"\"\\u001b[2J\" = 1");
    assert!(!told.contains('\u{1b}'));
}

/// As many keys as a file can hold are told without counting its lines for each.
#[test]
fn many_keys_take_no_time_to_speak_of() {
    let lines: Vec<String> = (0..80_000).map(|number| format!("a{number}=1")).collect();
    let text = lines.join("\n");
    let files = Files::new(&[("first/a.test/hosts.toml", &text)]);
    let loaded = files.load().unwrap();
    assert_eq!(loaded.findings.len(), 80_000);
    assert_eq!(loaded.findings[79_999].origin.line, Some(80_000));
}
