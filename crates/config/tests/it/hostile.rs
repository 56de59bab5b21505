//! No content of a file causes a panic or the output of a secret.

use std::fmt::Write as _;

use proptest::prelude::*;
use windlass_registry::Endpoint;

use crate::support::{CERTIFICATE, Files, KEY, applied, overview};

/// Parts of which files are made that are nearly valid.
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

/// Loads `content` as each of the files, and returns all messages and overviews.
fn output_of(content: &[u8]) -> String {
    let mut output = String::new();
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
            Err(error) => output.push_str(&error),
            Ok(loaded) => {
                output.push_str(&serde_json::to_string(&overview(&loaded)).unwrap());
                write!(output, "{:?}", loaded.unusable).unwrap();
                output.push_str(&files.findings(&loaded).concat());
            }
        }
    }
    output
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// I7.
    #[test]
    fn no_text_causes_a_panic_or_shows_a_password(text in text()) {
        prop_assert!(!output_of(text.as_bytes()).contains("hunter2@"));
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        output_of(&bytes);
    }
}

/// E11.
#[test]
fn nesting_has_a_limit() {
    for (open, close) in [("[", "]"), ("{a=", "}"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        output_of(deep.as_bytes());
        output_of(format!("ca = {deep}").as_bytes());
    }
    output_of(format!("a{} = 1", ".a".repeat(100_000)).as_bytes());
}

/// E11: a long key is not repeated for each key in its table.
#[test]
fn long_keys_are_shortened() {
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

/// The position of a key is found quickly in long lines, too.
#[test]
fn a_file_can_be_a_single_line() {
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

/// Elements may be compared with each other, or be files to read, so their number is limited.
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
        let error = files.load().unwrap_err();
        let (_, problem) = error.split_once(": ").unwrap();
        let key = key.replace('\'', "\"");
        assert_eq!(problem, format!("{key}: expected at most 1000 elements"));
    }
}

/// Headers that cannot be sent are errors with a position.
#[test]
fn headers_are_checked() {
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
    let files = Files::new(&[("system.toml", &text)]);
    let config = applied(&files.load().unwrap()).registry;
    let name = "a.test/a".parse().unwrap();
    assert_eq!(Endpoint::of(&name, &config).unwrap().len(), 1);
}

/// I7: an address with a password or a token may be written in place of a key.
#[test]
fn no_key_shows_a_secret() {
    for (text, expected) in [
        (
            "[registry.'https://me:hunter2@a.test']",
            "1:11: registry.\"https://[hidden]@a.test\": \"https://[hidden]@a.test\" is not the name of a registry: expected HOST.DOMAIN, HOST:PORT or `localhost`",
        ),
        (
            "[registry.'a.test/?token=hunter2']",
            "1:11: registry.\"a.test/?[hidden]\": \"a.test/?[hidden]\" is not the name of a registry: expected HOST.DOMAIN, HOST:PORT or `localhost`",
        ),
        (
            "'a.test/?token=hunter2' = 1",
            "1:1: \"a.test/?[hidden]\": there is no such key",
        ),
    ] {
        let error = Files::new(&[("system.toml", text)]).load().unwrap_err();
        assert_eq!(error, format!("system.toml:{expected}"));
    }
    for host in [
        "https://m.test/?token=hunter2",
        "https://me:hunter2@m.test/?x@y",
    ] {
        let text = format!("[host.'{host}']");
        let files = Files::new(&[("first/a.test/hosts.toml", &text)]);
        let loaded = files.load().unwrap();
        let output = format!("{} {loaded:?}", files.registry_error(&loaded, "a.test"));
        assert!(!output.contains("hunter2"), "{output}");
    }
}

/// R9.
#[test]
fn control_characters_are_escaped() {
    let output = output_of(b"\"\\u001b[2J\" = 1");
    assert!(!output.contains('\u{1b}'));
}

/// The line of each of many keys is found quickly.
#[test]
fn many_keys_are_read_quickly() {
    let lines: Vec<String> = (0..80_000).map(|number| format!("a{number}=1")).collect();
    let text = lines.join("\n");
    let files = Files::new(&[("first/a.test/hosts.toml", &text)]);
    let loaded = files.load().unwrap();
    assert_eq!(loaded.findings.len(), 80_000);
    assert_eq!(loaded.findings[79_999].origin.line, Some(80_000));
}
