//! No content of a file makes reading it panic, or shows a secret.

use std::fmt::Write as _;

use proptest::prelude::*;
use windlass_registry::{Endpoint, RegistryConfig};

use crate::support::{CERTIFICATE, Files, KEY};

/// Pieces of which files that are nearly right are made.
const PIECES: [&str; 50] = [
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
    "pull",
    "partials",
    "limit-rate",
    "max-age",
    "chunk",
    "'8MiB'",
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

/// E11: what is long is not repeated as often as there is something in it.
#[test]
fn long_keys_do_not_multiply() {
    let name = "a".repeat(400_000);
    let mut text = format!("[host.{name}]\n");
    for number in 0..60_000 {
        writeln!(text, "a{number}=1").unwrap();
    }
    let files = Files::new(&[("first/a.test/hosts.toml", &text)]);
    let loaded = files.load().unwrap();
    assert_eq!(loaded.findings.len(), 60_000);
    let longest = loaded.findings.iter().map(|it| it.to_string().len()).max();
    assert!(longest < Some(1000), "{longest:?}");
}

/// Lines are as long as people like, or as programs write them.
#[test]
fn everything_may_stand_in_one_line() {
    let keys: Vec<String> = (0..60_000)
        .map(|number| format!("\u{e4}{number}=1"))
        .collect();
    let keys = keys.join(",").replace('\u{e4}', "a");
    let text = format!("host = {{ 'm.test' = {{ {keys} }} }} # \u{e4}");
    let files = Files::new(&[("first/a.test/hosts.toml", &text)]);
    let loaded = files.load().unwrap();
    assert_eq!(loaded.findings.len(), 60_000);
    assert_eq!(loaded.findings[59_999].origin.line, Some(1));
    let umlauts = "\u{e4}".repeat(100_000);
    files.write("system.toml", format!("ca = '{umlauts}'; x"));
    assert!(
        files
            .load()
            .unwrap_err()
            .starts_with("system.toml:1:100008: ")
    );
}

/// What is compared with each other, or read for each element, has a limit.
#[test]
fn arrays_have_a_limit() {
    for (key, element) in [
        ("ca", "'x'"),
        ("insecure-registries", "'x'"),
        ("registry.'a.test'.mirror", "'x.test'"),
        ("registry.'a.test'.header.x", "'x'"),
        ("proxy.no-proxy", "'x'"),
    ] {
        let text = format!("{key} = [{}]", format!("{element},").repeat(1001));
        let files = Files::new(&[("system.toml", &text)]);
        let told = files.load().unwrap_err();
        assert!(told.ends_with(": expected at most 1000 elements"), "{told}");
    }
}

/// What servers do not take, and what the client could not send, is told with its place.
#[test]
fn headers_can_be_sent() {
    let lines = |count: usize, value: &str| {
        let lines = (0..count).map(|number| format!("x{number} = '{value}'"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let many = lines(101, "");
    let long = format!("x = '{}'", "x".repeat(16 << 10));
    for (headers, expected) in [
        (
            &*many,
            "102:1: registry.\"a.test\".header.x100: a host gets at most 100 headers, of 16384 bytes together",
        ),
        (
            &*long,
            "2:1: registry.\"a.test\".header.x: a host gets at most 100 headers, of 16384 bytes together",
        ),
        (
            "x = 'gr\u{f6}\u{df}er'",
            "2:1: registry.\"a.test\".header.x: the value of a header can hold printable ASCII only",
        ),
        (
            "Authorization = 'Basic x'\n\"x\\r\\nHost\" = 'evil'",
            "3:1: registry.\"a.test\".header.\"x\\r\\nHost\": that is not the name of a header",
        ),
    ] {
        let text = format!("[registry.'a.test'.header]\n{headers}");
        let files = Files::new(&[("system.toml", &text)]);
        assert_eq!(files.load().unwrap_err(), format!("system.toml:{expected}"));
    }
    let most = lines(100, " ~\t");
    let text = format!("[registry.'a.test'.header]\n{most}");
    let mut config = RegistryConfig::default();
    let files = Files::new(&[("system.toml", &text)]);
    files.load().unwrap().apply(&mut config);
    let name = "a.test/a".parse().unwrap();
    assert_eq!(Endpoint::of(&name, &config).unwrap().len(), 1);
}

/// I7: people take addresses with passwords and tokens for keys, too.
#[test]
fn no_address_in_the_wrong_place_tells_its_secret() {
    for (text, key) in [
        (
            "[registry.'https://me:hunter2@a.test']",
            "https://[hidden]@a.test",
        ),
        ("[registry.'a.test/?token=hunter2']", "a.test/?[hidden]"),
        ("'a.test/?token=hunter2' = 1", "a.test/?[hidden]"),
    ] {
        let told = Files::new(&[("system.toml", text)]).load().unwrap_err();
        assert!(told.contains(key) && !told.contains("hunter2"), "{told}");
    }
    for host in [
        "https://m.test/?token=hunter2",
        "https://me:hunter2@m.test/?x@y",
    ] {
        let text = format!("[host.'{host}']");
        let files = Files::new(&[("first/a.test/hosts.toml", &text)]);
        let loaded = files.load().unwrap();
        let told = format!("{} {loaded:?}", files.why_not(&loaded, "a.test"));
        assert!(!told.contains("hunter2"), "{told}");
    }
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
